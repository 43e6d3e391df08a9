SELECT activo FROM medicos WHERE id = %(medico_id)s
