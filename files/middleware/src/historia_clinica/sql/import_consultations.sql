COPY consultas (paciente_id, id, medico_id, fecha_consulta, fecha_fin, motivo, codigo_cie10, diagnostico, tipo_diagnostico,
                diagnostico_relacionado_1, diagnostico_relacionado_2, diagnostico_relacionado_3, codigo_cie11, tratamiento,
                codigo_cups, modalidad, entorno, finalidad, causa) FROM STDIN
