UPDATE lab.sesiones SET cerrada_en = now() WHERE documento_id = %(documento_id)s AND cerrada_en IS NULL
