SELECT huella, ubicacion, cuerpo FROM solicitudes WHERE paciente_id = %(cedula)s AND clave = %(clave)s
