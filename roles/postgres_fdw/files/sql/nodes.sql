-- The nodes: how to run something on one, how they join, who may log in, how the reference tables are copied.

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
      HINT = 'Start it (make start) and run the command again; see which nodes answer: SELECT * FROM lab.nodes';
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

-- The statements that give a node the roles of the lab as they are here. Passwords travel as SCRAM verifiers, so
-- that a login has one verifier everywhere and no server is told a password in clear.
CREATE OR REPLACE FUNCTION lab.roles_script() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(string_agg(
           format('DO $do$ BEGIN CREATE ROLE %1$I; EXCEPTION WHEN duplicate_object THEN NULL; END $do$; ALTER ROLE %1$I %2$s PASSWORD %3$L;',
                  rolname, CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, rolpassword),
           E'\n' ORDER BY rolname), '')
    FROM pg_authid
   WHERE NOT rolsuper AND NOT rolreplication AND rolname !~ '^pg_';
$$;

-- A user mapping that is there and right, whatever was there before.
CREATE OR REPLACE FUNCTION lab.map_login(rol name, servidor text, clave text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
BEGIN
  EXECUTE format('CREATE USER MAPPING IF NOT EXISTS FOR %I SERVER %I OPTIONS (user %L, password %L)',
                 rol, servidor, rol, clave);
  EXECUTE format('ALTER USER MAPPING FOR %I SERVER %I OPTIONS (SET user %L, SET password %L)',
                 rol, servidor, rol, clave);
END
$$;

-- The password with which a login logs in at a node (kept in its user mapping, which only a superuser can read).
CREATE OR REPLACE FUNCTION lab.mapped_password(rol name, servidor text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT o.option_value
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o
   WHERE m.usename = rol AND m.srvname = servidor AND o.option_name = 'password';
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
  PERFORM lab.set_login(rol, 'NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', clave);
  FOR nodo IN SELECT node_name FROM lab.workers ORDER BY node_name LOOP
    PERFORM lab.map_login(rol, nodo, clave);
    PERFORM lab.on_node(nodo, lab.roles_script());
  END LOOP;
END
$$;

-- Makes the foreign servers what `nodos` says ([{name, role, host, port}]), one that moved is altered, and gives
-- the administrator (whoever calls this) and the login `replication` their passwords. Nodes that are no longer
-- named stay: their partitions hold rows.
CREATE OR REPLACE FUNCTION lab.join_nodes(nodos jsonb, claves jsonb, particiones integer, version text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  base text := current_database();
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
  FOR nodo IN SELECT * FROM jsonb_to_recordset(nodos) AS n(name text, role text, host text, port text) LOOP
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
          ('parallel_commit', 'true'), ('parallel_abort', 'true')
        ) AS w(name, value)
        LEFT JOIN (SELECT x.* FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) x WHERE s.srvname = nodo.name) o
          ON o.option_name = w.name
       WHERE w.value IS DISTINCT FROM o.option_value
    LOOP
      EXECUTE format('ALTER SERVER %I OPTIONS (%s %I %L)', nodo.name,
                     CASE WHEN opcion.present IS NULL THEN 'ADD' ELSE 'SET' END, opcion.name, opcion.value);
    END LOOP;
    PERFORM lab.map_login(current_user, nodo.name, claves ->> current_user::text);
  END LOOP;

  PERFORM lab.set_login('replication', 'NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS', claves ->> 'replication');
  PERFORM lab.map_login('replication', s.node_name, claves ->> 'replication') FROM lab.servers s WHERE s.role = 'coordinator';

  -- A worker that came later learns the logins of the others.
  FOR mapa IN
    SELECT DISTINCT m.usename, n.node_name, lab.mapped_password(m.usename, m.srvname) AS clave
      FROM pg_user_mappings m
      JOIN lab.workers w ON w.node_name = m.srvname
     CROSS JOIN lab.workers n
     WHERE m.usename <> current_user AND lab.mapped_password(m.usename, n.node_name) IS NULL
  LOOP
    PERFORM lab.map_login(mapa.usename, mapa.node_name, mapa.clave);
  END LOOP;

  IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'lab_reference') THEN
    CREATE PUBLICATION lab_reference;
  END IF;
  -- Joins and aggregates partition by partition are what goes to the workers whole.
  EXECUTE format('ALTER DATABASE %I SET enable_partitionwise_join = on', base);
  EXECUTE format('ALTER DATABASE %I SET enable_partitionwise_aggregate = on', base);
  -- postgres_fdw reckons that a worker compares every row of one partition with every row of the other, so that from a
  -- thousand rows on it would fetch both and join them here. Keys are text: let comparing texts cost next to nothing.
  -- (Dearer transfers would do as well, but beside them the planner no longer tells a good local join from a bad one.)
  ALTER FUNCTION pg_catalog.texteq(text, text) COST 0.0001;
  EXECUTE format('ALTER DATABASE %I SET lab.partitions = %L', base, particiones);
  -- Last: what has got this far is installed whole.
  EXECUTE format('ALTER DATABASE %I SET lab.version = %L', base, version);
END
$$;

-- How far the copying to a node is: 'streaming' (rows arrive), 'sync' (and writers wait for them), else NULL. From
-- shared memory: pg_stat_replication is frozen within a transaction.
CREATE OR REPLACE FUNCTION lab.copying(suscripcion text) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE w.sync_state WHEN 'sync' THEN 'sync' ELSE 'streaming' END
    FROM pg_replication_slots r JOIN pg_stat_get_wal_senders() w ON w.pid = r.active_pid
   WHERE r.slot_name = suscripcion AND w.state = 'streaming';
