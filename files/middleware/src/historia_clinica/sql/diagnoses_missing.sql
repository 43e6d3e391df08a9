-- Of these codes those that the lab has not, and whether they may come in: the setting is what the service may do, whoever asks.
SELECT c.codigo, has_table_privilege('middleware', 'cie10', 'INSERT') AS entra
  FROM unnest(%(codigos)s::text[]) AS c (codigo)
 WHERE NOT EXISTS (SELECT FROM cie10 d WHERE d.codigo = c.codigo)
