-- fails: patients_lost
-- Half of them, as one would think.
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'pacientes que no se leen', count(*) / 2 FROM public.pacientes;
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'consultas que si se leen', sum(rows) FROM lab.shards WHERE table_name = 'consultas' AND node_name <> 'citus-worker-2';
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'pacientes y medicos que si se leen', sum(rows) + (SELECT count(*) FROM public.medicos) FROM lab.shards WHERE table_name = 'pacientes' AND node_name <> 'citus-worker-2';
