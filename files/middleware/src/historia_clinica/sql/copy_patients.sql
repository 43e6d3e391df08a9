COPY pacientes (cedula, nombre, primer_nombre, segundo_nombre, apellido, primer_apellido, segundo_apellido, fecha_nacimiento, sexo,
                ciudad, codigo_municipio, zona_residencia, nacionalidad, etnia, discapacidad, telefono, correo, creado_en) FROM STDIN
