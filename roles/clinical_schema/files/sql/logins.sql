-- Logins of people, beside those of the service: what `make login` makes and takes away. Each is a member of `readonly` or of `readwrite`,
-- who have the rights, and has a password on every node, so that it is answered the same with both engines. Who writes passes row-level
-- security, which would keep him from COPY (and with Citus from INSERT ... SELECT, which is one inside): he may see all rows anyway.

DO $$ BEGIN
  IF to_regrole('readwrite') IS NULL THEN
    CREATE ROLE readwrite NOLOGIN;
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS lab.logins (
  nombre name NOT NULL,
  clase text NOT NULL,
  creado_en timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT logins_pkey PRIMARY KEY (nombre),
  CONSTRAINT logins_clase_check CHECK (clase IN ('read', 'write'))
);
COMMENT ON TABLE lab.logins IS 'Cuentas de personas en la base de datos, las que hizo make login';
COMMENT ON COLUMN lab.logins.nombre IS 'Cómo se llama';
COMMENT ON COLUMN lab.logins.clase IS 'read: lee; write: lee, inserta y cambia';
COMMENT ON COLUMN lab.logins.creado_en IS 'Cuándo se hizo';

-- Refuses what is no name for a login: none, public and pg_... are PostgreSQL's, credentials/nodes.pgpass and replication.pgpass the servers'.
CREATE OR REPLACE FUNCTION lab.check_login_name(cuenta name) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF cuenta !~ '^[a-z][a-z0-9_]{0,30}$' OR cuenta ~ '^(pg_|(nodes|replication|none|public)$)' THEN
    RAISE EXCEPTION '"%" is no name for a login: it has up to 31 of a-z, 0-9 and _, begins with a letter, and not with pg_ (make login LOGIN=ana)', cuenta;
  END IF;
END
$$;

