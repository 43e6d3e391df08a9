SELECT cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo FROM pacientes WHERE cedula = ANY(%(cedulas)s)
