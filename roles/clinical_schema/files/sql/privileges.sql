-- Least privilege. Nobody but the administrator deletes: patients and doctors are retired, consultations are kept.
-- middleware loads the sample and serves while the rules are lifted; api serves under them (row_security.sql).
SELECT lab.grant('SELECT, INSERT, UPDATE', t, rol)
  FROM unnest(ARRAY['public.medicos', 'public.pacientes', 'public.consultas', 'public.usuario']::regclass[]) AS t,
       unnest(ARRAY['middleware', 'api']) AS rol;
SELECT lab.grant('SELECT, INSERT', t, rol)
  FROM unnest(ARRAY['public.solicitudes', 'public.accesos']::regclass[]) AS t, unnest(ARRAY['middleware', 'api']) AS rol;
-- Not usuario: it holds the hashes of passwords.
SELECT lab.grant('SELECT', t, 'readonly')
  FROM unnest(ARRAY['public.medicos', 'public.pacientes', 'public.consultas']::regclass[]) AS t;
GRANT SELECT, INSERT, UPDATE ON lab.sample_chunks TO middleware;
GRANT SELECT, INSERT, UPDATE, DELETE ON lab.sesiones TO middleware, api;
