-- DANE's municipalities as the middleware's package has them (municipios.csv): what is missing, or is otherwise. Where nothing is, nothing
-- is written: a writer of a reference table waits for every node.
CREATE OR REPLACE FUNCTION pg_temp.fill_municipalities(lista text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  hay jsonb := lab.rows_by_key('municipios');
  filas jsonb := (
    SELECT jsonb_object_agg(v.codigo_municipio, v)
      FROM (SELECT split_part(l, ';', 1) AS codigo_municipio, split_part(l, ';', 2) AS nombre, split_part(l, ';', 3) AS departamento,
                   nullif(split_part(l, ';', 4), '') AS nombre_comun
              FROM string_to_table(lista, E'\n') AS l
             WHERE l ~ '^[0-9]') AS v);
  nuevas jsonb := (SELECT jsonb_agg(value) FROM jsonb_each(filas) WHERE NOT coalesce(hay -> key @> value, false));
BEGIN
  IF nuevas IS NOT NULL THEN
    INSERT INTO public.municipios (codigo_municipio, nombre, departamento, nombre_comun)
    SELECT * FROM jsonb_to_recordset(nuevas) AS v (codigo_municipio text, nombre text, departamento text, nombre_comun text)
        ON CONFLICT (codigo_municipio) DO UPDATE
       SET nombre = excluded.nombre, departamento = excluded.departamento, nombre_comun = excluded.nombre_comun;
  END IF;
  PERFORM lab.remember_rows('municipios', filas);
END
$$;
