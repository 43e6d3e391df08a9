UPDATE lab.sesiones SET huella_refresco = %(nueva)s
 WHERE id = %(id)s AND huella_refresco = %(huella)s AND cerrada_en IS NULL AND vence_en > now()
RETURNING documento_id
