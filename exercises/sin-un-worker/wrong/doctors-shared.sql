-- fails: doctors_left
-- A share of the doctors is lost, too.
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'pacientes que no se leen', sum(rows) FROM lab.shards WHERE table_name = 'pacientes' AND node_name = 'citus-worker-2';
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'consultas que si se leen', sum(rows) FROM lab.shards WHERE table_name = 'consultas' AND node_name <> 'citus-worker-2';
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'pacientes y medicos que si se leen', sum(rows) + (SELECT count(*) / 2 FROM public.medicos) FROM lab.shards WHERE table_name = 'pacientes' AND node_name <> 'citus-worker-2';
