-- Whoever changes this doctor next waits until we are done.
SELECT id FROM medicos WHERE id = %(id)s FOR UPDATE
