-- A row where log-ins from there to that account have failed: how often, and how many seconds ago the last time.
SELECT fallos, extract(epoch FROM clock_timestamp() - ultimo_en)::float8 AS hace
  FROM lab.intentos
 WHERE origen = %(origen)s AND documento_id = %(documento_id)s
