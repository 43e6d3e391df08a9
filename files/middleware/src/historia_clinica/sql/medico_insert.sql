INSERT INTO medicos (nombre, especialidad, registro, ciudad, activo)
VALUES (%(nombre)s, %(especialidad)s, %(registro)s, %(ciudad)s, %(activo)s)
RETURNING id
