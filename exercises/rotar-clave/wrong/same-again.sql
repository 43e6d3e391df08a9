-- fails: old_is_refused
-- The same one again, with an end.
SELECT format('ALTER ROLE integracion PASSWORD %L VALID UNTIL %L', clave, now() + interval '30 days') FROM public.clave_filtrada \gexec
