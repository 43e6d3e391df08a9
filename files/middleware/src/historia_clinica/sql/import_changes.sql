COPY cambios (paciente_id, documento_id, rol, accion, motivo, tabla, fila) FROM STDIN
