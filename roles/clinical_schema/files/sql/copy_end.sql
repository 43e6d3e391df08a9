
-- The keys between tables, which the nodes hold in a lab.
ALTER TABLE public.consultas ADD CONSTRAINT consultas_paciente_id_fkey FOREIGN KEY (paciente_id) REFERENCES public.pacientes (cedula);
ALTER TABLE public.consultas ADD CONSTRAINT consultas_medico_id_fkey FOREIGN KEY (medico_id) REFERENCES public.medicos (id);
ALTER TABLE public.pacientes ADD CONSTRAINT pacientes_codigo_municipio_fkey FOREIGN KEY (codigo_municipio) REFERENCES public.municipios (codigo_municipio);
ALTER TABLE public.consultas ADD CONSTRAINT consultas_codigo_cie10_fkey FOREIGN KEY (codigo_cie10) REFERENCES public.cie10 (codigo);
ALTER TABLE public.consultas ADD CONSTRAINT consultas_relacionado_1_fkey FOREIGN KEY (diagnostico_relacionado_1) REFERENCES public.cie10 (codigo);
ALTER TABLE public.consultas ADD CONSTRAINT consultas_relacionado_2_fkey FOREIGN KEY (diagnostico_relacionado_2) REFERENCES public.cie10 (codigo);
ALTER TABLE public.consultas ADD CONSTRAINT consultas_relacionado_3_fkey FOREIGN KEY (diagnostico_relacionado_3) REFERENCES public.cie10 (codigo);
ANALYZE;
