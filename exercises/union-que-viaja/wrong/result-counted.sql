-- fails: travelled
-- The rows of the result, which are none.
CREATE VIEW public.historia_corta AS SELECT p.cedula, p.nombre, c.diagnostico, c.fecha_consulta FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula;
INSERT INTO public.respuestas VALUES ('union-que-viaja', 'filas que viajan', 0);
