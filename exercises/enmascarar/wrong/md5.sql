-- fails: cannot_be_undone
-- A hash is a secret, is it not?
CREATE MATERIALIZED VIEW public.pacientes_anonimos AS SELECT md5(p.cedula) AS seudonimo, extract(year FROM p.fecha_nacimiento)::integer AS anio_nacimiento, p.sexo, p.ciudad FROM public.pacientes p;
GRANT SELECT ON public.pacientes_anonimos TO investigacion;
