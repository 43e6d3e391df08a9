-- Count a failure, whichever process saw it. Who has not failed for a while begins anew, and the rows of such go, some with each
-- failure: there are never more than can be guessed within that time.
WITH old AS (
  DELETE FROM lab.intentos
   WHERE (origen, documento_id) IN (SELECT origen, documento_id FROM lab.intentos
                                     WHERE ultimo_en < now() - make_interval(secs => %(olvido)s)
                                     ORDER BY ultimo_en LIMIT 100 FOR UPDATE SKIP LOCKED))
INSERT INTO lab.intentos AS i (origen, documento_id, fallos, ultimo_en)
VALUES (%(origen)s, %(documento_id)s, 1, clock_timestamp())
    ON CONFLICT (origen, documento_id) DO UPDATE
   SET fallos = CASE WHEN i.ultimo_en < now() - make_interval(secs => %(olvido)s) THEN 1 ELSE i.fallos + 1 END,
       ultimo_en = excluded.ultimo_en
