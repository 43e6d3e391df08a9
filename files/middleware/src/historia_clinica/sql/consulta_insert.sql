INSERT INTO consultas (paciente_id, id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico, tratamiento)
VALUES (%(cedula)s, %(consulta_id)s, %(medico_id)s, %(fecha_consulta)s, %(motivo)s, %(codigo_cie10)s, %(diagnostico)s, %(tratamiento)s)
