UPDATE medicos
   SET nombre = %(nombre)s, especialidad = %(especialidad)s, registro = %(registro)s, ciudad = %(ciudad)s,
       activo = %(activo)s, documento = %(documento)s, primer_nombre = %(primer_nombre)s, segundo_nombre = %(segundo_nombre)s,
       primer_apellido = %(primer_apellido)s, segundo_apellido = %(segundo_apellido)s, codigo_profesion = %(codigo_profesion)s,
       codigo_servicio = %(codigo_servicio)s
 WHERE id = %(medico_id)s
