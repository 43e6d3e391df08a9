UPDATE usuario SET clave_hash = %(clave_hash)s WHERE documento_id = %(documento_id)s
