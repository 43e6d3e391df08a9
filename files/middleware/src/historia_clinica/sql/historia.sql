-- A patient with every consultation and its doctor. The key is given to both tables: one shard answers all of it.
SELECT json_build_object(
         'paciente', json_build_object('cedula', p.cedula, 'tipo_documento', p.tipo_documento, 'numero_documento', p.numero_documento, 'id', p.id,
                         'nombre', p.nombre, 'primer_nombre', p.primer_nombre, 'segundo_nombre', p.segundo_nombre,
                         'apellido', p.apellido, 'primer_apellido', p.primer_apellido, 'segundo_apellido', p.segundo_apellido,
                         'nombre_sin_partes', p.nombre_sin_partes, 'fecha_nacimiento', p.fecha_nacimiento, 'sexo', p.sexo,
                         'ciudad', p.ciudad, 'codigo_municipio', p.codigo_municipio, 'zona_residencia', p.zona_residencia,
                         'pais_residencia', p.pais_residencia, 'nacionalidad', p.nacionalidad, 'etnia', p.etnia, 'discapacidad', p.discapacidad,
                         'tipo_usuario', p.tipo_usuario, 'telefono', p.telefono, 'correo', p.correo,
                         'creado_en', to_char(p.creado_en AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
         'consultas', coalesce((
             SELECT json_agg(json_build_object('paciente_id', c.paciente_id, 'id', c.id, 'medico_id', c.medico_id::text,
                         'fecha_consulta', to_char(c.fecha_consulta AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                         'fecha_fin', to_char(c.fecha_fin AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                         'motivo', c.motivo, 'codigo_cie10', c.codigo_cie10, 'diagnostico', c.diagnostico,
                         'tipo_diagnostico', c.tipo_diagnostico, 'diagnostico_relacionado_1', c.diagnostico_relacionado_1,
                         'diagnostico_relacionado_2', c.diagnostico_relacionado_2, 'diagnostico_relacionado_3', c.diagnostico_relacionado_3,
                         'codigo_cie11', c.codigo_cie11, 'tratamiento', c.tratamiento, 'codigo_cups', c.codigo_cups,
                         'modalidad', c.modalidad, 'entorno', c.entorno, 'finalidad', c.finalidad, 'causa', c.causa,
                         'medico', json_build_object('id', m.id::text, 'nombre', m.nombre, 'especialidad', m.especialidad,
                                                     'registro', m.registro, 'ciudad', m.ciudad, 'activo', m.activo))
                      ORDER BY c.fecha_consulta DESC, c.id)
               FROM consultas c
               JOIN medicos m ON m.id = c.medico_id
              WHERE c.paciente_id = %(cedula)s), '[]'))::text AS cuerpo
  FROM pacientes p
 WHERE p.cedula = %(cedula)s
