UPDATE lab.sesiones SET cerrada_en = now() WHERE id = %(id)s AND cerrada_en IS NULL
