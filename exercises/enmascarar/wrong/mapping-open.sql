-- fails: read_alone
-- Who is who is open, too.
CREATE TABLE public.seudonimos AS SELECT cedula, gen_random_uuid() AS seudonimo FROM public.pacientes;
CREATE MATERIALIZED VIEW public.pacientes_anonimos AS SELECT s.seudonimo, extract(year FROM p.fecha_nacimiento)::integer AS anio_nacimiento, p.sexo, p.ciudad FROM public.pacientes p JOIN public.seudonimos s ON s.cedula = p.cedula;
GRANT SELECT ON public.pacientes_anonimos, public.seudonimos TO investigacion;
