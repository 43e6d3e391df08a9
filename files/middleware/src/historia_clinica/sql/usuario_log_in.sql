SELECT rol, medico_id::text AS medico_id, activo, clave_hash FROM usuario WHERE documento_id = %(documento_id)s
