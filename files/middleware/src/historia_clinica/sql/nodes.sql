SELECT node_name AS nombre, role AS rol, responds AS responde, error
  FROM lab.nodes
 ORDER BY role, node_name
