-- Diagnoses as the middleware's package has them (cie10.csv): what is missing, has no description, or was written here and is otherwise. A
-- description that somebody gave to a code before the package had it stays his. Where nothing is missing, nothing is written: a writer of a
-- reference table waits for every node.
CREATE OR REPLACE FUNCTION pg_temp.fill_diagnoses(lista text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  hay jsonb := lab.rows_by_key('cie10');
  filas jsonb := (
    SELECT jsonb_object_agg(v.codigo, v)
      FROM (SELECT split_part(l, ';', 1) AS codigo, split_part(l, ';', 2) AS descripcion, nullif(split_part(l, ';', 3), '') AS sexo
              FROM string_to_table(lista, E'\n') AS l
             WHERE l ~ '^[A-Z]') AS v);
  nuevas jsonb := (
    SELECT jsonb_agg(value) FROM jsonb_each(filas)
     WHERE hay #>> ARRAY[key, 'descripcion'] IS NULL
        OR NOT hay -> key @> value AND EXISTS (SELECT FROM lab.reference_rows r WHERE (r.tabla, r.codigo) = ('cie10', key)));
BEGIN
  IF nuevas IS NOT NULL THEN
    INSERT INTO public.cie10 (codigo, descripcion, sexo)
    SELECT * FROM jsonb_to_recordset(nuevas) AS v (codigo text, descripcion text, sexo text)
        ON CONFLICT (codigo) DO UPDATE SET descripcion = excluded.descripcion, sexo = excluded.sexo;
  END IF;
  PERFORM lab.remember_rows('cie10', filas);
END
$$;
-- What consultations have that is not here: it comes in without a description, and nobody guesses what it is.
CREATE OR REPLACE FUNCTION pg_temp.mark_diagnoses() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  usados text[];
BEGIN
  SELECT array_agg(DISTINCT codigo) INTO usados
    FROM (SELECT codigo_cie10 AS codigo FROM public.consultas GROUP BY 1
           UNION SELECT diagnostico_relacionado_1 FROM public.consultas WHERE diagnostico_relacionado_1 IS NOT NULL GROUP BY 1
           UNION SELECT diagnostico_relacionado_2 FROM public.consultas WHERE diagnostico_relacionado_2 IS NOT NULL GROUP BY 1
           UNION SELECT diagnostico_relacionado_3 FROM public.consultas WHERE diagnostico_relacionado_3 IS NOT NULL GROUP BY 1) AS u
   WHERE codigo NOT IN (SELECT c.codigo FROM public.cie10 c);
  IF usados IS NOT NULL THEN
    INSERT INTO public.cie10 (codigo) SELECT unnest(usados) ON CONFLICT DO NOTHING;
  END IF;
END
$$;
-- Whether whoever writes consultations may add a code, which then has no description.
CREATE OR REPLACE FUNCTION pg_temp.choose_unknown_diagnoses(como text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF como = 'mark' THEN
    PERFORM lab.grant('INSERT', '{public.cie10}', '{middleware,api,readwrite}');
  ELSE
    REVOKE INSERT ON public.cie10 FROM middleware, api, readwrite;
  END IF;
END
$$;
