DELETE FROM lab.intentos WHERE origen = %(origen)s AND documento_id = %(documento_id)s
