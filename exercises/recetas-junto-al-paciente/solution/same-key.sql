-- By the same key and in as many parts, without a word of the other table: the parts come to lie on the same nodes.
CREATE TABLE public.recetas (LIKE public.recetas_recibidas);
SELECT lab.create_distributed_table('public.recetas', 'paciente_id');
INSERT INTO public.recetas SELECT id, paciente_id, codigo, cajas FROM public.recetas_recibidas;
INSERT INTO public.respuestas
SELECT 'recetas-junto-al-paciente', 'recetas en citus-worker-1', sum(rows) FROM lab.shards
 WHERE table_name = 'recetas' AND node_name = 'citus-worker-1';
