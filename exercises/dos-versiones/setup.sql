CREATE TABLE public.turnos (id integer PRIMARY KEY, dia date NOT NULL, especialista text NOT NULL);
INSERT INTO public.turnos SELECT n, DATE '2026-04-01' + n, 'RM-' || (10000 + abs(hashtext(n::text)) % 90000) FROM generate_series(1, 60) AS n;
SELECT json_build_object('rows', count(*), 'sum', sum(hashtext(concat_ws('|', id, dia, especialista))::bigint)) FROM public.turnos;
