-- The users who are this doctor.
SELECT documento_id FROM usuario WHERE medico_id = %(medico_id)s ORDER BY documento_id
