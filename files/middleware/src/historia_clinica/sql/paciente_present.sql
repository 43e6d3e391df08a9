SELECT cedula FROM pacientes WHERE cedula = %(cedula)s
