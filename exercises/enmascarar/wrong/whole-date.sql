-- fails: one_for_each
-- The whole date, under the name of the year.
CREATE TABLE public.seudonimos AS SELECT cedula, gen_random_uuid() AS seudonimo FROM public.pacientes;
CREATE MATERIALIZED VIEW public.pacientes_anonimos AS SELECT s.seudonimo, p.fecha_nacimiento, p.sexo, p.ciudad FROM public.pacientes p JOIN public.seudonimos s ON s.cedula = p.cedula;
GRANT SELECT ON public.pacientes_anonimos TO investigacion;
