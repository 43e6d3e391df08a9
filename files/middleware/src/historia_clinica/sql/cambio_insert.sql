INSERT INTO cambios (paciente_id, documento_id, rol, accion, motivo, tabla, fila, antes)
VALUES (%(cedula)s, %(documento_id)s, %(rol)s, %(accion)s, %(motivo)s, %(tabla)s, %(fila)s, %(antes)s::jsonb)
