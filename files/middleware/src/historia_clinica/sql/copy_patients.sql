COPY pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo, creado_en) FROM STDIN
