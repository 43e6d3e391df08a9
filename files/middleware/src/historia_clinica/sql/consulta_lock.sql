-- Whoever changes this consultation next waits until we are done.
SELECT id FROM consultas WHERE paciente_id = %(cedula)s AND id = %(consulta_id)s FOR UPDATE
