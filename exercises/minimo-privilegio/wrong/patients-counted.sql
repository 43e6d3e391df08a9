-- fails: counts
-- Patients of each city and code, each once.
CREATE MATERIALIZED VIEW public.diagnosticos_por_ciudad AS
SELECT p.ciudad, c.codigo_cie10, count(DISTINCT p.cedula) AS consultas
  FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula GROUP BY p.ciudad, c.codigo_cie10;
GRANT SELECT ON public.diagnosticos_por_ciudad TO analista_salud;
