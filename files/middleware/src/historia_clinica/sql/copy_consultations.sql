COPY consultas (paciente_id, id, fecha_consulta, fecha_fin, tipo_diagnostico, diagnostico_relacionado_1, codigo_cups, medico_id, motivo,
                codigo_cie10, diagnostico, tratamiento) FROM STDIN
