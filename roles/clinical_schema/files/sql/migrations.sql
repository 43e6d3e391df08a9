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
