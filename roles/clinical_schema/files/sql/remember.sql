-- What has been applied whole, so that the next run looks and finds nothing to do. A table that is remembered keeps the
-- columns that it was made with, and what somebody else added to it stays somebody else's, unless these scripts are new.
INSERT INTO lab.installed (clase, relacion, nombre, estado)
SELECT n.clase, n.relacion, n.nombre, n.estado FROM lab.catalogue_now() n
 WHERE (n.relacion = '' AND NOT EXISTS (SELECT FROM lab.logins l WHERE l.nombre = n.nombre))  -- lab.give_login remembers those
    OR NOT EXISTS (SELECT FROM lab.installed i WHERE i.relacion = n.relacion)
    OR EXISTS (SELECT FROM lab.installed i WHERE (i.clase, i.relacion, i.nombre) = (n.clase, n.relacion, n.nombre))
    OR (n.clase <> 'column' AND NOT EXISTS (SELECT FROM lab.applied a WHERE a.nombre = 'schema' AND a.huella = %(applied)s::jsonb ->> 'schema'))
    ON CONFLICT (clase, relacion, nombre) DO UPDATE SET estado = excluded.estado
 WHERE installed.clase <> 'column' AND installed.estado <> excluded.estado;
INSERT INTO lab.applied (nombre, huella)
SELECT key, value FROM jsonb_each_text(%(applied)s)
    ON CONFLICT (nombre) DO UPDATE SET huella = excluded.huella, aplicado_en = now()
 WHERE applied.huella <> excluded.huella;
