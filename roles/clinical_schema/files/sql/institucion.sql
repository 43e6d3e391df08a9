-- Whose lab it is, as the role was told; what cannot be so is refused with the name of its field.
CREATE OR REPLACE FUNCTION pg_temp.set_institution(wanted jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  wrong text;
BEGIN
  SELECT string_agg(format('%s %s, not "%s"', f.name, f.rule, wanted ->> f.name), '; ') INTO wrong
    FROM (VALUES ('nit', '^[0-9]{4,12}$', 'has 4 to 12 digits, without the check digit'),
                 ('codigo_prestador', '^[0-9]{10}$', 'has 10 digits (REPS)'),
                 ('sede', '^[0-9]{2}$', 'has 2 digits (REPS)'),
                 ('nombre', '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]', 'says something'),
                 ('direccion', '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]', 'says something')) AS f (name, form, rule)
   WHERE coalesce(wanted ->> f.name, '') !~ f.form;
  IF NOT EXISTS (SELECT FROM public.municipios m WHERE m.codigo_municipio = wanted ->> 'codigo_municipio') THEN
    wrong := concat_ws('; ', wrong, format('codigo_municipio is that of a municipality (SELECT * FROM municipios), not "%s"', wanted ->> 'codigo_municipio'));
  END IF;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'clinical_schema_institution: %', wrong;
  END IF;
  INSERT INTO lab.institucion (nit, codigo_prestador, sede, nombre, direccion, codigo_municipio)
  SELECT * FROM jsonb_to_record(wanted) AS w (nit text, codigo_prestador text, sede text, nombre text, direccion text, codigo_municipio text)
      ON CONFLICT (unica) DO UPDATE
     SET nit = excluded.nit, codigo_prestador = excluded.codigo_prestador, sede = excluded.sede, nombre = excluded.nombre,
         direccion = excluded.direccion, codigo_municipio = excluded.codigo_municipio;
END
$$;
