INSERT INTO accesos (paciente_id, documento_id, rol, accion, motivo)
VALUES (%(cedula)s, %(documento_id)s, %(rol)s, %(accion)s, %(motivo)s)
