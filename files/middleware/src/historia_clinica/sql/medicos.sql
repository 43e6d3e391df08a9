-- One doctor, or a page of them: a condition that was not asked for is left out (search).
SELECT json_build_object('id', id::text, 'nombre', nombre, 'especialidad', especialidad, 'registro', registro,
                         'ciudad', ciudad, 'activo', activo, 'documento', documento, 'tipo_documento', tipo_documento,
                         'numero_documento', numero_documento, 'primer_nombre', primer_nombre, 'segundo_nombre', segundo_nombre,
                         'primer_apellido', primer_apellido, 'segundo_apellido', segundo_apellido, 'nombre_sin_partes', nombre_sin_partes,
                         'codigo_profesion', codigo_profesion, 'codigo_servicio', codigo_servicio)::text AS cuerpo
  FROM medicos
 WHERE true
   AND id = %(medico_id)s  -- optional
   AND id > %(despues)s  -- optional
   AND especialidad = %(especialidad)s  -- optional
   AND ciudad = %(ciudad)s  -- optional
   AND activo = %(activo)s  -- optional
 ORDER BY id
 LIMIT %(limite)s + 1
