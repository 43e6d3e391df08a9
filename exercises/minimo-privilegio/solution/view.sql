-- engine: postgres_fdw
-- Always as of now, with its owner's privileges.
CREATE VIEW public.diagnosticos_por_ciudad AS
SELECT p.ciudad, c.codigo_cie10, count(*) AS consultas
  FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula GROUP BY p.ciudad, c.codigo_cie10;
GRANT SELECT ON public.diagnosticos_por_ciudad TO analista_salud;
