-- fails: same_values
-- Renamed at a stroke.
ALTER TABLE public.turnos RENAME COLUMN especialista TO registro;
