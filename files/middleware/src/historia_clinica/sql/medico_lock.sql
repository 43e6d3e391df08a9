-- Whoever changes this doctor next waits until we are done.
SELECT id FROM medicos WHERE id = %(medico_id)s FOR UPDATE
