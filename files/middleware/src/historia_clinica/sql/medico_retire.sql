UPDATE medicos SET activo = false WHERE id = %(medico_id)s
