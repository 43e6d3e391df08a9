-- fails: consultations_left
-- The others, counted on the wrong side.
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'pacientes que no se leen', sum(rows) FROM lab.shards WHERE table_name = 'pacientes' AND node_name = 'citus-worker-2';
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'consultas que si se leen', sum(rows) FROM lab.shards WHERE table_name = 'consultas' AND node_name = 'citus-worker-2';
INSERT INTO public.respuestas SELECT 'sin-un-worker', 'pacientes y medicos que si se leen', sum(rows) + (SELECT count(*) FROM public.medicos) FROM lab.shards WHERE table_name = 'pacientes' AND node_name <> 'citus-worker-2';
