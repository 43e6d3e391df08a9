UPDATE usuario
   SET nombre = %(nombre)s, edad = %(edad)s, rol = %(rol)s, medico_id = %(medico_id)s, activo = %(activo)s
 WHERE documento_id = %(documento_id)s
