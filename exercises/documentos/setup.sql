-- Twenty-four of the lab's own patients, as different systems write them: another lab has others.
CREATE TABLE public.documentos_recibidos (renglon integer PRIMARY KEY, texto text NOT NULL);
INSERT INTO public.documentos_recibidos
SELECT row_number() OVER (ORDER BY turno, cedula), CASE turno
    WHEN 0 THEN 'CC ' || cedula
    WHEN 1 THEN substr(cedula, 1, 1) || '.' || substr(cedula, 2, 3) || '.' || substr(cedula, 5, 3) || '.' || substr(cedula, 8)
    WHEN 2 THEN 'c.c. ' || substr(cedula, 1, 4) || ' ' || substr(cedula, 5)
    WHEN 3 THEN 'TI-' || cedula
    WHEN 4 THEN 'ti ' || substr(cedula, 1, 1) || '.' || substr(cedula, 2, 3) || '.' || substr(cedula, 5, 3) || '.' || substr(cedula, 8)
    ELSE '  ' || cedula || '  ' END
  FROM (SELECT cedula, (row_number() OVER (ORDER BY hashtext(cedula), cedula))::integer % 6 AS turno
          FROM public.pacientes WHERE cedula ~ '^[1-9][0-9]{9}$' ORDER BY hashtext(cedula), cedula LIMIT 24) AS elegidos;
SELECT json_build_object('rows', json_agg(json_build_object('renglon', renglon, 'texto', texto) ORDER BY renglon)) FROM public.documentos_recibidos;
