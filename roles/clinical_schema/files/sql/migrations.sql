-- Changes of the tables for a lab of an older version: each does nothing the second time, and nothing where the tables are new.
-- In blocks: Citus sends a command to its shards with the text that it came in, which must hold no other. Each is a transaction: whoever writes
-- meanwhile waits for one of them, not for all. Sequentially: Citus changes a table's shards all at once else, and then refuses to touch
-- another table in the same transaction.

-- A person is a type and a number: a cédula keeps its digits, every other document is TIPO-NÚMERO (documents.py).
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  PERFORM lab.replace_check('public.pacientes', 'pacientes_cedula_check', 'pacientes_documento_check',
    $c$cedula ~ '^(?:[1-9][0-9]{3,9}|TI-[0-9]{4,11}|RC-[0-9A-Z]{4,11}|CE-[0-9A-Z]{4,6}|PA-[0-9A-Z]{4,16}|PE-[0-9A-Z]{4,15}|PT-[0-9A-Z]{4,20}|CD-[0-9A-Z]{4,16}|SC-[0-9A-Z]{4,16}|DE-[0-9A-Z]{4,20}|SI-[0-9A-Z]{4,20}|CN-[0-9A-Z]{9,20}|MS-[0-9A-Z]{4,12}|AS-[0-9A-Z]{4,10})$'$c$);
  PERFORM lab.replace_check('public.usuario', 'usuario_documento_id_check', 'usuario_documento_check',
    $c$documento_id ~ '^(?:[1-9][0-9]{3,9}|TI-[0-9]{4,11}|RC-[0-9A-Z]{4,11}|CE-[0-9A-Z]{4,6}|PA-[0-9A-Z]{4,16}|PE-[0-9A-Z]{4,15}|PT-[0-9A-Z]{4,20}|CD-[0-9A-Z]{4,16}|SC-[0-9A-Z]{4,16}|DE-[0-9A-Z]{4,20}|SI-[0-9A-Z]{4,20}|CN-[0-9A-Z]{9,20}|MS-[0-9A-Z]{4,12}|AS-[0-9A-Z]{4,10})$'$c$);
  PERFORM lab.migrate($m$ALTER TABLE public.pacientes ADD COLUMN IF NOT EXISTS tipo_documento text NOT NULL
    GENERATED ALWAYS AS (CASE WHEN strpos(cedula, '-') > 0 THEN split_part(cedula, '-', 1) ELSE 'CC' END) STORED$m$);
  PERFORM lab.migrate($m$ALTER TABLE public.pacientes ADD COLUMN IF NOT EXISTS numero_documento text NOT NULL
    GENERATED ALWAYS AS (split_part(cedula, '-', -1)) STORED$m$);
END $$;
COMMIT;

-- One spelling of a diagnosis, RIPS': four characters without a dot, X where a code has only three. What is no code of CIE-10 is left as
-- somebody wrote it, and then the check is for rows to come alone.
BEGIN;
DO $$ BEGIN
  UPDATE public.consultas SET codigo_cie10 = rpad(upper(replace(codigo_cie10, '.', '')), 4, 'X')
   WHERE codigo_cie10 !~ '^[A-Z][0-9][0-9A-Z][0-9X]$' AND codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z](\.?[0-9X])?$';
