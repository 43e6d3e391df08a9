-- What has been applied whole, so that the next run looks and finds nothing to do.
INSERT INTO lab.applied (nombre, huella)
SELECT key, value FROM jsonb_each_text(%(applied)s)
    ON CONFLICT (nombre) DO UPDATE SET huella = excluded.huella, aplicado_en = now()
 WHERE applied.huella <> excluded.huella;
