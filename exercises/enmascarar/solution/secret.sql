-- engine: postgres_fdw
-- A secret within the hash.
CREATE TABLE public.seudonimos AS SELECT gen_random_uuid()::text || gen_random_uuid()::text AS secreto;
CREATE VIEW public.pacientes_anonimos AS SELECT encode(sha256(convert_to(s.secreto || p.cedula, 'UTF8')), 'hex') AS seudonimo, extract(year FROM p.fecha_nacimiento)::integer AS anio_nacimiento, p.sexo, p.ciudad FROM public.pacientes p CROSS JOIN public.seudonimos s;
GRANT SELECT ON public.pacientes_anonimos TO investigacion;
