-- The nodes: how to run something on one, how they join, who may log in.

-- Opens the named dblink connection to a node. A message that names node and address takes the place of libpq's.
CREATE OR REPLACE FUNCTION lab.open(conexion text, nodo text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  detalle text;
  destino record;
BEGIN
  -- A statement that was cancelled may have left the connection open.
  IF conexion = ANY (lab.dblink_get_connections()) THEN
    PERFORM lab.dblink_disconnect(conexion);
  END IF;
  SELECT * INTO destino FROM lab.servers WHERE node_name = nodo;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'node "%" is unknown', nodo
      USING HINT = 'See the names in: SELECT node_name FROM lab.nodes';
  END IF;
  BEGIN
    PERFORM lab.dblink_connect(conexion, nodo);
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detalle = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION USING
      ERRCODE = 'sqlclient_unable_to_establish_sqlconnection',
      MESSAGE = format('node %s (%s:%s) does not answer: %s', nodo, destino.host, destino.port,
                       split_part(coalesce(nullif(detalle, ''), SQLERRM), E'\n', 1)),
      HINT = 'Start it (start, as the page of the lab says) and run the command again; see which nodes answer: SELECT * FROM lab.nodes';
  END;
END
$$;

-- Runs statements on a node, in one transaction of that node that has ended when this returns: a rollback here
-- does not take it back, so what is run must be fit to run again.
CREATE OR REPLACE FUNCTION lab.on_node(nodo text, sentencias text, plazo interval DEFAULT '0') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF sentencias = '' THEN
    RETURN;
  END IF;
  PERFORM lab.open('lab_on_node', nodo);
  -- What runs may hold a password's verifier: an error must not copy the statement into the node's log. And a
  -- lock that this very transaction holds would be waited for forever: no deadlock detector sees two servers.
  PERFORM lab.dblink_exec('lab_on_node', format(
    'SET log_min_error_statement = panic; SET client_min_messages = warning; SET lock_timeout = ''10s''; SET statement_timeout = %L',
    extract(epoch FROM plazo) * 1000));
  PERFORM lab.dblink_exec('lab_on_node', sentencias);
  PERFORM lab.dblink_disconnect('lab_on_node');
EXCEPTION WHEN OTHERS THEN
  IF 'lab_on_node' = ANY (lab.dblink_get_connections()) THEN
    PERFORM lab.dblink_disconnect('lab_on_node');
  END IF;
  RAISE;
END
$$;

-- One value from a node.
CREATE OR REPLACE FUNCTION lab.ask_node(nodo text, consulta text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  respuesta text;
BEGIN
  PERFORM lab.open('lab_ask_node', nodo);
  SELECT r.valor INTO respuesta FROM lab.dblink('lab_ask_node', consulta) AS r(valor text);
  PERFORM lab.dblink_disconnect('lab_ask_node');
  RETURN respuesta;
EXCEPTION WHEN OTHERS THEN
  IF 'lab_ask_node' = ANY (lab.dblink_get_connections()) THEN
    PERFORM lab.dblink_disconnect('lab_ask_node');
  END IF;
  RAISE;
END
$$;

-- The statements that give a worker the roles of the lab as they are here. Nobody logs in there but the administrator and `nodes`, as whom the
-- coordinator comes on behalf of every login: rules that hold at the coordinator alone (row-level security) would be gone around there. The
-- roles are there to own tables and to have rights, of which `nodes` has all that logins have. Its password travels as the SCRAM
-- verifier that the coordinator has: no server is told it in clear.
CREATE OR REPLACE FUNCTION lab.roles_script() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(string_agg(
           format('DO $do$ BEGIN CREATE ROLE %1$I; EXCEPTION WHEN duplicate_object THEN NULL; END $do$; ALTER ROLE %1$I %2$s PASSWORD %3$L;',
                  rolname, CASE rolname WHEN 'nodes' THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE rolname WHEN 'nodes' THEN rolpassword END),
           E'\n' ORDER BY rolname), '')
      || coalesce((SELECT string_agg(format(E'\nGRANT %s TO %s;', roleid::regrole, member::regrole), '' ORDER BY roleid, member)
                     FROM pg_auth_members JOIN pg_roles m ON m.oid = member WHERE NOT m.rolsuper AND m.rolname !~ '^pg_'), '')
      || coalesce((SELECT string_agg(format(E'\nGRANT %I TO nodes;', rolname), '' ORDER BY rolname)
                     FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND NOT rolreplication AND to_regrole('nodes') IS NOT NULL), '')
    FROM pg_authid
   WHERE NOT rolsuper AND NOT rolreplication AND rolname !~ '^pg_';
$$;

DROP FUNCTION IF EXISTS lab.map_login(name, text, text);  -- of labs of an older version
-- A user mapping that is there and right, whatever was there before: as whom and with which password a login comes to a server.
CREATE OR REPLACE FUNCTION lab.map_login(rol name, servidor text, usuario name, clave text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
BEGIN
  EXECUTE format('CREATE USER MAPPING IF NOT EXISTS FOR %I SERVER %I OPTIONS (user %L, password %L)',
                 rol, servidor, usuario, clave);
  EXECUTE format('ALTER USER MAPPING FOR %I SERVER %I OPTIONS (SET user %L, SET password %L)',
                 rol, servidor, usuario, clave);
END
$$;

-- The password with which a login comes to a node (kept in its user mapping, which only a superuser can read).
CREATE OR REPLACE FUNCTION lab.mapped_password(rol name, servidor text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT o.option_value
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o
   WHERE m.usename = rol AND m.srvname = servidor AND o.option_name = 'password';
$$;

-- The password of `nodes`, which nobody is given; NULL before there is one.
CREATE OR REPLACE FUNCTION lab.nodes_password() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT max(lab.mapped_password('nodes', w.node_name)) FROM lab.workers w;
$$;

-- Creates or alters the role of a login here, attributes given, password set.
CREATE OR REPLACE FUNCTION lab.set_login(rol name, atributos text, clave text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = rol) THEN
    RAISE EXCEPTION 'role "%" is a superuser: it is not turned into a login of the lab', rol
      USING HINT = 'Choose another name for the login.';
  END IF;
  IF to_regrole(quote_ident(rol)) IS NULL THEN
    EXECUTE format('CREATE ROLE %I', rol);
  END IF;
  EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER %s PASSWORD %L', rol, atributos, clave);
END
$$;

CREATE OR REPLACE FUNCTION lab.create_login(rol name, clave text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  nodo text;
BEGIN
  -- BYPASSRLS is another one's to give and to take: without it for a moment, the login would see no row, and be told nothing.
  PERFORM lab.set_login(rol, 'NOCREATEDB NOCREATEROLE NOREPLICATION', clave);
  FOR nodo IN SELECT node_name FROM lab.workers ORDER BY node_name LOOP
    PERFORM lab.map_login(rol, nodo, 'nodes', lab.nodes_password());
    PERFORM lab.on_node(nodo, lab.roles_script());
  END LOOP;
END
$$;
COMMENT ON FUNCTION lab.create_login(name, text) IS 'Crea o cambia en todos los nodos un rol que entra con contraseña';

-- A mark of the passwords with which the coordinator logs in to the workers as this role; none where it cannot on one of them.
CREATE OR REPLACE FUNCTION lab.login_mark(rol name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN count(*) = count(m.umoptions) THEN left(md5(string_agg(m.umoptions::text, ',' ORDER BY w.node_name)), 12) END
    FROM lab.workers w LEFT JOIN pg_user_mappings m ON m.srvname = w.node_name AND m.usename = rol;
$$;
COMMENT ON FUNCTION lab.login_mark(name) IS 'Una marca de la contraseña con que los nodos conocen a un rol: cambia con ella y no la revela';

-- Makes a role a member of these groups and of no others, on every node.
CREATE OR REPLACE FUNCTION lab.set_groups(rol name, grupos name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  script text := format($do$DO $lab$ DECLARE
    g name;
  BEGIN
    FOR g IN SELECT roleid::regrole FROM pg_auth_members WHERE member = to_regrole(%1$L) AND roleid <> ALL (%2$L::regrole[]) LOOP
      EXECUTE format('REVOKE %%s FROM %%s', g, %1$L);
    END LOOP;
    FOR g IN SELECT roleid::regrole FROM unnest(%2$L::regrole[]) AS roleid
              WHERE roleid NOT IN (SELECT m.roleid FROM pg_auth_members m WHERE m.member = to_regrole(%1$L)) LOOP
      EXECUTE format('GRANT %%s TO %%s', g, %1$L);
    END LOOP;
  END $lab$;$do$, quote_ident(rol), coalesce(grupos, '{}'));
  nodo text;
BEGIN
  EXECUTE script;
  FOR nodo IN SELECT node_name FROM lab.workers ORDER BY node_name LOOP
    PERFORM lab.on_node(nodo, lab.roles_script() || E'\n' || script);
  END LOOP;
END
$$;
COMMENT ON FUNCTION lab.set_groups(name, name[]) IS 'Hace a un rol miembro de estos grupos y de ningún otro, en todos los nodos';

-- Takes a login away on every node, with the rights that it was given.
CREATE OR REPLACE FUNCTION lab.drop_login(rol name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET event_triggers = off AS $$
DECLARE
  script text := format('DO $lab$ BEGIN IF to_regrole(%1$L) IS NOT NULL THEN DROP OWNED BY %1$s; DROP ROLE %1$s; END IF; END $lab$;',
                        quote_ident(rol));
  nodo text;
BEGIN
  FOR nodo IN SELECT node_name FROM lab.workers ORDER BY node_name LOOP
    PERFORM lab.on_node(nodo, script);
    EXECUTE format('DROP USER MAPPING IF EXISTS FOR %I SERVER %I', rol, nodo);
  END LOOP;
  EXECUTE script;
END
$$;
COMMENT ON FUNCTION lab.drop_login(name) IS 'Quita un rol de todos los nodos';

DROP FUNCTION IF EXISTS lab.join_nodes(jsonb, jsonb, integer, text);  -- of labs of an older version
-- Makes the foreign servers what `nodos` says ([{name, role, host, port}]), one that moved is altered, and gives
-- the administrator (whoever calls this) and the login `replication` their passwords. Each worker is given the statements
-- `de_worker`. Nodes that are no longer named stay: their partitions hold rows.
CREATE OR REPLACE FUNCTION lab.join_nodes(nodos jsonb, claves jsonb, particiones integer, version text, de_worker text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  base text := current_database();
  clave text;
  nodo record;
  opcion record;
  mapa record;
BEGIN
  IF particiones NOT BETWEEN 1 AND 1024 THEN
    RAISE EXCEPTION 'a table has from 1 to 1024 partitions, not %', particiones USING HINT = 'Set postgres_fdw_partitions.';
  END IF;
  IF current_setting('wal_level') <> 'logical' THEN
    RAISE EXCEPTION 'the coordinator runs with wal_level = %, reference tables are copied with logical', current_setting('wal_level')
      USING HINT = 'Set wal_level = logical in the coordinator''s configuration and restart it.';
  END IF;
  FOR nodo IN SELECT n.*, row_number() OVER () AS number
                FROM jsonb_to_recordset(nodos) AS n(name text, role text, host text, port text) LOOP
    IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = nodo.name) THEN
      EXECUTE format('CREATE SERVER %I TYPE %L FOREIGN DATA WRAPPER postgres_fdw', nodo.name, nodo.role);
    END IF;
    FOR opcion IN
      SELECT w.name, w.value, o.option_value AS present
        FROM (VALUES
          ('host', nodo.host), ('port', nodo.port), ('dbname', base),
          -- A node that is cut off is an error within seconds, also in the middle of a query. (There is a connect_timeout
          -- too, but neither postgres_fdw nor dblink obeys it.)
          ('tcp_user_timeout', '5000'), ('keepalives_idle', '10'), ('keepalives_interval', '3'), ('keepalives_count', '3'),
          -- All workers at once, many rows a message: the defaults are one node after the other, 1 row in and 100 out.
          -- A batch of 1000 loads slower: most INSERTs would then be parsed, planned and used once.
          ('async_capable', 'true'), ('batch_size', '100'), ('fetch_size', '10000'),
          ('parallel_commit', 'true'), ('parallel_abort', 'true'),
          -- Two sessions that wait for each other on two workers are a deadlock that no server sees: the wait ends. On each worker after
          -- another time, so that it ends for one of them, and the other goes on.
          ('options', format('-c lock_timeout=%s', 3500 + 500 * nodo.number))
        ) AS w(name, value)
        LEFT JOIN (SELECT x.* FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) x WHERE s.srvname = nodo.name) o
          ON o.option_name = w.name
       WHERE w.value IS DISTINCT FROM o.option_value
    LOOP
      EXECUTE format('ALTER SERVER %I OPTIONS (%s %I %L)', nodo.name,
                     CASE WHEN opcion.present IS NULL THEN 'ADD' ELSE 'SET' END, opcion.name, opcion.value);
    END LOOP;
    PERFORM lab.map_login(current_user, nodo.name, current_user, claves ->> current_user::text);
  END LOOP;

  PERFORM lab.set_login('replication', 'NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS', claves ->> 'replication');
  PERFORM lab.map_login('replication', s.node_name, 'replication', claves ->> 'replication') FROM lab.servers s WHERE s.role = 'coordinator';
  -- Who may replicate may also make slots, with whatever library there is to decode with; the copies want this one.
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'output_plugin_libraries') THEN  -- from PostgreSQL 18.6 on
    ALTER ROLE replication SET output_plugin_libraries = 'pgoutput';
  END IF;

  -- Here nobody logs in as `nodes`. Its own mappings hold its password.
  clave := coalesce(lab.nodes_password(), replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''));
  PERFORM lab.set_login('nodes', 'NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', clave);
  ALTER ROLE nodes NOLOGIN;
  -- A worker that came later learns the logins of the others; in a lab of an older version they came to the workers as themselves.
  FOR mapa IN
    SELECT l.usename, n.node_name
      FROM (SELECT m.usename FROM pg_user_mappings m JOIN lab.workers w ON w.node_name = m.srvname WHERE m.usename <> current_user
             UNION SELECT 'nodes') l
     CROSS JOIN lab.workers n
  LOOP
    PERFORM lab.map_login(mapa.usename, mapa.node_name, 'nodes', clave);
  END LOOP;

  -- The roles, and what lab.run_on() says to them.
  FOR nodo IN SELECT * FROM lab.workers w ORDER BY w.node_name LOOP
    PERFORM lab.on_node(nodo.node_name, CASE WHEN de_worker <> '' THEN lab.roles_script() || E'\n' || de_worker ELSE '' END);
    EXECUTE format('CREATE FOREIGN TABLE IF NOT EXISTS lab.%I (id uuid, search_path text, statement text, question text, answer text)
                    SERVER %I OPTIONS (schema_name ''lab'', table_name ''run'')', 'run_' || nodo.subscription, nodo.node_name);
  END LOOP;

  IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'lab_reference') THEN
    CREATE PUBLICATION lab_reference;
  END IF;
  -- Joins and aggregates partition by partition are what goes to the workers whole.
  EXECUTE format('ALTER DATABASE %I SET enable_partitionwise_join = on', base);
  EXECUTE format('ALTER DATABASE %I SET enable_partitionwise_aggregate = on', base);
  -- ... where they are grouped by the key. Else the planner would count part by part as it fetches them, one worker after the other: no
  -- part of a count is ever sent. Without what joins partial counts it asks all workers at once and counts what comes. No result depends
  -- on it, no setting says it (the one above, off, would fetch what the workers now count), and only the coordinator's own large tables
  -- would miss it, which parallel workers would have counted.
  UPDATE pg_catalog.pg_aggregate SET aggcombinefn = 0 WHERE aggcombinefn <> 0 AND aggfnoid::oid < 16384;
  -- A session on a worker says for whom it works: lab.waits reads it.
  EXECUTE format('ALTER DATABASE %I SET postgres_fdw.application_name = ''lab/%%p''', base);
  -- postgres_fdw reckons that a worker compares every row of one partition with every row of the other, so that from a
  -- thousand rows on it would fetch both and join them here. Keys are text: let comparing texts cost next to nothing.
  -- (Dearer transfers would do as well, but beside them the planner no longer tells a good local join from a bad one.)
  ALTER FUNCTION pg_catalog.texteq(text, text) COST 0.0001;
  EXECUTE format('ALTER DATABASE %I SET lab.partitions = %L', base, particiones);
  -- Last: what has got this far is installed whole.
  EXECUTE format('ALTER DATABASE %I SET lab.version = %L', base, version);
END
$$;
