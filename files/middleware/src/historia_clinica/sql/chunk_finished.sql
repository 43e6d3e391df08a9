INSERT INTO lab.sample_chunks (semilla, bloque, pacientes, consultas, cargado_en)
VALUES (%(seed)s, %(block)s, %(patients)s, %(consultations)s, now())
    ON CONFLICT (semilla, bloque) DO UPDATE
   SET pacientes = EXCLUDED.pacientes, consultas = EXCLUDED.consultas, cargado_en = EXCLUDED.cargado_en
