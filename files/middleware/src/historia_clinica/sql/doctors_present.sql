SELECT id FROM medicos WHERE id = ANY(%(ids)s)
