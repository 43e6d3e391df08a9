-- fails: joined_on_workers
-- The right rows, by way of the generated key.
CREATE VIEW public.historia_corta AS SELECT p.cedula, p.nombre, c.diagnostico, c.fecha_consulta FROM public.pacientes p JOIN public.consultas c ON p.id = 'P' || c.paciente_id;
INSERT INTO public.respuestas
SELECT 'union-que-viaja', 'filas que viajan', (SELECT count(*) FROM public.pacientes WHERE sexo = 'F') + (SELECT count(*) FROM public.consultas);
