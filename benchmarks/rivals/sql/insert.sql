INSERT INTO consultas (paciente_id, medico_id, motivo, codigo_cie10, diagnostico)
VALUES (%(cedula)s, %(medico_id)s, %(motivo)s, %(codigo_cie10)s, %(diagnostico)s)
RETURNING paciente_id, id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico, tratamiento
