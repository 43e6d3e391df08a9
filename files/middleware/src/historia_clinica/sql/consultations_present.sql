SELECT id FROM consultas WHERE paciente_id = ANY(%(cedulas)s)
