COPY pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo) FROM STDIN
