-- fails: distributed
-- All of it on the coordinator, where it came from.
CREATE TABLE public.recetas (id uuid, paciente_id text, codigo text, cajas integer, PRIMARY KEY (paciente_id, id));
INSERT INTO public.recetas SELECT id, paciente_id, codigo, cajas FROM public.recetas_recibidas;
INSERT INTO public.respuestas VALUES ('recetas-junto-al-paciente', 'recetas en citus-worker-1', 0);
