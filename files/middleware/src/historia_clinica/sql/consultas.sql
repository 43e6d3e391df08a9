-- One consultation, a page of a patient's, or a page of everybody's, the newest first. The order is told as ORs and not as
-- a comparison of rows: postgres_fdw sends those to the workers, and rows not.
SELECT c.paciente_id, c.id::text AS consulta_id,
       json_build_object('paciente_id', c.paciente_id, 'id', c.id, 'medico_id', c.medico_id::text,
                         'fecha_consulta', to_char(c.fecha_consulta AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                         'fecha_fin', to_char(c.fecha_fin AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                         'motivo', c.motivo, 'codigo_cie10', c.codigo_cie10, 'diagnostico', c.diagnostico,
                         'tipo_diagnostico', c.tipo_diagnostico, 'diagnostico_relacionado_1', c.diagnostico_relacionado_1,
                         'diagnostico_relacionado_2', c.diagnostico_relacionado_2, 'diagnostico_relacionado_3', c.diagnostico_relacionado_3,
                         'codigo_cie11', c.codigo_cie11, 'tratamiento', c.tratamiento, 'codigo_cups', c.codigo_cups,
                         'modalidad', c.modalidad, 'entorno', c.entorno, 'finalidad', c.finalidad, 'causa', c.causa)::text AS cuerpo
  FROM consultas c
 WHERE true
   AND c.paciente_id = %(cedula)s  -- optional
   AND c.id = %(consulta_id)s  -- optional
   AND c.fecha_consulta >= %(desde)s  -- optional
   AND c.fecha_consulta < %(hasta)s  -- optional
   AND c.medico_id = %(medico_id)s  -- optional
   AND c.codigo_cie10 = %(codigo_cie10)s  -- optional
   AND c.paciente_id IN (SELECT p.cedula FROM pacientes p WHERE p.ciudad = %(ciudad)s)  -- optional
   AND c.fecha_consulta <= %(despues_fecha)s  -- optional
   AND (c.fecha_consulta < %(despues_fecha)s OR c.paciente_id < %(despues_paciente)s OR (c.paciente_id = %(despues_paciente)s AND c.id < %(despues_id)s))  -- optional
 ORDER BY c.fecha_consulta DESC, c.paciente_id DESC, c.id DESC
 LIMIT %(limite)s + 1
