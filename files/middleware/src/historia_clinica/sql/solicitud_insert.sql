-- Nothing is inserted where the key was used before: what was answered then is answered again. No column is named to
-- collide on: the parent table of postgres_fdw has no unique index.
INSERT INTO solicitudes (paciente_id, clave, huella, ubicacion, cuerpo)
VALUES (%(cedula)s, %(clave)s, %(huella)s, %(ubicacion)s, %(cuerpo)s)
    ON CONFLICT DO NOTHING
