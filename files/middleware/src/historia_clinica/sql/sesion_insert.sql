-- The user's sessions whose time is long over go with it: nobody asks for them.
WITH old AS (DELETE FROM lab.sesiones WHERE documento_id = %(documento_id)s AND vence_en < now() - interval '1 day')
INSERT INTO lab.sesiones (id, documento_id, huella_refresco, vence_en)
VALUES (%(id)s, %(documento_id)s, %(huella)s, %(vence_en)s)
