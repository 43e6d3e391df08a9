-- fails: is_read
-- The view is there; nobody was given anything.
CREATE MATERIALIZED VIEW public.diagnosticos_por_ciudad AS
SELECT p.ciudad, c.codigo_cie10, count(*) AS consultas
  FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula GROUP BY p.ciudad, c.codigo_cie10;
