SELECT table_name AS tabla, shard_name AS fragmento, node_name AS nodo, rows AS filas, size_bytes AS bytes
  FROM lab.shards
 ORDER BY table_name, shard_name, node_name
