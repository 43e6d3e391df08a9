-- fails: expires
-- A new one, for ever.
SELECT format('ALTER ROLE integracion PASSWORD %L', gen_random_uuid()::text || gen_random_uuid()::text) \gexec
