-- The service's rules a second time, row by row, for the login api: it says in each transaction for whom it asks
-- (historia.persona: role/document/doctor), and sees nothing where it does not say. One setting, since each is one more
-- statement of every transaction.
-- A rule comes before whatever else is asked: a condition that fails on a row that may not be seen would tell of it. With Citus the policies
-- are on the shards too, where PostgreSQL sees to that. With postgres_fdw they are on the tables here, and a worker, which sees no setting of
-- this session, decides by itself what it computes first. So all of a policy is sent, as what a worker can compute: what is the same for
-- every row as a value, the rest by comparing texts, which costs nothing there (worker.sql) and is done before what costs something.
-- PostgreSQL checks no policy's WITH CHECK for a row that goes to a foreign table: there a trigger does. One for each row would have patients
-- and consultations loaded one by one, so on these it looks at the role alone: that a doctor writes in his own name is the service's word.
-- usuario, lab.sesiones and lab.intentos have none: they are read to find out who asks.

DO $lab$
DECLARE
  persona text := $$split_part(current_setting('historia.persona', true), '/', %s)$$;
  postgres_fdw boolean := lab.engine() = 'postgres_fdw';
  p record;
  regla text;
BEGIN
  ALTER ROLE middleware BYPASSRLS;  -- loads with COPY, which row-level security refuses; serves while the rules are lifted

  -- ROL, DOCUMENTO and MEDICO are those of the persona. What stands in braces is the same for every row: where it is sent, a value.
  FOR p IN SELECT * FROM (VALUES
    ('pacientes', 'lectura', 'SELECT', 'api',
     $${ROL IN ('administrador', 'medico', 'admisionista', 'resultados')} OR cedula = {CASE ROL WHEN 'paciente' THEN DOCUMENTO END}$$),
    ('pacientes', 'registro', 'INSERT', 'api', $$ROL IN ('administrador', 'admisionista')$$),
    ('pacientes', 'cambio', 'UPDATE', 'api', $${ROL IN ('administrador', 'admisionista')}$$),
    ('pacientes', 'consulta', 'SELECT', 'readonly', 'true'),
    ('consultas', 'lectura', 'SELECT', 'api',
     $${ROL IN ('administrador', 'medico', 'resultados')} OR paciente_id = {CASE ROL WHEN 'paciente' THEN DOCUMENTO END}$$),
    ('consultas', 'registro', 'INSERT', 'api',
     $$ROL = 'administrador' OR medico_id = CASE ROL WHEN 'medico' THEN nullif(MEDICO, '')::integer END$$),
    ('consultas', 'cambio', 'UPDATE', 'api',
     $${ROL = 'administrador'} OR medico_id = {CASE ROL WHEN 'medico' THEN nullif(MEDICO, '')::integer END}$$),
    ('consultas', 'consulta', 'SELECT', 'readonly', 'true'),
    ('accesos', 'lectura', 'SELECT', 'api', $${ROL = 'administrador'} OR paciente_id = {CASE ROL WHEN 'paciente' THEN DOCUMENTO END}$$),
    ('accesos', 'registro', 'INSERT', 'api', $$documento_id = DOCUMENTO AND rol = ROL AND (rol <> 'paciente' OR paciente_id = documento_id)$$),
    ('cambios', 'lectura', 'SELECT', 'api', $${ROL = 'administrador'} OR paciente_id = {CASE ROL WHEN 'paciente' THEN DOCUMENTO END}$$),
    ('cambios', 'registro', 'INSERT', 'api',
     $$ROL IN ('administrador', 'medico', 'admisionista') AND documento_id = DOCUMENTO AND rol = ROL$$),
    -- A page names many patients: none of them may read who the others are.
    ('accesos_paginas', 'lectura', 'SELECT', 'api', $${ROL = 'administrador'}$$),
    ('accesos_paginas', 'registro', 'INSERT', 'api',
     $$ROL IN ('administrador', 'medico', 'admisionista', 'resultados') AND documento_id = DOCUMENTO AND rol = ROL$$),
    -- A key begins with the document of whose it is (idempotency.py).
    ('solicitudes', 'lectura', 'SELECT', 'api',
     $${ROL IN ('administrador', 'admisionista', 'medico')} AND starts_with(clave, {DOCUMENTO || ' '})$$),
    ('solicitudes', 'registro', 'INSERT', 'api', $$ROL IN ('administrador', 'admisionista', 'medico') AND starts_with(clave, DOCUMENTO || ' ')$$)
    ) AS v (tabla, nombre, para, login, filas)
  LOOP
    regla := regexp_replace(p.filas, '\{(.*?)\}', CASE WHEN postgres_fdw THEN '(SELECT \1)' ELSE '(\1)' END, 'g');
    regla := replace(replace(replace(regla, 'ROL', format(persona, 1)), 'DOCUMENTO', format(persona, 2)), 'MEDICO', format(persona, 3));
    IF p.nombre = 'lectura' THEN  -- each of the tables has one
      EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', p.tabla);
    END IF;
    EXECUTE format('DROP POLICY IF EXISTS %I ON public.%I', p.nombre, p.tabla);
    EXECUTE format('CREATE POLICY %I ON public.%I FOR %s TO %I %s (%s)', p.nombre, p.tabla, p.para, p.login,
                   CASE p.para WHEN 'INSERT' THEN 'WITH CHECK' ELSE 'USING' END, regla);
  END LOOP;
