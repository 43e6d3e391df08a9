-- One row for each thing that is missing or different, and whether it is repaired. Reads only; a function of the session, because a query cannot
-- name a table that may not be there yet.
CREATE OR REPLACE FUNCTION pg_temp.look(aplicado jsonb, clase_usuario text, semilla integer, pacientes bigint, consultas bigint)
RETURNS TABLE (object text, found text, wanted text, mended boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT 'role ' || r, 'absent', 'present', true FROM unnest(ARRAY['clinical_owner', 'middleware', 'api', 'readonly', 'readwrite']) AS r
   WHERE to_regrole(r) IS NULL;

  IF to_regclass('citus_tables') IS NULL THEN
    RETURN QUERY SELECT 'engine', 'absent', 'present', true;
    RETURN;
  END IF;
  -- citus_tables answers with every engine.
  RETURN QUERY EXECUTE $q$
    SELECT 'table ' || w.name, coalesce(t.citus_table_type, CASE WHEN to_regclass('public.' || w.name) IS NULL THEN 'absent' ELSE 'local' END), w.kind, true
      FROM (VALUES ('medicos', 'reference'), ('municipios', 'reference'), ('cie10', 'reference'), ('pacientes', 'distributed'), ('consultas', 'distributed'), ('solicitudes', 'distributed'),
                   ('accesos', 'distributed'), ('cambios', 'distributed'), ('accesos_paginas', 'distributed'), ('usuario', $1)) AS w (name, kind)
      LEFT JOIN citus_tables t ON t.table_name = to_regclass('public.' || w.name)
     WHERE t.citus_table_type IS DISTINCT FROM w.kind $q$ USING clase_usuario;

  IF to_regclass('lab.applied') IS NULL OR to_regclass('lab.sample_chunks') IS NULL THEN
    RETURN QUERY SELECT key, 'absent', value, true FROM jsonb_each_text(aplicado);
    RETURN QUERY SELECT 'sample', 'absent', pacientes || ' patients, ' || pacientes * consultas || ' consultations', true;
    RETURN;
  END IF;
  RETURN QUERY EXECUTE $q$
    SELECT w.key, coalesce(a.huella, 'absent'), w.value, true
      FROM jsonb_each_text($1) w LEFT JOIN lab.applied a ON a.nombre = w.key
     WHERE a.huella IS DISTINCT FROM w.value $q$ USING aplicado;
  IF to_regclass('lab.institucion') IS NOT NULL THEN
    RETURN QUERY EXECUTE $q$
      SELECT 'row of lab.institucion', coalesce((to_jsonb(i) - 'unica')::text, 'absent'), $1 ->> 'institution', true
        FROM (SELECT 1) AS one LEFT JOIN lab.institucion i ON true
       WHERE to_jsonb(i) - 'unica' IS DISTINCT FROM ($1 ->> 'institution')::jsonb $q$ USING aplicado;
  END IF;
  BEGIN
    RETURN QUERY EXECUTE $q$
      SELECT 'usuario ' || d, 'absent', 'present', true FROM unnest(ARRAY['1072319876', '1078912345']) AS d
       WHERE to_regclass('public.usuario') IS NOT NULL AND d NOT IN (SELECT documento_id FROM public.usuario) $q$;
  EXCEPTION WHEN OTHERS THEN
    NULL;  -- a node that does not answer is for the role of the engine to say; nothing is known of its rows
  END;
  -- A block of the sample is 1000 patients; each of those asked for has to have so many consultations. With one of its
  -- tables all of it is gone (tables.sql). A lab keeps the sample that it was made with: next to it none of another seed is loaded.
  RETURN QUERY EXECUTE $q$
    SELECT 'sample', CASE WHEN s.other THEN 'seed ' || s.seeds ELSE s.patients || ' patients, ' || s.consultations || ' consultations' END,
           CASE WHEN s.other THEN 'seed ' || $1 ELSE $2 || ' patients, ' || $2 * $3 || ' consultations' END, NOT s.other
      FROM (SELECT w.there, w.there AND coalesce(bool_and(c.semilla <> $1), false) AS other, string_agg(DISTINCT c.semilla::text, ', ') AS seeds,
                   coalesce(sum(c.pacientes) FILTER (WHERE c.semilla = $1), 0) AS patients,
                   coalesce(sum(c.consultas) FILTER (WHERE c.semilla = $1), 0) AS consultations
              FROM (SELECT num_nulls(to_regclass('public.medicos'), to_regclass('public.pacientes'), to_regclass('public.consultas')) = 0) AS w (there)
              LEFT JOIN lab.sample_chunks c ON true GROUP BY w.there) AS s
     WHERE s.other OR NOT s.there OR s.patients < $2 OR s.consultations < $2 * $3 $q$
    USING semilla, pacientes, consultas;

  IF to_regprocedure('lab.differences()') IS NOT NULL THEN
    RETURN QUERY EXECUTE 'SELECT d.object, d.found, d.wanted, d.mended FROM lab.differences() d';
  END IF;
  IF to_regprocedure('lab.row_differences()') IS NOT NULL THEN
    RETURN QUERY EXECUTE 'SELECT d.object, d.found, d.wanted, true FROM lab.row_differences() d';
  END IF;
  IF to_regprocedure('lab.move_obstacles()') IS NOT NULL THEN  -- of the engine whose shards move
    RETURN QUERY EXECUTE $q$
      SELECT o.object, o.problem, 'able to move shards', true FROM lab.move_obstacles() o WHERE starts_with(o.object, 'owner clinical_owner') $q$;
  END IF;
  IF to_regprocedure('lab.node_differences()') IS NOT NULL THEN
    RETURN QUERY EXECUTE 'SELECT d.object, d.found, d.wanted, d.mended FROM lab.node_differences() d';
  END IF;
END
$$;
