CREATE TABLE public.signos (id integer, cedula text, dia date, sistolica integer, diastolica integer, temperatura numeric(4, 1));
INSERT INTO public.signos
SELECT n, cedula, DATE '2026-01-05' + n % 200, 100 + abs(hashtext(cedula)) % 40, 60 + abs(hashtext(cedula)) % 25, 36.0 + (abs(hashtext(cedula)) % 25) / 10.0
  FROM (SELECT row_number() OVER (ORDER BY cedula)::integer AS n, cedula FROM public.pacientes) AS algunos WHERE n <= 200;
-- Each kind of mistake several times, as many as this lab's numbers say.
UPDATE public.signos SET sistolica = sistolica * 10 WHERE id % 23 = 3;
UPDATE public.signos SET sistolica = diastolica, diastolica = sistolica WHERE id % 29 = 5;
UPDATE public.signos SET temperatura = temperatura + 60 WHERE id % 31 = 7;
UPDATE public.signos SET cedula = NULL WHERE id % 37 = 11;
SELECT json_build_object('ids', json_agg(id), 'bad', json_agg(id) FILTER (WHERE NOT bien)) FROM (
  SELECT id, cedula IS NOT NULL AND sistolica BETWEEN 50 AND 260 AND diastolica BETWEEN 20 AND 160 AND diastolica < sistolica AND temperatura BETWEEN 30 AND 45 AS bien
    FROM public.signos) AS juzgados;
