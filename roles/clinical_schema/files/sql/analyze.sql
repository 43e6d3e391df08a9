-- Plans are made from statistics, and autovacuum comes a minute after the rows. Citus sends the command to its shards by itself.
DO $$ BEGIN
  IF lab.engine() = 'postgres_fdw' THEN
    PERFORM lab.analyze_nodes('public.medicos', 'public.municipios', 'public.cie10', 'public.pacientes', 'public.consultas');
  ELSE
    ANALYZE public.medicos, public.municipios, public.cie10, public.pacientes, public.consultas;
  END IF;
END $$;