END $lab$;

DO $lab$
DECLARE
  persona text := $$split_part(current_setting('historia.persona', true), '/', %s)$$;
  t record;
BEGIN
  IF lab.engine() = 'postgres_fdw' THEN
    CREATE OR REPLACE FUNCTION lab.refuse_insert() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $trigger$
    BEGIN
      RAISE EXCEPTION 'role "%" may not insert this into %', split_part(current_setting('historia.persona', true), '/', 1), TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
    END
    $trigger$;
    FOR t IN SELECT * FROM (VALUES
      ('pacientes', 'STATEMENT', $$ROL IN ('administrador', 'admisionista')$$),
      ('consultas', 'STATEMENT', $$ROL IN ('administrador', 'medico')$$),
      ('accesos', 'ROW', $$NEW.documento_id = DOCUMENTO AND NEW.rol = ROL AND (NEW.rol <> 'paciente' OR NEW.paciente_id = NEW.documento_id)$$),
      ('cambios', 'ROW', $$ROL IN ('administrador', 'medico', 'admisionista') AND NEW.documento_id = DOCUMENTO AND NEW.rol = ROL$$),
      ('accesos_paginas', 'ROW',
       $$ROL IN ('administrador', 'medico', 'admisionista', 'resultados') AND NEW.documento_id = DOCUMENTO AND NEW.rol = ROL$$),
      ('solicitudes', 'ROW', $$ROL IN ('administrador', 'admisionista', 'medico') AND starts_with(NEW.clave, DOCUMENTO || ' ')$$)
      ) AS v (tabla, cada, filas)
    LOOP
      -- One of another kind, in a lab of an older version, is not replaced.
      EXECUTE format('DROP TRIGGER IF EXISTS registro ON public.%I', t.tabla);
      EXECUTE format('CREATE TRIGGER registro BEFORE INSERT ON public.%I FOR EACH %s WHEN (current_user = ''api'' AND (%s) IS NOT TRUE)'
                     ' EXECUTE FUNCTION lab.refuse_insert()', t.tabla, t.cada,
                     replace(replace(t.filas, 'ROL', format(persona, 1)), 'DOCUMENTO', format(persona, 2)));
    END LOOP;
    DROP FUNCTION IF EXISTS lab.require_role();  -- of labs of an older version
  END IF;
END $lab$;
