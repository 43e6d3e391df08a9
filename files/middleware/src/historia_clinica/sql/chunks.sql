SELECT bloque, pacientes, consultas FROM lab.sample_chunks WHERE semilla = %(seed)s