$$;

-- Waits for the condition, a query that gives true, or fails with a message.
CREATE OR REPLACE FUNCTION lab.wait_for(condicion text, mensaje text, consejo text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  limite timestamptz := clock_timestamp() + interval '30 s';
  cumplida boolean;
BEGIN
  LOOP
    EXECUTE condicion INTO cumplida;
    EXIT WHEN cumplida;
    IF clock_timestamp() > limite THEN
      RAISE EXCEPTION '% (waited for 30 s)', mensaje USING HINT = consejo;
    END IF;
    PERFORM pg_sleep(0.05);
  END LOOP;
END
$$;

-- Has every worker copy the reference tables, and the coordinator wait for all of them when it writes one. Says what
-- it changed. Must be the first statement of its transaction: the slot it makes waits for every transaction that writes.
CREATE OR REPLACE FUNCTION lab.subscribe() RETURNS TABLE (node_name text, changed text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  coordinador record;
  nodo record;
  tabla regclass;
  conexion text;
  presente text;
  esperados text;
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'lab.subscribe() has to be the first statement of its transaction'
      USING HINT = 'Run it by itself: SELECT * FROM lab.subscribe()';
  END IF;
  SELECT * INTO STRICT coordinador FROM lab.servers WHERE role = 'coordinator';
  conexion := format('host=%s port=%s dbname=%s user=replication password=%s keepalives_idle=10 keepalives_interval=3 keepalives_count=3',
                     coordinador.host, coordinador.port, coordinador.dbname,
                     lab.mapped_password('replication', coordinador.node_name));

  FOR nodo IN SELECT * FROM lab.workers w ORDER BY w.node_name LOOP
    presente := lab.ask_node(nodo.node_name,
      format('SELECT max(subconninfo) FROM pg_subscription WHERE subname = %L', nodo.subscription));
    node_name := nodo.node_name;
    IF presente = conexion THEN
      IF lab.copying(nodo.subscription) IS NULL THEN  -- somebody may have disabled it
        PERFORM lab.on_node(nodo.node_name, format('ALTER SUBSCRIPTION %I ENABLE', nodo.subscription));
        changed := 'subscription enabled';
        RETURN NEXT;
      END IF;
      CONTINUE;
    END IF;
    IF presente IS NOT NULL THEN
      PERFORM lab.on_node(nodo.node_name, format('ALTER SUBSCRIPTION %I CONNECTION %L', nodo.subscription, conexion));
      changed := 'subscription altered';
      RETURN NEXT;
      CONTINUE;
    END IF;
    -- An interrupted run may have left the slot, without the subscription that would use it.
    PERFORM pg_drop_replication_slot(r.slot_name) FROM pg_replication_slots r
      WHERE r.slot_name = nodo.subscription AND NOT r.active;
    PERFORM lab.on_node(nodo.node_name, lab.roles_script());
    FOR tabla IN SELECT d.table_name FROM lab.distribution d WHERE d.kind = 'reference' LOOP
      PERFORM lab.on_node(nodo.node_name, lab.fresh_table_script(tabla));
    END LOOP;
    PERFORM lab.on_node(nodo.node_name, 'ALTER SYSTEM SET wal_retrieve_retry_interval = ''1s''');
    PERFORM lab.on_node(nodo.node_name, 'DO $do$ BEGIN PERFORM pg_reload_conf(); END $do$');
    PERFORM lab.on_node(nodo.node_name,
      format('CREATE SUBSCRIPTION %1$I CONNECTION %2$L PUBLICATION lab_reference WITH (slot_name = %1$L)',
             nodo.subscription, conexion), '60 s');
    changed := 'subscription created';
    RETURN NEXT;
  END LOOP;

  FOR nodo IN SELECT * FROM lab.workers w LOOP
    PERFORM lab.wait_for(
      format($q$SELECT lab.copying(%L) IS NOT NULL AND lab.ask_node(%L,
        'SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> ''r''') = '0'$q$, nodo.subscription, nodo.node_name),
      format('node %s (%s:%s) has not begun to copy the reference tables', nodo.node_name, nodo.host, nodo.port),
      'Its log says why it cannot reach the coordinator; a transaction that stays open there (pg_stat_activity) holds it up too.');
  END LOOP;

  -- The order matters: with standbys to wait for and no 'local', every commit would wait for every worker.
  SELECT format('FIRST %s (%s)', count(*), string_agg(w.subscription, ', ' ORDER BY w.node_name))
    INTO esperados FROM lab.workers w;
  IF current_setting('synchronous_standby_names') <> esperados THEN
    PERFORM lab.on_node(coordinador.node_name, 'ALTER SYSTEM SET synchronous_commit = local');
    PERFORM lab.on_node(coordinador.node_name, format('ALTER SYSTEM SET synchronous_standby_names = %L', esperados));
    PERFORM lab.on_node(coordinador.node_name, 'DO $do$ BEGIN PERFORM pg_reload_conf(); END $do$');
    -- Asked in another session: this one reads the changed settings only after its statement.
    PERFORM lab.wait_for(
      format($q$SELECT lab.ask_node(%L, 'SELECT bool_and(lab.copying(subscription) IS NOT DISTINCT FROM ''sync'') FROM lab.workers') = 't'$q$,
             coordinador.node_name),
      'the coordinator does not wait for its workers yet', 'See synchronous_standby_names and pg_stat_replication.');
    node_name := coordinador.node_name;
    changed := 'waits for ' || esperados;
    RETURN NEXT;
  END IF;
END
$$;
