COPY consultas (paciente_id, id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico, tratamiento) FROM STDIN
