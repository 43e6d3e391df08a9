-- fails: by_patient
-- Evenly spread, by the key of the prescription.
CREATE TABLE public.recetas (id uuid PRIMARY KEY, paciente_id text, codigo text, cajas integer);
SELECT lab.create_distributed_table('public.recetas', 'id');
INSERT INTO public.recetas SELECT id, paciente_id, codigo, cajas FROM public.recetas_recibidas;
INSERT INTO public.respuestas
SELECT 'recetas-junto-al-paciente', 'recetas en citus-worker-1', sum(rows) FROM lab.shards
 WHERE table_name = 'recetas' AND node_name = 'citus-worker-1';
