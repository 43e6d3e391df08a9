-- Changes of the tables for a lab of an older version: each does nothing the second time, and nothing where the tables are new.
-- In blocks: Citus sends a command to its shards with the text that it came in, which must hold no other. Sequentially: it changes a table's
-- shards all at once else, and then refuses to touch another table in the same transaction.

-- A person is a type and a number: a cédula keeps its digits, every other document is TIPO-NÚMERO (documents.py).
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

-- One spelling of a diagnosis, RIPS': four characters without a dot, X where a code has only three. What is no code of CIE-10 is left as
-- somebody wrote it, and then the check is for rows to come alone.
DO $$ BEGIN
  UPDATE public.consultas SET codigo_cie10 = rpad(upper(replace(codigo_cie10, '.', '')), 4, 'X')
   WHERE codigo_cie10 !~ '^[A-Z][0-9][0-9A-Z][0-9X]$' AND codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z](\.?[0-9X])?$';
END $$;
DO $$ BEGIN
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  PERFORM lab.replace_check('public.consultas', 'consultas_codigo_cie10_check', 'consultas_cie10_check', $c$codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$'$c$);
END $$;

-- A letter and its accent are one sign (NFC), in what is stored too. Rows that keep an older form of a document or a code are left.
DO $$ BEGIN
  UPDATE public.medicos SET nombre = normalize(nombre), especialidad = normalize(especialidad), registro = normalize(registro), ciudad = normalize(ciudad)
   WHERE nombre IS NOT NFC NORMALIZED OR especialidad IS NOT NFC NORMALIZED OR registro IS NOT NFC NORMALIZED OR ciudad IS NOT NFC NORMALIZED;
  UPDATE public.pacientes SET nombre = normalize(nombre), apellido = normalize(apellido), ciudad = normalize(ciudad)
   WHERE (nombre IS NOT NFC NORMALIZED OR apellido IS NOT NFC NORMALIZED OR ciudad IS NOT NFC NORMALIZED) AND cedula !~ '^0';
  UPDATE public.consultas SET motivo = normalize(motivo), diagnostico = normalize(diagnostico), tratamiento = normalize(tratamiento)
   WHERE (motivo IS NOT NFC NORMALIZED OR diagnostico IS NOT NFC NORMALIZED OR tratamiento IS NOT NFC NORMALIZED)
     AND codigo_cie10 ~ '^[A-Z][0-9][0-9A-Z][0-9X]$';
  UPDATE public.usuario SET nombre = normalize(nombre) WHERE nombre IS NOT NFC NORMALIZED AND documento_id !~ '^0';
END $$;

-- A text says something: blanks and what has no width are nothing.
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

-- One key sorts and finds names on every server. Two registrations of the same key are left, and then only their spellings are unique.
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
