INSERT INTO pacientes (cedula, nombre, primer_nombre, segundo_nombre, apellido, primer_apellido, segundo_apellido, fecha_nacimiento, sexo,
                       ciudad, codigo_municipio, zona_residencia, pais_residencia, nacionalidad, etnia, discapacidad, tipo_usuario, telefono,
                       correo)
VALUES (%(cedula)s, %(nombre)s, %(primer_nombre)s, %(segundo_nombre)s, %(apellido)s, %(primer_apellido)s, %(segundo_apellido)s,
        %(fecha_nacimiento)s, %(sexo)s, %(ciudad)s, %(codigo_municipio)s, %(zona_residencia)s, %(pais_residencia)s, %(nacionalidad)s,
        %(etnia)s, %(discapacidad)s, %(tipo_usuario)s, %(telefono)s, %(correo)s)