END $$;
COMMIT;
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  PERFORM lab.replace_check('public.consultas', 'consultas_codigo_cie10_check', 'consultas_cie10_check', $c$codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$'$c$);
END $$;
COMMIT;

-- A letter and its accent are one sign (NFC), in what is stored too. Rows that keep an older form of a document or a code are left.
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  UPDATE public.medicos SET nombre = normalize(nombre), especialidad = normalize(especialidad), registro = normalize(registro), ciudad = normalize(ciudad)
   WHERE nombre IS NOT NFC NORMALIZED OR especialidad IS NOT NFC NORMALIZED OR registro IS NOT NFC NORMALIZED OR ciudad IS NOT NFC NORMALIZED;
  UPDATE public.pacientes SET nombre = normalize(nombre), apellido = normalize(apellido), ciudad = normalize(ciudad)
   WHERE (nombre IS NOT NFC NORMALIZED OR apellido IS NOT NFC NORMALIZED OR ciudad IS NOT NFC NORMALIZED) AND cedula !~ '^0';
  UPDATE public.consultas SET motivo = normalize(motivo), diagnostico = normalize(diagnostico), tratamiento = normalize(tratamiento)
   WHERE (motivo IS NOT NFC NORMALIZED OR diagnostico IS NOT NFC NORMALIZED OR tratamiento IS NOT NFC NORMALIZED)
     AND codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$';
  UPDATE public.usuario SET nombre = normalize(nombre) WHERE nombre IS NOT NFC NORMALIZED AND documento_id !~ '^0';
END $$;
COMMIT;

-- A text says something: blanks and what has no width are nothing.
BEGIN;
DO $$
DECLARE
  c record;
BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  FOR c IN SELECT * FROM (VALUES ('medicos', 'nombre'), ('medicos', 'especialidad'), ('medicos', 'registro'), ('medicos', 'ciudad'), ('pacientes', 'nombre'), ('pacientes', 'apellido'), ('pacientes', 'ciudad'), ('consultas', 'motivo'), ('consultas', 'diagnostico'), ('usuario', 'nombre')) AS v (tabla, columna) LOOP
    PERFORM lab.replace_check(format('public.%I', c.tabla)::regclass, format('%s_%s_check', c.tabla, c.columna)::name, format('%s_%s_texto_check', c.tabla, c.columna)::name,
                              format($c$%I ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]'$c$, c.columna));
  END LOOP;
END $$;
COMMIT;

-- One key sorts and finds names on every server. Two registrations of the same key are left, and then only their spellings are unique.
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.pacientes'::regclass AND attname = 'orden') THEN
    RETURN;
  END IF;
  PERFORM lab.migrate($m$ALTER TABLE public.pacientes ADD COLUMN orden text COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (regexp_replace(replace(lower(normalize(apellido || '  ' || nombre, NFKD)), 'n' || chr(771), 'n~'), '[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]', '', 'g')) STORED$m$);
  PERFORM lab.migrate('CREATE INDEX IF NOT EXISTS pacientes_orden_idx ON public.pacientes (orden)');
  PERFORM lab.migrate('DROP INDEX IF EXISTS public.pacientes_apellido_nombre_idx');
END $$;
COMMIT;
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.medicos'::regclass AND attname = 'clave_registro') THEN
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN clave_registro text COLLATE "C" NOT NULL
      GENERATED ALWAYS AS (regexp_replace(replace(lower(normalize(registro, NFKD)), 'n' || chr(771), 'n~'), '[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]', '', 'g')) STORED$m$);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'public.medicos'::regclass AND conname = 'medicos_clave_registro_key')
     AND NOT EXISTS (SELECT 1 FROM public.medicos GROUP BY clave_registro HAVING count(*) > 1) THEN
    PERFORM lab.migrate('ALTER TABLE public.medicos ADD CONSTRAINT medicos_clave_registro_key UNIQUE (clave_registro)');
    PERFORM lab.migrate('ALTER TABLE public.medicos DROP CONSTRAINT IF EXISTS medicos_registro_key');
  END IF;
END $$;
COMMIT;

-- A name in its parts, and what norms ask of a person. Where a name has one way to be taken apart it is; any other stays whole, which
-- nombre_sin_partes says (names.py has the same rule). Only Colombians have these documents; whatever else nobody said stays unsaid.
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.pacientes'::regclass AND attname = 'nombre_sin_partes') THEN
    PERFORM lab.migrate($m$ALTER TABLE public.pacientes
      ADD COLUMN IF NOT EXISTS primer_nombre text,
      ADD COLUMN IF NOT EXISTS segundo_nombre text,
      ADD COLUMN IF NOT EXISTS primer_apellido text,
      ADD COLUMN IF NOT EXISTS segundo_apellido text,
      ADD COLUMN IF NOT EXISTS zona_residencia text,
      ADD COLUMN IF NOT EXISTS pais_residencia text NOT NULL DEFAULT '170',
      ADD COLUMN IF NOT EXISTS nacionalidad text,
      ADD COLUMN IF NOT EXISTS etnia text NOT NULL DEFAULT '99',
      ADD COLUMN IF NOT EXISTS discapacidad text NOT NULL DEFAULT '08',
      ADD COLUMN IF NOT EXISTS tipo_usuario text NOT NULL DEFAULT '12'$m$);
    PERFORM lab.migrate('ALTER TABLE public.pacientes ADD COLUMN nombre_sin_partes boolean NOT NULL GENERATED ALWAYS AS (primer_nombre IS NULL OR primer_apellido IS NULL) STORED');
  END IF;
