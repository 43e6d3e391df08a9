SELECT cedula, id, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo, creado_en
  FROM pacientes
 WHERE cedula = %(cedula)s
