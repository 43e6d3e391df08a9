
-- The keys between tables, which the nodes hold in a lab.
ALTER TABLE public.consultas ADD CONSTRAINT consultas_paciente_id_fkey FOREIGN KEY (paciente_id) REFERENCES public.pacientes (cedula);
ALTER TABLE public.consultas ADD CONSTRAINT consultas_medico_id_fkey FOREIGN KEY (medico_id) REFERENCES public.medicos (id);
ALTER TABLE public.pacientes ADD CONSTRAINT pacientes_codigo_municipio_fkey FOREIGN KEY (codigo_municipio) REFERENCES public.municipios (codigo_municipio);
ANALYZE;
