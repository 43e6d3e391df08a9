INSERT INTO accesos_paginas (documento_id, rol, accion, motivo, pacientes, consultas)
VALUES (%(documento_id)s, %(rol)s, %(accion)s, %(motivo)s, %(pacientes)s, %(consultas)s::uuid[])
