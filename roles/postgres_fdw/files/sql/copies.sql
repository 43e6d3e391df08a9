-- How the reference tables are copied: each worker subscribes to what the coordinator publishes, through a replication slot
-- that keeps what the worker has not had yet, up to the coordinator's max_slot_wal_keep_size.

-- How far the copying to a node is: 'streaming' (rows arrive), 'sync' (and writers wait for them), else NULL. From
-- shared memory: pg_stat_replication is frozen within a transaction.
CREATE OR REPLACE FUNCTION lab.copying(suscripcion text) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE w.sync_state WHEN 'sync' THEN 'sync' ELSE 'streaming' END
    FROM pg_replication_slots r JOIN pg_stat_get_wal_senders() w ON w.pid = r.active_pid
   WHERE r.slot_name = suscripcion AND w.state = 'streaming';
$$;

-- Each worker's copying, as the coordinator sees it; asks no node. A slot that is lost or gone does not come back: the worker
-- is given its copies anew.
CREATE OR REPLACE VIEW lab.copies AS
SELECT w.node_name, w.subscription, e.state,
       CASE e.state
         WHEN 'gone' THEN 'it has no replication slot'
         WHEN 'lost' THEN format('it was away for too long, its replication slot is lost (%s)', r.invalidation_reason)
         WHEN 'away' THEN format('it does not fetch its copies; %s of changes are kept for it, %s at most',
                                 pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), r.restart_lsn)),
                                 current_setting('max_slot_wal_keep_size'))
       END AS problem
  FROM lab.workers w
  LEFT JOIN pg_catalog.pg_replication_slots r ON r.slot_name = w.subscription
 CROSS JOIN LATERAL (
   SELECT CASE WHEN r.slot_name IS NULL THEN 'gone'
               WHEN r.invalidation_reason IS NOT NULL OR r.wal_status = 'lost' THEN 'lost'
               ELSE coalesce(lab.copying(w.subscription), 'away') END AS state) e;
COMMENT ON VIEW lab.copies IS 'Cada worker: si recibe sus copias de las tablas de referencia y, si no, por qué';

