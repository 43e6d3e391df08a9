UPDATE pacientes
   SET nombre = %(nombre)s, apellido = %(apellido)s, fecha_nacimiento = %(fecha_nacimiento)s, sexo = %(sexo)s,
       ciudad = %(ciudad)s, telefono = %(telefono)s, correo = %(correo)s
 WHERE cedula = %(cedula)s
