UPDATE pacientes
   SET nombre = %(nombre)s, primer_nombre = %(primer_nombre)s, segundo_nombre = %(segundo_nombre)s,
       apellido = %(apellido)s, primer_apellido = %(primer_apellido)s, segundo_apellido = %(segundo_apellido)s,
       fecha_nacimiento = %(fecha_nacimiento)s, sexo = %(sexo)s, ciudad = %(ciudad)s, codigo_municipio = %(codigo_municipio)s,
       zona_residencia = %(zona_residencia)s, pais_residencia = %(pais_residencia)s, nacionalidad = %(nacionalidad)s, etnia = %(etnia)s, discapacidad = %(discapacidad)s,
       tipo_usuario = %(tipo_usuario)s, telefono = %(telefono)s, correo = %(correo)s
 WHERE cedula = %(cedula)s
