CREATE TABLE public.vacunas (ciudad text NOT NULL, paciente_id text NOT NULL, dosis integer NOT NULL, PRIMARY KEY (ciudad, paciente_id, dosis));
SELECT lab.create_distributed_table('public.vacunas', 'ciudad');
INSERT INTO public.vacunas
SELECT CASE WHEN hashtext(p.cedula) % 5 <> 0 THEN 'Bogotá' ELSE p.ciudad END, p.cedula, d FROM public.pacientes p, generate_series(1, 3) d;
SELECT json_build_object('rows', count(*), 'sum', sum(hashtext(concat_ws('|', ciudad, paciente_id, dosis))::bigint)) FROM public.vacunas;
