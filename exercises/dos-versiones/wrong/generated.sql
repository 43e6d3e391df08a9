-- fails: new_one_works
-- Generated: the new one cannot write it.
ALTER TABLE public.turnos ADD COLUMN registro text GENERATED ALWAYS AS (especialista) STORED;
