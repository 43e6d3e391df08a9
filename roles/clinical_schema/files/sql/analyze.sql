-- Plans are made from statistics, and autovacuum comes a minute after the rows. Citus sends the command to its shards by itself.
DO $$ BEGIN
  IF lab.engine() = 'postgres_fdw' THEN
    PERFORM lab.analyze_nodes();
  ELSE
    ANALYZE public.medicos, public.pacientes, public.consultas, public.usuario;
  END IF;
END $$;
