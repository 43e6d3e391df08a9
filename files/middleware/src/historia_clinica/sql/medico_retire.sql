UPDATE medicos SET activo = false WHERE id = %(id)s
