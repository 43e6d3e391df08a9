-- One doctor, or a page of them: a condition that was not asked for is left out (search).
SELECT json_build_object('id', id::text, 'nombre', nombre, 'especialidad', especialidad, 'registro', registro,
                         'ciudad', ciudad, 'activo', activo)::text AS cuerpo
  FROM medicos
 WHERE true
   AND id = %(medico_id)s  -- optional
   AND id > %(despues)s  -- optional
   AND especialidad = %(especialidad)s  -- optional
   AND ciudad = %(ciudad)s  -- optional
   AND activo = %(activo)s  -- optional
 ORDER BY id
 LIMIT %(limite)s + 1
