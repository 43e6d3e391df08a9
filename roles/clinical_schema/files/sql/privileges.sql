-- Least privilege. Nobody but the administrator deletes: patients and doctors are retired, consultations are kept.
-- Who reads and who writes, of people (logins.sql): readonly, and readwrite, which is a member of it.
-- middleware loads the sample and serves while the rules are lifted; api serves under them (row_security.sql).
SELECT lab.grant('SELECT, INSERT, UPDATE', '{public.medicos,public.pacientes,public.consultas,public.usuario}', '{middleware,api}');
SELECT lab.grant('SELECT, INSERT', '{public.solicitudes,public.accesos}', '{middleware,api}');
-- The country's and the world's, not the lab's. Whether those who write consultations may add a code of a diagnosis is a setting (cie10.sql).
SELECT lab.grant('SELECT', '{public.municipios,public.cie10}', '{middleware,api,readonly}');
SELECT lab.grant('SELECT', '{public.cie10}', '{readwrite}');
-- Not usuario: it holds the hashes of passwords.
SELECT lab.grant('SELECT', '{public.medicos,public.pacientes,public.consultas}', '{readonly}');
SELECT lab.set_groups('readwrite', '{readonly}');
SELECT lab.grant('INSERT, UPDATE', '{public.medicos,public.pacientes,public.consultas}', '{readwrite}');
GRANT SELECT ON lab.institucion TO middleware, api, readonly;
GRANT SELECT, INSERT, UPDATE ON lab.sample_chunks TO middleware;
GRANT SELECT, INSERT, UPDATE, DELETE ON lab.sesiones TO middleware, api;
-- Whoever leaves a transaction open keeps what it locked from everybody else. The administrator may.
ALTER ROLE api SET idle_in_transaction_session_timeout = '1min';
ALTER ROLE middleware SET idle_in_transaction_session_timeout = '10min';  -- it loads, too
ALTER ROLE readonly SET idle_in_transaction_session_timeout = '10min';
-- The API says every moment in UTC, wherever the server computes it.
ALTER ROLE middleware SET timezone = 'UTC';
ALTER ROLE api SET timezone = 'UTC';
