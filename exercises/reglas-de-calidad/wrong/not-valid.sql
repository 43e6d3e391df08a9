-- fails: only_good_left
-- NOT VALID: for what comes, and not for what is there.
CREATE TABLE public.signos_rechazados AS SELECT * FROM public.signos WHERE cedula IS NULL OR sistolica NOT BETWEEN 50 AND 260 OR diastolica NOT BETWEEN 20 AND 160 OR diastolica >= sistolica OR temperatura NOT BETWEEN 30 AND 45;
UPDATE public.signos SET cedula = '0' WHERE cedula IS NULL;
ALTER TABLE public.signos ALTER cedula SET NOT NULL, ALTER sistolica SET NOT NULL, ALTER diastolica SET NOT NULL, ALTER temperatura SET NOT NULL;
ALTER TABLE public.signos ADD CHECK (sistolica BETWEEN 50 AND 260) NOT VALID, ADD CHECK (diastolica BETWEEN 20 AND 160) NOT VALID, ADD CHECK (diastolica < sistolica) NOT VALID, ADD CHECK (temperatura BETWEEN 30 AND 45) NOT VALID;
