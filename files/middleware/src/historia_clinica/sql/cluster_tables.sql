SELECT table_name AS nombre,
       CASE kind WHEN 'distributed' THEN 'distribuida' WHEN 'reference' THEN 'referencia' ELSE 'local' END AS tipo,
       distribution_column AS columna, colocation_id AS grupo, shard_count AS fragmentos, rows AS filas, size_bytes AS bytes
  FROM lab.tables
 ORDER BY table_name
