-- Least privilege. Nobody but the administrator deletes: patients and doctors are retired, consultations are kept.
SELECT lab.grant('SELECT, INSERT, UPDATE', t, 'middleware')
  FROM unnest(ARRAY['public.medicos', 'public.pacientes', 'public.consultas', 'public.usuario']::regclass[]) AS t;
-- Not usuario: it holds the hashes of passwords.
SELECT lab.grant('SELECT', t, 'readonly')
  FROM unnest(ARRAY['public.medicos', 'public.pacientes', 'public.consultas']::regclass[]) AS t;
GRANT SELECT, INSERT, UPDATE ON lab.sample_chunks TO middleware;
