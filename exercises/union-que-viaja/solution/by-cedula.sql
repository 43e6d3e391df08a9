-- On the columns by which both are distributed.
CREATE VIEW public.historia_corta AS SELECT p.cedula, p.nombre, c.diagnostico, c.fecha_consulta FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula;
INSERT INTO public.respuestas
SELECT 'union-que-viaja', 'filas que viajan', (SELECT count(*) FROM public.pacientes WHERE sexo = 'F') + (SELECT count(*) FROM public.consultas);
