-- One doctor, or a page of them: conditions that were not asked for are left out (search).
SELECT json_build_object('id', id::text, 'nombre', nombre, 'especialidad', especialidad, 'registro', registro,
                         'ciudad', ciudad, 'activo', activo)::text AS cuerpo
  FROM medicos
 WHERE true
   AND id = %(id)s
   AND id > %(despues)s
   AND especialidad = %(especialidad)s
   AND ciudad = %(ciudad)s
   AND activo = %(activo)s
 ORDER BY id
 LIMIT %(limite)s + 1