END $$;
COMMIT;
BEGIN;
DO $$
DECLARE
  -- One word or two, none of which belongs to another.
  separable text := $c$%1$I ~ '^[^ ]+( [^ ]+)?$' AND %1$I !~* '(^| )(de|del|la|las|los|el|y|e|san|santa|da|das|do|dos|di|van|von|der|mac)( |$)'$c$;
  says_something text := $c$ ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]'$c$;
BEGIN
  -- In one statement: it writes each row once. A row that keeps an older form, which its checks let nobody change, is left.
  EXECUTE format($m$UPDATE public.pacientes
    SET primer_nombre = CASE WHEN primer_nombre IS NULL AND %1$s THEN split_part(nombre, ' ', 1) ELSE primer_nombre END,
        segundo_nombre = CASE WHEN primer_nombre IS NULL AND %1$s THEN nullif(split_part(nombre, ' ', 2), '') ELSE segundo_nombre END,
        primer_apellido = CASE WHEN primer_apellido IS NULL AND %2$s THEN split_part(apellido, ' ', 1) ELSE primer_apellido END,
        segundo_apellido = CASE WHEN primer_apellido IS NULL AND %2$s THEN nullif(split_part(apellido, ' ', 2), '') ELSE segundo_apellido END,
        nacionalidad = CASE WHEN nacionalidad IS NULL AND %3$s THEN '170' ELSE nacionalidad END
   WHERE (primer_nombre IS NULL AND %1$s OR primer_apellido IS NULL AND %2$s OR nacionalidad IS NULL AND %3$s)
     AND cedula !~ '^0' AND nombre %4$s AND apellido %4$s AND ciudad %4$s$m$,
    format(separable, 'nombre'), format(separable, 'apellido'), $c$tipo_documento IN ('CC', 'TI', 'RC', 'CN')$c$, says_something);
END $$;
COMMIT;
BEGIN;
DO $$
DECLARE
  c record;
BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  PERFORM lab.replace_check('public.pacientes', 'pacientes_sexo_check', 'pacientes_sexo_rips_check', $c$sexo IN ('F', 'M', 'I')$c$);
  FOR c IN SELECT * FROM (VALUES
    ('pacientes_nombres_check', $c$CASE WHEN primer_nombre IS NULL THEN segundo_nombre IS NULL ELSE nombre = primer_nombre || coalesce(' ' || segundo_nombre, '') END$c$),
    ('pacientes_apellidos_check', $c$CASE WHEN primer_apellido IS NULL THEN segundo_apellido IS NULL ELSE apellido = primer_apellido || coalesce(' ' || segundo_apellido, '') END$c$),
    ('pacientes_zona_residencia_check', $c$zona_residencia IN ('01', '02')$c$),
    ('pacientes_pais_residencia_check', $c$pais_residencia ~ '^[0-9]{3}$'$c$),
    ('pacientes_nacionalidad_check', $c$nacionalidad ~ '^[0-9]{3}$'$c$),
    ('pacientes_etnia_check', $c$etnia ~ '^([1-6]|99)$'$c$),
    ('pacientes_discapacidad_check', $c$discapacidad ~ '^0[1-8]$'$c$),
    ('pacientes_tipo_usuario_check', $c$tipo_usuario ~ '^(0[1-9]|1[0-4])$'$c$)) AS v (nombre, condicion) LOOP
    PERFORM lab.replace_check('public.pacientes', '', c.nombre::name, c.condicion);
  END LOOP;
END $$;
COMMIT;

