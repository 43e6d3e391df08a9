SELECT node_name AS nombre, role AS rol, host, port AS puerto, responds AS responde, error, version,
       shards AS fragmentos, size_bytes AS bytes
  FROM lab.nodes
 ORDER BY role, node_name
