-- A copy of the clinical history: tables, rows and keys, as plain SQL for a PostgreSQL (17 or newer) that need be no lab:
--   createdb historia
--   psql -X -1 -v ON_ERROR_STOP=1 -d historia -f this-file
-- The medical data of people are in it, and the hashes of the API's passwords: keep it as you keep those. No password of a server is.
DO $$ BEGIN
  IF to_regnamespace('lab') IS NOT NULL OR to_regclass('public.pacientes') IS NOT NULL THEN
    RAISE EXCEPTION 'this database holds a clinical history already: the copy belongs into an empty one';
  END IF;
END $$;

