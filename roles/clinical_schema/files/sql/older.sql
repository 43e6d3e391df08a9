-- Rows that an older lab had and that have no form of this one: a line for each kind, with what lists them. They stay as they are.
SELECT format('%s %s: %s', k.rows, k.what, k.query) AS line
  FROM (SELECT (SELECT count(*) FROM public.pacientes WHERE cedula ~ '^0') AS rows,
               'patients whose document begins with 0, who may be in the lab twice' AS what,
               'SELECT cedula, nombre, apellido FROM pacientes WHERE ltrim(cedula, ''0'') IN (SELECT ltrim(cedula, ''0'') FROM pacientes WHERE cedula ~ ''^0'')' AS query
         UNION ALL
        SELECT (SELECT count(*) FROM public.pacientes WHERE nombre_sin_partes),
               'patients whose name nobody has taken apart', 'SELECT cedula, nombre, apellido FROM pacientes WHERE nombre_sin_partes'
         UNION ALL
        SELECT (SELECT count(*) FROM public.pacientes WHERE codigo_municipio IS NULL AND pais_residencia = '170'),
               'patients whose city is not the name of one municipality alone',
               'SELECT ciudad, count(*) FROM pacientes WHERE codigo_municipio IS NULL GROUP BY ciudad ORDER BY 2 DESC'
         UNION ALL
        SELECT (SELECT count(*) FROM public.consultas WHERE codigo_cie10 !~ '^[A-Z][0-9][0-9A-Z][0-9X]$'),
               'consultations whose diagnosis is no code of CIE-10',
               'SELECT paciente_id, id, codigo_cie10 FROM consultas WHERE codigo_cie10 !~ ''^[A-Z][0-9][0-9A-Z][0-9X]$'''
         UNION ALL
        SELECT (SELECT count(*) FROM public.cie10 WHERE descripcion IS NULL),
               'diagnoses that consultations have and the lab does not know',
               'SELECT codigo FROM cie10 WHERE descripcion IS NULL'
         UNION ALL
        SELECT (SELECT count(*) FROM public.medicos WHERE nombre_sin_partes), 'doctors whose name nobody has taken apart',
               'SELECT id, nombre FROM medicos WHERE nombre_sin_partes'
         UNION ALL
        SELECT (SELECT count(*) FROM (SELECT clave_registro FROM public.medicos GROUP BY 1 HAVING count(*) > 1) AS same),
               'registrations that more than one doctor has', 'SELECT id, nombre, registro FROM medicos ORDER BY clave_registro') AS k
 WHERE k.rows > 0;
