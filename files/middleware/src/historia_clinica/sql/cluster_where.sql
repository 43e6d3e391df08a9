-- Where the rows of one patient are, or would be: every table that is distributed by his document.
SELECT w.table_name AS tabla, w.shard_name AS fragmento, w.node_name AS nodo
  FROM unnest(ARRAY['pacientes', 'consultas']) WITH ORDINALITY AS t (tabla, orden),
       LATERAL lab.where(t.tabla, %(cedula)s) AS w
 ORDER BY t.orden
