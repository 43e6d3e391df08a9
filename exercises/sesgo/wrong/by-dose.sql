-- fails: even
-- Three values for thirty-two shards.
CREATE TABLE public.vacunas_parejas (ciudad text, paciente_id text, dosis integer, PRIMARY KEY (paciente_id, ciudad, dosis));
SELECT lab.create_distributed_table('public.vacunas_parejas', 'dosis');
INSERT INTO public.vacunas_parejas SELECT ciudad, paciente_id, dosis FROM public.vacunas;
INSERT INTO public.respuestas SELECT 'sesgo', 'filas en el mayor fragmento', max(rows) FROM lab.shards WHERE table_name = 'vacunas';
