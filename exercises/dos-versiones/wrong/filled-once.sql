-- fails: old_one_works
-- Filled once, and not kept up to date.
ALTER TABLE public.turnos ADD COLUMN registro text;
UPDATE public.turnos SET registro = especialista;