-- Whether the condition, a query that gives true, comes to hold in time.
CREATE OR REPLACE FUNCTION lab.becomes_true(condicion text, plazo interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  limite timestamptz := clock_timestamp() + plazo;
  cumplida boolean;
BEGIN
  LOOP
    EXECUTE condicion INTO cumplida;
    IF cumplida OR clock_timestamp() > limite THEN
      RETURN coalesce(cumplida, false);
    END IF;
    PERFORM pg_sleep(0.05);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION lab.wait_for(condicion text, mensaje text, consejo text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT lab.becomes_true(condicion, '30 s') THEN
    RAISE EXCEPTION '% (waited for 30 s)', mensaje USING HINT = consejo;
  END IF;
END
$$;

-- The statement that has a copy refuse every writer but the copying.
CREATE OR REPLACE FUNCTION lab.guard_script(tabla regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('CREATE OR REPLACE TRIGGER written_at_the_coordinator BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I.%I EXECUTE FUNCTION lab.refuse_write()',
                relnamespace::regnamespace::text, relname) FROM pg_class WHERE oid = tabla;
$$;

-- The statements that give a node its copy of a reference table as the table is here: made where it is missing, else only the
-- rows that differ are written again, so that nobody there sees less than before and foreign keys stay. Rows that are not
-- here are not ours to drop: they are refused with their keys.
CREATE OR REPLACE FUNCTION lab.copy_script(tabla regclass) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  completo text := (SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class WHERE oid = tabla);
  columnas text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                     WHERE attrelid = tabla AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
  clave text := lab.primary_key(tabla);
  filas jsonb;
BEGIN
  EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(t)), ''[]'') FROM %s t', completo) INTO filas;
  -- The rows travel in a literal: within a body of dollar quotes, one that holds its mark would end it.
  RETURN format($do$DO $lab$ BEGIN
      IF to_regclass(%1$L) IS NULL THEN
        EXECUTE %2$L;
      END IF;
    END $lab$;
    CREATE TEMPORARY TABLE lab_rows ON COMMIT DROP AS SELECT * FROM jsonb_populate_recordset(NULL::%1$s, %3$L);
    DO $lab$ DECLARE
      sobran text;
    BEGIN
      SELECT string_agg(s::text, ', ') INTO sobran FROM (
        SELECT %5$s FROM %1$s EXCEPT SELECT %5$s FROM pg_temp.lab_rows LIMIT 5) s;
      IF sobran IS NOT NULL THEN
        RAISE EXCEPTION 'the copy of %% on this node holds rows that the coordinator does not have: %%', %1$L, sobran
          USING HINT = 'Write them at the coordinator or delete them on the node; then make the lab again (lab, as its page says).';
      END IF;
      -- As the copying itself does it: no trigger and no foreign key asks about a row that comes back at once.
      SET LOCAL session_replication_role = replica;
      DELETE FROM %1$s t WHERE t::text NOT IN (SELECT c::text FROM pg_temp.lab_rows c);
      INSERT INTO %1$s (%4$s) SELECT %4$s FROM pg_temp.lab_rows WHERE (%5$s) NOT IN (SELECT %5$s FROM %1$s);
      SET LOCAL session_replication_role = origin;
    END $lab$;
    DROP TABLE pg_temp.lab_rows;
    %6$s;$do$, completo, lab.table_script(tabla), filas, columnas, clave, lab.guard_script(tabla));
END
$$;

-- Copies are compared by a mark of their rows, in whatever order they lie. Of a node that does not answer nothing is known.
CREATE OR REPLACE FUNCTION lab.other_copies(tabla regclass) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  pregunta text := format('SELECT to_jsonb(coalesce(md5(string_agg(to_jsonb(t)::text, '''' ORDER BY to_jsonb(t)::text)), '''')) FROM %s AS t',
                          (SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class WHERE oid = tabla));
  aqui jsonb;
BEGIN
  EXECUTE pregunta INTO aqui;
  RETURN QUERY SELECT a.node_name FROM lab.ask_workers((SELECT jsonb_object_agg(w.node_name, pregunta) FROM lab.workers w)) a
                WHERE a.answer <> aqui ORDER BY 1;
END
$$;
COMMENT ON FUNCTION lab.other_copies(regclass) IS 'Los nodos cuya copia de una tabla de referencia no tiene las filas del coordinador';

-- Whoever writes the table has it applied by every worker that receives before the commit: behind the lock nothing is on its way there. A copy
-- that does not receive is left: what it has not had yet would come once more (lab.subscribe gives it all of them).
CREATE OR REPLACE FUNCTION lab.write_copies(tabla regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
  nodo text;
BEGIN
  IF NOT EXISTS (SELECT FROM lab.other_copies(tabla)) THEN
    RETURN;
  END IF;
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tabla);
  FOR nodo IN SELECT o FROM lab.other_copies(tabla) AS o JOIN lab.copies c ON c.node_name = o AND c.state = 'sync' LOOP
    PERFORM lab.on_node(nodo, lab.copy_script(tabla), '60 s');
  END LOOP;
END
$$;
COMMENT ON FUNCTION lab.write_copies(regclass) IS 'Escribe en las copias de una tabla de referencia las filas que tiene el coordinador';

-- Gives a worker all its copies anew and has it go on from there. One transaction of the worker: until it has ended, the old
-- rows are read. Writers of the reference tables wait meanwhile.
CREATE OR REPLACE FUNCTION lab.renew_copies(nodo text, conexion text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse SET lock_timeout = '10s' AS $$
DECLARE
  coordinador text := (SELECT node_name FROM lab.servers WHERE role = 'coordinator');
  nombre text := (SELECT subscription FROM lab.workers WHERE node_name = nodo);
  tabla regclass;
  abiertas text;
BEGIN
  PERFORM lab.on_node(nodo, format($do$DO $lab$ BEGIN
      IF EXISTS (SELECT FROM pg_subscription WHERE subname = %1$L) THEN
        ALTER SUBSCRIPTION %1$I DISABLE;
      END IF;
    END $lab$ $do$, nombre));
  PERFORM lab.wait_for(
    format('SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %L AND active)', nombre),
    format('node %s does not let go of its replication slot', nodo), 'Its log says why; then run this again.');
  PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = nombre;

  -- From here to the commit nobody writes these tables: what the slot begins with is what is copied.
  FOR tabla IN SELECT d.table_name FROM lab.distribution d WHERE d.kind = 'reference' ORDER BY d.table_name LOOP
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tabla);
  END LOOP;
  BEGIN
    PERFORM lab.on_node(coordinador, format(
      'DO $do$ BEGIN PERFORM pg_create_logical_replication_slot(%L, ''pgoutput''); END $do$', nombre), '20 s');
  EXCEPTION WHEN query_canceled THEN
    SELECT string_agg(format('process %s of %s', pid, usename), ', ' ORDER BY xact_start) INTO abiertas
      FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database();
    RAISE EXCEPTION 'node % is not given its copies while a transaction stays open at the coordinator: %', nodo, coalesce(abiertas, 'which has just ended')
      USING HINT = 'End it, or have it ended: SELECT pg_terminate_backend(PROCESS). Then run this again.';
  END;

  PERFORM lab.on_node(nodo, concat_ws(E'\n',
    lab.roles_script(),
    (SELECT string_agg(lab.copy_script(d.table_name), E'\n' ORDER BY d.table_name) FROM lab.distribution d WHERE d.kind = 'reference'),
    format($do$DO $lab$ BEGIN
      IF EXISTS (SELECT FROM pg_subscription WHERE subname = %1$L) THEN
        ALTER SUBSCRIPTION %1$I SET (slot_name = NONE);
        DROP SUBSCRIPTION %1$I;
      END IF;
      CREATE SUBSCRIPTION %1$I CONNECTION %2$L PUBLICATION lab_reference
        WITH (slot_name = %1$L, create_slot = false, copy_data = false);
    END $lab$ $do$, nombre, conexion)), '60 s');
END
$$;

-- Whether a worker has had all that has been committed here so far. Who receives and cannot apply comes back every second and never gets there.
CREATE OR REPLACE FUNCTION lab.catches_up(nodo text, suscripcion text, plazo interval) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT lab.becomes_true(format($q$SELECT coalesce(bool_or(w.replay_lsn >= %L), false) AND lab.ask_node(%L,
      'SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> ''r''') = '0'
      FROM pg_replication_slots r JOIN pg_stat_get_wal_senders() w ON w.pid = r.active_pid
     WHERE r.slot_name = %L AND w.state = 'streaming'$q$, pg_current_wal_flush_lsn(), nodo, suscripcion), plazo);
$$;

-- Has every worker copy the reference tables, and the coordinator wait for all of them when it writes one. Says what
-- it changed. Must be the first statement of its transaction: a slot that is made waits for every transaction that writes.
CREATE OR REPLACE FUNCTION lab.subscribe() RETURNS TABLE (node_name text, changed text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  coordinador record;
  nodo record;
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

  FOR nodo IN SELECT w.node_name, w.host, w.port, w.subscription, c.state, c.problem
                FROM lab.workers w JOIN lab.copies c ON c.node_name = w.node_name ORDER BY w.node_name LOOP
    node_name := nodo.node_name;
    -- Of a lab of an older version.
    PERFORM lab.on_node(nodo.node_name, coalesce((
      SELECT string_agg(format('DO $lab$ BEGIN IF to_regclass(%L) IS NOT NULL THEN %s; END IF; END $lab$', format('%I.%I', t.relnamespace::regnamespace::text, t.relname), lab.guard_script(t.oid)), E';\n')
        FROM lab.distribution d JOIN pg_class t ON t.oid = d.table_name WHERE d.kind = 'reference'), ''));
    presente := lab.ask_node(nodo.node_name, format(
      'SELECT max(subconninfo) FROM pg_subscription WHERE subname = %1$L AND subslotname = %1$L', nodo.subscription));
    -- The mildest first: let it go on, then give it everything anew.
    IF presente IS NOT NULL AND nodo.state NOT IN ('gone', 'lost') THEN
      IF presente <> conexion THEN
        PERFORM lab.on_node(nodo.node_name, format('ALTER SUBSCRIPTION %I CONNECTION %L', nodo.subscription, conexion));
        changed := 'subscription altered';
        RETURN NEXT;
      END IF;
      IF nodo.state = 'away' THEN
        PERFORM lab.on_node(nodo.node_name, format('ALTER SUBSCRIPTION %I ENABLE', nodo.subscription));
        changed := 'subscription enabled';
        RETURN NEXT;
      END IF;
      CONTINUE WHEN lab.catches_up(nodo.node_name, nodo.subscription, '10 s');
    END IF;
    PERFORM lab.on_node(nodo.node_name, 'ALTER SYSTEM SET wal_retrieve_retry_interval = ''1s''');
    PERFORM lab.on_node(nodo.node_name, 'DO $do$ BEGIN PERFORM pg_reload_conf(); END $do$');
    PERFORM lab.renew_copies(nodo.node_name, conexion);
    changed := 'given its copies: ' || CASE WHEN presente IS NULL THEN 'it had no subscription'
                                            WHEN nodo.state IN ('gone', 'lost') THEN nodo.problem
                                            ELSE 'it could not go on with those that it had' END;
    RETURN NEXT;
    IF NOT lab.catches_up(nodo.node_name, nodo.subscription, '30 s') THEN
      RAISE EXCEPTION 'node % (%:%) has not begun to copy the reference tables (waited for 30 s)', nodo.node_name, nodo.host, nodo.port
        USING HINT = 'Its log says why it cannot reach the coordinator.';
    END IF;
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
