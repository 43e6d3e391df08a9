-- A verifier arrives, as \password sends it; here the server makes it of a generated one.
SELECT format('ALTER ROLE integracion PASSWORD %L VALID UNTIL %L', gen_random_uuid()::text || gen_random_uuid()::text, now() + interval '60 days') \gexec
