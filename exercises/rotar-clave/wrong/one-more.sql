-- fails: old_is_refused
-- A sign is added.
SELECT format('ALTER ROLE integracion PASSWORD %L VALID UNTIL %L', clave || '!', now() + interval '30 days') FROM public.clave_filtrada \gexec
