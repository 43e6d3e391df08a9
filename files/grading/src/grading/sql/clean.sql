-- Removes what an exercise and its students make, by name: relations of the schema public, then roles with all that they were given.
SELECT format('DROP %s public.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, relname)
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname = ANY (string_to_array(:'relations', ','))
 ORDER BY relname \gexec
SELECT format(verb, rolname) FROM pg_roles, unnest(ARRAY['DROP OWNED BY %I', 'DROP ROLE %I']) WITH ORDINALITY AS v (verb, turn)
 WHERE rolname = ANY (string_to_array(:'roles', ',')) ORDER BY rolname, turn \gexec