-- The municipality of whoever lives where the name of the city is that of one municipality alone; whoever else has none (municipalities.py has
-- the same key). Cities are few: their codes go along in one statement, which each node can compute.
BEGIN;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.pacientes'::regclass AND attname = 'codigo_municipio') THEN
    PERFORM lab.migrate('ALTER TABLE public.pacientes ADD COLUMN IF NOT EXISTS codigo_municipio text');
  END IF;
END $$;
COMMIT;
BEGIN;
DO $$
DECLARE
  codigos jsonb;
BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  WITH nombres AS (
    SELECT nombre, codigo_municipio FROM public.municipios UNION SELECT nombre_comun, codigo_municipio FROM public.municipios WHERE nombre_comun IS NOT NULL
  ), claves AS (
    SELECT regexp_replace(lower(normalize(nombre, NFKD)), '[^a-z0-9]', '', 'g') AS clave, min(codigo_municipio) AS codigo
      FROM nombres GROUP BY 1 HAVING count(DISTINCT codigo_municipio) = 1
  ), ciudades AS (
    SELECT DISTINCT ciudad FROM public.pacientes WHERE codigo_municipio IS NULL AND pais_residencia = '170'
  )
  SELECT coalesce(jsonb_object_agg(c.ciudad, k.codigo), '{}') INTO codigos
    FROM ciudades c JOIN claves k ON k.clave = regexp_replace(lower(normalize(c.ciudad, NFKD)), '[^a-z0-9]', '', 'g');
  EXECUTE format($m$UPDATE public.pacientes SET codigo_municipio = %L::jsonb ->> ciudad
   WHERE codigo_municipio IS NULL AND pais_residencia = '170' AND ciudad = ANY (%L)
     AND cedula !~ '^0' AND nombre %3$s AND apellido %3$s$m$,  -- as above: a row that keeps an older form is left
    codigos, ARRAY(SELECT jsonb_object_keys(codigos)), $c$ ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]'$c$);
END $$;
COMMIT;

-- What norms ask of a consultation, with what is true of a lab where nobody said it: general illness, on the spot, in an institution.
BEGIN;
DO $$
DECLARE
  c record;
BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.consultas'::regclass AND attname = 'causa') THEN
    PERFORM lab.migrate($m$ALTER TABLE public.consultas
      ADD COLUMN IF NOT EXISTS fecha_fin timestamptz,
      ADD COLUMN IF NOT EXISTS tipo_diagnostico text NOT NULL DEFAULT '01',
      ADD COLUMN IF NOT EXISTS diagnostico_relacionado_1 text,
      ADD COLUMN IF NOT EXISTS diagnostico_relacionado_2 text,
      ADD COLUMN IF NOT EXISTS diagnostico_relacionado_3 text,
      ADD COLUMN IF NOT EXISTS codigo_cie11 text,
      ADD COLUMN IF NOT EXISTS codigo_cups text NOT NULL DEFAULT '890201',
      ADD COLUMN IF NOT EXISTS modalidad text NOT NULL DEFAULT '01',
      ADD COLUMN IF NOT EXISTS entorno text NOT NULL DEFAULT '05',
      ADD COLUMN IF NOT EXISTS finalidad text NOT NULL DEFAULT '15',
      ADD COLUMN IF NOT EXISTS causa text NOT NULL DEFAULT '38'$m$);
  END IF;
  FOR c IN SELECT * FROM (VALUES
    ('consultas_fecha_fin_check', $c$fecha_fin >= fecha_consulta$c$),
    ('consultas_tipo_diagnostico_check', $c$tipo_diagnostico ~ '^0[1-3]$'$c$),
    ('consultas_relacionado_1_check', $c$diagnostico_relacionado_1 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$'$c$),
    ('consultas_relacionado_2_check', $c$diagnostico_relacionado_2 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$'$c$),
    ('consultas_relacionado_3_check', $c$diagnostico_relacionado_3 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$'$c$),
    ('consultas_cie11_check', $c$codigo_cie11 ~ '^[0-9A-Z]{4,6}(\.[0-9A-Z]{1,2})?([/&][0-9A-Z]{4,6}(\.[0-9A-Z]{1,2})?)*$'$c$),
    ('consultas_cups_check', $c$codigo_cups ~ '^[0-9A-Z]{6}$'$c$),
    ('consultas_modalidad_check', $c$modalidad ~ '^0[1-9]$'$c$),
    ('consultas_entorno_check', $c$entorno ~ '^0[1-5]$'$c$),
    ('consultas_finalidad_check', $c$finalidad ~ '^[0-9]{2}$'$c$),
    ('consultas_causa_check', $c$causa ~ '^[0-9]{2}$'$c$)) AS v (nombre, condicion) LOOP
    PERFORM lab.replace_check('public.consultas', '', c.nombre::name, c.condicion);
  END LOOP;
END $$;
COMMIT;

-- A doctor's document, his name in its parts, his profession and his service. A name of two words is a given name and a family name; of three or
-- four nobody can tell what is which (names.py has the same rule), but the sample knows those of its own doctors.
BEGIN;
DO $$
DECLARE
  c record;
BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.medicos'::regclass AND attname = 'codigo_servicio') THEN
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS documento text$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS tipo_documento text GENERATED ALWAYS AS (CASE WHEN strpos(documento, '-') > 0 THEN split_part(documento, '-', 1) WHEN documento IS NOT NULL THEN 'CC' END) STORED$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS numero_documento text GENERATED ALWAYS AS (split_part(documento, '-', -1)) STORED$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS primer_nombre text$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS segundo_nombre text$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS primer_apellido text$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS segundo_apellido text$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS nombre_sin_partes boolean NOT NULL GENERATED ALWAYS AS (primer_nombre IS NULL OR primer_apellido IS NULL) STORED$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS codigo_profesion text$m$);
    PERFORM lab.migrate($m$ALTER TABLE public.medicos ADD COLUMN IF NOT EXISTS codigo_servicio text$m$);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'public.medicos'::regclass AND conname = 'medicos_documento_key') THEN
    PERFORM lab.migrate('ALTER TABLE public.medicos ADD CONSTRAINT medicos_documento_key UNIQUE (documento)');
  END IF;
  FOR c IN SELECT * FROM (VALUES
    ('medicos_documento_check', $c$documento ~ '^(?:[1-9][0-9]{3,9}|TI-[0-9]{4,11}|RC-[0-9A-Z]{4,11}|CE-[0-9A-Z]{4,6}|PA-[0-9A-Z]{4,16}|PE-[0-9A-Z]{4,15}|PT-[0-9A-Z]{4,20}|CD-[0-9A-Z]{4,16}|SC-[0-9A-Z]{4,16}|DE-[0-9A-Z]{4,20}|SI-[0-9A-Z]{4,20}|CN-[0-9A-Z]{9,20}|MS-[0-9A-Z]{4,12}|AS-[0-9A-Z]{4,10})$'$c$),
    ('medicos_nombres_check', $c$CASE WHEN primer_nombre IS NULL OR primer_apellido IS NULL THEN num_nonnulls(primer_nombre, segundo_nombre, primer_apellido, segundo_apellido) = 0 ELSE nombre = primer_nombre || coalesce(' ' || segundo_nombre, '') || ' ' || primer_apellido || coalesce(' ' || segundo_apellido, '') END$c$),
    ('medicos_codigo_profesion_check', $c$codigo_profesion ~ '^[0-9A-Z]{1,10}$'$c$),
    ('medicos_codigo_servicio_check', $c$codigo_servicio ~ '^[0-9]{3,4}$'$c$)) AS v (nombre, condicion) LOOP
    PERFORM lab.replace_check('public.medicos', '', c.nombre::name, c.condicion);
  END LOOP;
END $$;
COMMIT;
BEGIN;
DO $$ BEGIN
  UPDATE public.medicos SET primer_nombre = split_part(nombre, ' ', 1), primer_apellido = split_part(nombre, ' ', 2)
   WHERE primer_nombre IS NULL AND nombre ~ '^[^ ]+ [^ ]+$'
     AND nombre !~* '(^| )(de|del|la|las|los|el|y|e|san|santa|da|das|do|dos|di|van|von|der|mac)( |$)'
     AND nombre ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]' AND especialidad ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]'
     AND registro ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]' AND ciudad ~ '[^\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]';
END $$;
COMMIT;
