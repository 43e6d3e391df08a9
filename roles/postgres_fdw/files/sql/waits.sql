-- Who waits for whom, and how a wait ends that no timeout of PostgreSQL ends.

-- What waits for a lock on one node: a query that gives one object a wait, with both sessions.
CREATE OR REPLACE FUNCTION lab.waits_question() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $function$
  SELECT $q$
    SELECT jsonb_build_object(
             'waits_for', coalesce(l.relation, t.relation)::regclass::text, 'kind', l.locktype,
             'seconds', extract(epoch FROM clock_timestamp() - coalesce(l.waitstart, w.query_start)),
             'waiting', jsonb_build_object('pid', w.pid, 'login', w.usename, 'application', w.application_name, 'query', w.query),
             'blocking', jsonb_build_object('pid', b.pid, 'login', b.usename, 'application', b.application_name, 'state', b.state, 'query', b.query))
      FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_stat_activity w ON w.pid = l.pid
      -- Who waits for a row holds it already as the next in turn.
      LEFT JOIN pg_catalog.pg_locks t ON t.pid = l.pid AND t.granted AND t.locktype = 'tuple'
     CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(l.pid)) AS p (pid)
      LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid
     WHERE NOT l.granted AND w.datname = current_database() $q$;
$function$;

-- A session that works on a worker for one of the coordinator carries its number (postgres_fdw.application_name, set by
-- lab.join_nodes): that one is shown, since it is the one that a person started and can end.
CREATE OR REPLACE FUNCTION lab.read_waits()
RETURNS TABLE (node_name text, waits_for text, seconds numeric, waiting_node text, waiting_pid integer, waiting_login text, waiting_query text,
               blocking_node text, blocking_pid integer, blocking_login text, blocking_state text, blocking_query text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  coordinador text := (SELECT s.node_name FROM lab.servers s WHERE s.role = 'coordinator');
BEGIN
  RETURN QUERY
  WITH answers AS MATERIALIZED (
    SELECT a.node_name, a.answer FROM lab.ask_workers((
      SELECT jsonb_object_agg(s.node_name, lab.waits_question()) FROM lab.servers s)) a WHERE a.answer IS NOT NULL
  ), sessions AS MATERIALIZED (
    SELECT s.pid, s.usename, s.state, s.query FROM pg_stat_activity s
  )
  SELECT a.node_name, coalesce(a.answer ->> 'waits_for', a.answer ->> 'kind'), round((a.answer ->> 'seconds')::numeric, 1),
         CASE WHEN w.pid IS NULL THEN a.node_name ELSE coordinador END,
         coalesce(w.pid, (a.answer #>> '{waiting,pid}')::integer), coalesce(w.usename, a.answer #>> '{waiting,login}')::text,
         coalesce(w.query, a.answer #>> '{waiting,query}'),
         CASE WHEN b.pid IS NULL THEN a.node_name ELSE coordinador END,
         coalesce(b.pid, (a.answer #>> '{blocking,pid}')::integer), coalesce(b.usename, a.answer #>> '{blocking,login}')::text,
         coalesce(b.state, a.answer #>> '{blocking,state}'), coalesce(b.query, a.answer #>> '{blocking,query}')
    FROM answers a
    LEFT JOIN sessions w ON w.pid = substring(a.answer #>> '{waiting,application}' FROM '^lab/(\d+)$')::integer
    LEFT JOIN sessions b ON b.pid = substring(a.answer #>> '{blocking,application}' FROM '^lab/(\d+)$')::integer
   UNION ALL
  SELECT coordinador, 'copies on ' || (SELECT string_agg(c.node_name, ', ' ORDER BY c.node_name) FROM lab.workers c
                                         LEFT JOIN pg_replication_slots r ON r.slot_name = c.subscription
                                         LEFT JOIN pg_stat_get_wal_senders() p ON p.pid = r.active_pid
                                        WHERE p.replay_lsn >= pg_current_wal_flush_lsn() IS NOT TRUE),
         round(extract(epoch FROM clock_timestamp() - s.query_start), 1),
         coordinador, s.pid, s.usename::text, s.query, NULL, NULL, NULL, NULL, NULL
    FROM pg_stat_activity s WHERE s.wait_event = 'SyncRep'
   ORDER BY 3 DESC;
END
$$;
CREATE OR REPLACE VIEW lab.waits AS SELECT * FROM lab.read_waits();
COMMENT ON VIEW lab.waits IS 'Quién espera a quién, en qué nodo y desde hace cuántos segundos';

-- Who has a transaction open, on each node: what it has locked others wait for. Without its statement, which may name people: its first word.
CREATE OR REPLACE FUNCTION lab.read_open_transactions()
RETURNS TABLE (node_name text, pid integer, login text, state text, statement text, since timestamptz, seconds numeric)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $function$
  SELECT a.node_name, r.*
    FROM lab.ask_workers((SELECT jsonb_object_agg(s.node_name, $q$
           SELECT to_jsonb(t) FROM (
             SELECT a.pid, a.usename AS login, a.state, upper(substring(a.query FROM '^\s*([A-Za-z]+)')) AS statement, a.xact_start AS since,
                    round(extract(epoch FROM clock_timestamp() - a.xact_start), 1) AS seconds
               FROM pg_catalog.pg_stat_activity a
              WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
                AND a.pid <> pg_backend_pid() AND a.application_name !~ '^lab/') t $q$) FROM lab.servers s)) a,
         LATERAL jsonb_to_record(a.answer) AS r (pid integer, login text, state text, statement text, since timestamptz, seconds numeric),
         lab.servers s
   WHERE s.node_name = a.node_name AND NOT (s.role = 'coordinator' AND r.pid = pg_backend_pid())
     AND r.since < now()  -- not the sessions that ask for this one
   ORDER BY r.since;
$function$;
CREATE OR REPLACE VIEW lab.open_transactions AS SELECT * FROM lab.read_open_transactions();
COMMENT ON VIEW lab.open_transactions IS 'Quién tiene una transacción abierta, en qué nodo y desde cuándo';

-- Ends a session of a node; the transaction that it has open is rolled back.
CREATE OR REPLACE FUNCTION lab.end_session(nodo text, proceso integer) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT lab.ask_node(nodo, format('SELECT pg_catalog.pg_terminate_backend(%s)', proceso))::boolean;
$$;
COMMENT ON FUNCTION lab.end_session(text, integer) IS 'Termina una sesión en un nodo, como la nombran lab.waits y lab.open_transactions';

-- Who has written a reference table waits in his COMMIT for every copy, and there no timeout is obeyed: a worker that dies just then would be
-- waited for without end. This session watches that one's transaction and, after 5 s, ends the wait: the row is
-- committed here, the client is told with a warning that a copy is late, and the worker gets it when it is back.
CREATE OR REPLACE FUNCTION lab.end_long_wait(proceso integer, transaccion xid8) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  desde timestamptz;
  espera text;
BEGIN
  LOOP
    PERFORM pg_sleep(0.2), pg_stat_clear_snapshot();
    SELECT a.wait_event INTO espera FROM pg_stat_get_activity(proceso) a WHERE a.backend_xid = transaccion::xid;
    IF NOT FOUND THEN
      RETURN;  -- it has ended
    END IF;
    desde := CASE WHEN espera = 'SyncRep' THEN coalesce(desde, clock_timestamp()) END;
    IF clock_timestamp() - desde > interval '5 s' THEN
      PERFORM pg_cancel_backend(proceso);
      RETURN;
    END IF;
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION lab.watch_commit() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  transaccion text := pg_current_xact_id()::text;
BEGIN
  IF current_setting('lab.watched', true) IS DISTINCT FROM transaccion THEN
    PERFORM lab.open('lab_watch', s.node_name) FROM lab.servers s WHERE s.role = 'coordinator';
    PERFORM lab.dblink_send_query('lab_watch', format('SELECT lab.end_long_wait(%s, %L)', pg_backend_pid(), transaccion));
    PERFORM set_config('lab.watched', transaccion, true);
  END IF;
END
$$;
