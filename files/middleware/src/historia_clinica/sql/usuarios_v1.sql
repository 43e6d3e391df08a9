-- One user, or a page of them; never the hash of a password. A condition that was not asked for is left out (search).
SELECT json_build_object('documento_id', documento_id, 'nombre', nombre, 'edad', edad, 'rol', rol,
                         'medico_id', medico_id::text, 'activo', activo, 'tiene_clave', clave_hash IS NOT NULL)::text AS cuerpo
  FROM usuario
 WHERE true
   AND documento_id = %(documento_id)s  -- optional
   AND documento_id > %(despues)s  -- optional
   AND rol = %(rol)s  -- optional
   AND activo = %(activo)s  -- optional
 ORDER BY documento_id
 LIMIT %(limite)s + 1
