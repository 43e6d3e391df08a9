UPDATE medicos
   SET nombre = %(nombre)s, especialidad = %(especialidad)s, registro = %(registro)s, ciudad = %(ciudad)s,
       activo = %(activo)s
 WHERE id = %(medico_id)s