-- Says that there shall be a login. A transaction of its own before lab.give_login: what that one does on other nodes outlives a failure,
-- and is known as this login's when it is tried again. Without a kind it keeps the one that it has, a new one reads.
CREATE OR REPLACE FUNCTION lab.register_login(cuenta name, tipo text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM lab.check_login_name(cuenta);
  IF to_regrole(quote_ident(cuenta)) IS NOT NULL AND NOT EXISTS (SELECT FROM lab.logins WHERE nombre = cuenta) THEN
    RAISE EXCEPTION 'the role "%" is there already, and make login did not make it: choose another name', cuenta;
  END IF;
  INSERT INTO lab.logins (nombre, clase) VALUES (cuenta, coalesce(nullif(tipo, ''), 'read'))
      ON CONFLICT (nombre) DO UPDATE SET clase = coalesce(nullif(tipo, ''), logins.clase);
END
$$;

-- What goes wrong when the login counts the patients, on all nodes; NULL where nothing does.
CREATE OR REPLACE FUNCTION lab.login_error(cuenta name) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  antes text := current_setting('role');
BEGIN
  PERFORM set_config('role', cuenta, true);
  PERFORM count(*) FROM public.pacientes;
  PERFORM set_config('role', antes, true);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLERRM;
END
$$;

-- Makes a registered login what it shall be, on every node. Says whether anything was changed.
CREATE OR REPLACE FUNCTION lab.give_login(cuenta name, clave text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic SET log_error_verbosity = terse AS $$
DECLARE
  tipo text := (SELECT clase FROM lab.logins WHERE nombre = cuenta);
  grupo name := CASE tipo WHEN 'read' THEN 'readonly' ELSE 'readwrite' END;
  marca text := left(encode(sha256(convert_to(clave, 'UTF8')), 'hex'), 12);
BEGIN
  IF tipo IS NULL THEN
    RAISE EXCEPTION 'the login "%" is not registered', cuenta USING HINT = format('make login LOGIN=%s', cuenta);
  END IF;
  IF EXISTS (SELECT FROM lab.applied WHERE nombre = 'login ' || cuenta AND huella = marca)
     AND EXISTS (SELECT FROM lab.catalogue_now() WHERE clase = 'membership' AND nombre = cuenta AND estado = grupo)
     AND EXISTS (SELECT FROM pg_roles WHERE rolname = cuenta AND rolbypassrls = (tipo = 'write'))
     AND NOT EXISTS (SELECT FROM lab.differences() WHERE relacion = '' AND nombre = cuenta)
     AND lab.login_error(cuenta) IS NULL THEN
    RETURN false;
  END IF;
  PERFORM lab.create_login(cuenta, clave);
  EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION %s', cuenta,
                 CASE tipo WHEN 'read' THEN 'NOBYPASSRLS' ELSE 'BYPASSRLS' END);
  PERFORM lab.set_groups(cuenta, ARRAY[grupo]);
  INSERT INTO lab.installed (clase, relacion, nombre, estado)
  SELECT n.clase, n.relacion, n.nombre, n.estado FROM lab.catalogue_now() n WHERE n.relacion = '' AND n.nombre = cuenta
      ON CONFLICT (clase, relacion, nombre) DO UPDATE SET estado = excluded.estado;
  INSERT INTO lab.applied (nombre, huella) VALUES ('login ' || cuenta, marca)
      ON CONFLICT (nombre) DO UPDATE SET huella = excluded.huella, aplicado_en = now();
  RETURN true;
END
$$;

-- Remembers passwords that were changed on purpose, so that the next run of the playbook does not take them for somebody's change.
CREATE OR REPLACE FUNCTION lab.remember_passwords(cuentas name[], clases text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE lab.installed i SET estado = n.estado FROM lab.catalogue_now() n
   WHERE (n.clase, n.relacion, n.nombre) = (i.clase, i.relacion, i.nombre) AND n.clase = ANY (clases) AND n.nombre = ANY (cuentas)
     AND n.estado <> i.estado;
END
$$;

-- Gives a login of the service's or of a person another password.
CREATE OR REPLACE FUNCTION lab.rotate_login(cuenta name, clave text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic SET log_error_verbosity = terse AS $$
BEGIN
  PERFORM lab.change_password(cuenta, clave);
  PERFORM lab.remember_passwords(ARRAY[cuenta], ARRAY['password', 'password between the nodes']);
  UPDATE lab.applied SET huella = left(encode(sha256(convert_to(clave, 'UTF8')), 'hex'), 12), aplicado_en = now()
   WHERE nombre = 'login ' || cuenta;
END
$$;

-- Changes the passwords that nobody is given, once the others are changed. Must be the first statement of its transaction.
CREATE OR REPLACE FUNCTION lab.end_rotation() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM lab.finish_rotation();
  -- Whose sessions Citus moves shards in (owner.sql).
  IF lab.login_mark('clinical_owner') IS NOT NULL THEN
    PERFORM lab.change_password('clinical_owner', replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''));
    PERFORM lab.remember_passwords(ARRAY['clinical_owner'::name], ARRAY['password']);
  END IF;
  PERFORM lab.remember_passwords((SELECT array_agg(rolname) FROM pg_roles), ARRAY['password between the nodes']);
END
$$;

-- Takes a login away, with its sessions. Says whether there was one.
CREATE OR REPLACE FUNCTION lab.forget_login(cuenta name) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM lab.check_login_name(cuenta);  -- its file goes too
  IF NOT EXISTS (SELECT FROM lab.logins WHERE nombre = cuenta) THEN
    -- One of the service's, or somebody's own.
    IF to_regrole(quote_ident(cuenta)) IS NOT NULL THEN
      RAISE EXCEPTION 'make login did not make the role "%": it stays', cuenta;
    END IF;
    RETURN false;
  END IF;
  PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = cuenta;
  IF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = to_regrole(quote_ident(cuenta)) AND deptype = 'o'
                AND classid <> 'pg_user_mapping'::regclass) THEN
    RAISE EXCEPTION 'the login "%" owns tables or other objects, and stays; give them to the administrator first: REASSIGN OWNED BY % TO %',
      cuenta, cuenta, current_user;
  END IF;
  PERFORM lab.drop_login(cuenta);
  DELETE FROM lab.installed WHERE relacion = '' AND nombre = cuenta;
  DELETE FROM lab.applied WHERE nombre = 'login ' || cuenta;
  DELETE FROM lab.logins WHERE nombre = cuenta;
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION lab.check_login_name(name), lab.register_login(name, text), lab.login_error(name), lab.give_login(name, text), lab.forget_login(name),
  lab.remember_passwords(name[], text[]), lab.rotate_login(name, text), lab.end_rotation() FROM PUBLIC;
