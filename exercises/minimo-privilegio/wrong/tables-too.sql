-- fails: sees_nobody
-- "She cannot read the view, so she needs the tables."
CREATE MATERIALIZED VIEW public.diagnosticos_por_ciudad AS
SELECT p.ciudad, c.codigo_cie10, count(*) AS consultas
  FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula GROUP BY p.ciudad, c.codigo_cie10;
GRANT SELECT ON public.diagnosticos_por_ciudad, public.pacientes, public.consultas TO analista_salud;
