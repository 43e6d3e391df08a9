COPY consultas (paciente_id, id, fecha_consulta, medico_id, motivo, codigo_cie10, diagnostico, tratamiento) FROM STDIN
