SELECT id FROM lab.sesiones WHERE id = %(id)s AND cerrada_en IS NULL AND vence_en > now()
