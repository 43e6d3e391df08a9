SELECT nombre, apellido, ciudad
  FROM pacientes
 WHERE cedula = %(cedula)s
