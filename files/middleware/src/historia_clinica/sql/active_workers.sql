SELECT node_name AS nombre, node_port AS puerto
  FROM master_get_active_worker_nodes()
 ORDER BY node_name, node_port
