COPY pacientes (cedula, nombre, primer_nombre, segundo_nombre, apellido, primer_apellido, segundo_apellido, fecha_nacimiento, sexo,
                ciudad, codigo_municipio, zona_residencia, pais_residencia, nacionalidad, etnia, discapacidad, tipo_usuario, telefono, correo) FROM STDIN
