SELECT node_name, role, responds, shards FROM lab.nodes
