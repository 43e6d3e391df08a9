-- Whoever changes this user next waits until we are done.
SELECT documento_id FROM usuario WHERE documento_id = %(documento_id)s FOR UPDATE
