-- One patient, or a page of them: a condition that was not asked for is left out (search).
SELECT cedula AS paciente_id,
       json_build_object('cedula', cedula, 'tipo_documento', tipo_documento, 'numero_documento', numero_documento, 'id', id,
                         'nombre', nombre, 'primer_nombre', primer_nombre, 'segundo_nombre', segundo_nombre,
                         'apellido', apellido, 'primer_apellido', primer_apellido, 'segundo_apellido', segundo_apellido,
                         'nombre_sin_partes', nombre_sin_partes, 'fecha_nacimiento', fecha_nacimiento, 'sexo', sexo,
                         'ciudad', ciudad, 'codigo_municipio', codigo_municipio, 'zona_residencia', zona_residencia,
                         'pais_residencia', pais_residencia, 'nacionalidad', nacionalidad, 'etnia', etnia, 'discapacidad', discapacidad,
                         'tipo_usuario', tipo_usuario, 'telefono', telefono, 'correo', correo,
                         'creado_en', to_char(creado_en AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                        )::text AS cuerpo
  FROM pacientes
 WHERE true
   AND cedula = %(cedula)s  -- optional
   AND cedula > %(despues)s  -- optional
   AND ciudad = %(ciudad)s  -- optional
   AND orden >= %(orden_desde)s  -- optional
   AND orden < %(orden_hasta)s  -- optional
   AND orden ~ %(orden_patron)s  -- optional
 ORDER BY cedula
 LIMIT %(limite)s + 1
