-- Columns that a lab of an older version was given just now.
COMMENT ON COLUMN public.usuario.medico_id IS 'Qué médico es (medicos.id); nulo si no es médico';
