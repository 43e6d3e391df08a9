-- One patient, or a page of them: conditions that were not asked for are left out (search).
SELECT json_build_object('cedula', cedula, 'id', id, 'nombre', nombre, 'apellido', apellido,
                         'fecha_nacimiento', fecha_nacimiento, 'sexo', sexo, 'ciudad', ciudad, 'telefono', telefono,
                         'correo', correo, 'creado_en', to_char(creado_en AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                        )::text AS cuerpo
  FROM pacientes
 WHERE true
   AND cedula = %(cedula)s
   AND cedula > %(despues)s
   AND ciudad = %(ciudad)s
   AND starts_with(apellido, %(apellido)s)
 ORDER BY cedula
 LIMIT %(limite)s + 1
