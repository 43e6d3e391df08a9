INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo)
VALUES (%(cedula)s, %(nombre)s, %(apellido)s, %(fecha_nacimiento)s, %(sexo)s, %(ciudad)s, %(telefono)s, %(correo)s)
