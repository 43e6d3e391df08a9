-- What the sample knows of its own doctors, in a lab whose sample is of an older version: of whoever is still as it was, and has nothing of it.
CREATE OR REPLACE FUNCTION pg_temp.fill_doctors(lista text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  nuevos jsonb;
BEGIN
  SELECT jsonb_agg(v) INTO nuevos
    FROM (SELECT split_part(l, ',', 1)::integer AS id, split_part(l, ',', 2) AS nombre, split_part(l, ',', 4) AS registro, split_part(l, ',', 6) AS documento,
                 split_part(l, ',', 7) AS primer_nombre, nullif(split_part(l, ',', 8), '') AS segundo_nombre, split_part(l, ',', 9) AS primer_apellido,
                 nullif(split_part(l, ',', 10), '') AS segundo_apellido, split_part(l, ',', 11) AS codigo_servicio
            FROM string_to_table(lista, E'\n') AS l
           WHERE l ~ '^[0-9]') AS v
    JOIN public.medicos AS m USING (id, nombre, registro)
   WHERE num_nonnulls(m.documento, m.primer_nombre, m.codigo_servicio) = 0
     AND NOT EXISTS (SELECT FROM public.medicos o WHERE o.documento = v.documento);
  UPDATE public.medicos AS m
     SET documento = v.documento, primer_nombre = v.primer_nombre, segundo_nombre = v.segundo_nombre, primer_apellido = v.primer_apellido,
         segundo_apellido = v.segundo_apellido, codigo_servicio = v.codigo_servicio
    FROM jsonb_to_recordset(nuevos) AS v (id integer, documento text, primer_nombre text, segundo_nombre text, primer_apellido text,
                                          segundo_apellido text, codigo_servicio text)
   WHERE m.id = v.id;
END
$$;
