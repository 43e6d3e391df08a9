INSERT INTO consultas (paciente_id, id, medico_id, fecha_consulta, fecha_fin, motivo, codigo_cie10, diagnostico, tipo_diagnostico,
                       diagnostico_relacionado_1, diagnostico_relacionado_2, diagnostico_relacionado_3, codigo_cie11, tratamiento,
                       codigo_cups, modalidad, entorno, finalidad, causa)
VALUES (%(cedula)s, %(consulta_id)s, %(medico_id)s, %(fecha_consulta)s, %(fecha_fin)s, %(motivo)s, %(codigo_cie10)s, %(diagnostico)s,
        %(tipo_diagnostico)s, %(diagnostico_relacionado_1)s, %(diagnostico_relacionado_2)s, %(diagnostico_relacionado_3)s, %(codigo_cie11)s,
        %(tratamiento)s, %(codigo_cups)s, %(modalidad)s, %(entorno)s, %(finalidad)s, %(causa)s)
