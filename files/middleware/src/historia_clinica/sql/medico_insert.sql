INSERT INTO medicos (nombre, especialidad, registro, ciudad, activo, documento, primer_nombre, segundo_nombre, primer_apellido, segundo_apellido,
                     codigo_profesion, codigo_servicio)
VALUES (%(nombre)s, %(especialidad)s, %(registro)s, %(ciudad)s, %(activo)s, %(documento)s, %(primer_nombre)s, %(segundo_nombre)s,
        %(primer_apellido)s, %(segundo_apellido)s, %(codigo_profesion)s, %(codigo_servicio)s)
RETURNING id
