SELECT cedula, creado_en FROM pacientes WHERE cedula = ANY(%(cedulas)s)
