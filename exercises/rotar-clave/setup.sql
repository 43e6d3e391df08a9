-- Another one in each lab: what everybody knew would let them into everybody's.
CREATE TABLE public.clave_filtrada AS SELECT 'Verano' || substr(gen_random_uuid()::text, 1, 8) AS clave;
SELECT format('CREATE ROLE integracion LOGIN PASSWORD %L', clave) FROM public.clave_filtrada \gexec
SELECT json_build_object('stored', rolpassword, 'leaked', clave) FROM pg_authid, public.clave_filtrada WHERE rolname = 'integracion';
