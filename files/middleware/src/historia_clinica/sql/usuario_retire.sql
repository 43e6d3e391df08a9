UPDATE usuario SET activo = false WHERE documento_id = %(documento_id)s
