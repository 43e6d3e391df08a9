INSERT INTO usuario (documento_id, nombre, edad, rol, medico_id, activo)
VALUES (%(documento_id)s, %(nombre)s, %(edad)s, %(rol)s, %(medico_id)s, %(activo)s)
