-- fails: nothing_lost
-- What is wrong is thrown away.
CREATE TABLE public.signos_rechazados (LIKE public.signos);
DELETE FROM public.signos WHERE cedula IS NULL OR sistolica NOT BETWEEN 50 AND 260 OR diastolica NOT BETWEEN 20 AND 160 OR diastolica >= sistolica OR temperatura NOT BETWEEN 30 AND 45;
ALTER TABLE public.signos ALTER cedula SET NOT NULL, ALTER sistolica SET NOT NULL, ALTER diastolica SET NOT NULL, ALTER temperatura SET NOT NULL;
ALTER TABLE public.signos ADD CHECK (sistolica BETWEEN 50 AND 260), ADD CHECK (diastolica BETWEEN 20 AND 160), ADD CHECK (diastolica < sistolica), ADD CHECK (temperatura BETWEEN 30 AND 45);
