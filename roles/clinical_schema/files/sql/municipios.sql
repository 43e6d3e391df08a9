-- DANE's municipalities as the middleware's package has them (municipios.csv): what is missing, or has another name. Where nothing is, nothing
-- is written: a writer of a reference table waits for every node.
CREATE OR REPLACE FUNCTION pg_temp.fill_municipalities(lista text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  nuevos jsonb;
BEGIN
  SELECT jsonb_agg(v) INTO nuevos
    FROM (SELECT split_part(l, ';', 1) AS codigo_municipio, split_part(l, ';', 2) AS nombre, split_part(l, ';', 3) AS departamento,
                 nullif(split_part(l, ';', 4), '') AS nombre_comun
            FROM string_to_table(lista, E'\n') AS l
           WHERE l ~ '^[0-9]') AS v
    LEFT JOIN public.municipios AS m USING (codigo_municipio)
   WHERE (m.nombre, m.departamento, m.nombre_comun) IS DISTINCT FROM (v.nombre, v.departamento, v.nombre_comun);
  IF nuevos IS NOT NULL THEN
    INSERT INTO public.municipios (codigo_municipio, nombre, departamento, nombre_comun)
    SELECT * FROM jsonb_to_recordset(nuevos) AS v (codigo_municipio text, nombre text, departamento text, nombre_comun text)
        ON CONFLICT (codigo_municipio) DO UPDATE
       SET nombre = excluded.nombre, departamento = excluded.departamento, nombre_comun = excluded.nombre_comun;
  END IF;
END
$$;
