CREATE ROLE sede_norte NOLOGIN;
CREATE ROLE sede_sur NOLOGIN;
CREATE TABLE public.citas (id integer PRIMARY KEY, sede text NOT NULL CHECK (sede IN ('norte', 'sur')), cedula text NOT NULL, dia date NOT NULL);
INSERT INTO public.citas
SELECT row_number() OVER (ORDER BY cedula), CASE WHEN hashtext(cedula) % 3 = 0 THEN 'norte' ELSE 'sur' END, cedula, DATE '2026-03-02' + (abs(hashtext(cedula)) % 60)
  FROM (SELECT cedula FROM public.pacientes ORDER BY cedula LIMIT 120) AS algunos;
GRANT SELECT, INSERT, UPDATE ON public.citas TO sede_norte, sede_sur;
SELECT json_object_agg(sede, cuantas) FROM (SELECT sede, count(*) AS cuantas FROM public.citas GROUP BY sede) AS contadas;
