-- The schema lab with the engine Citus: what lies where, and the few verbs that the other roles need to build on it.
-- The role postgres_fdw defines the same names, so nothing above this file knows which engine it talks to.
-- Rerunnable. Views and the functions that they read are for every login; whatever changes something is for the administrator.

-- The coordinator's alone: else a worker that does not answer would keep these definitions from being made.
SET LOCAL citus.enable_ddl_propagation = off;

CREATE SCHEMA IF NOT EXISTS lab;
GRANT USAGE ON SCHEMA lab TO PUBLIC;
COMMENT ON SCHEMA lab IS 'El laboratorio visto por dentro: nodos, tablas, fragmentos y dónde está cada clave';

-- Citus knows a node by an address. People know it by a name, and a node that moved keeps its name:
-- this is how it is recognised and updated, not added twice.
CREATE TABLE IF NOT EXISTS lab.node_names (
    node_name text PRIMARY KEY,
    node_id integer NOT NULL UNIQUE
);
COMMENT ON TABLE lab.node_names IS 'Nombre de cada nodo del laboratorio y su nodeid en pg_dist_node';


-- ---------------------------------------------------------------- reading

CREATE OR REPLACE FUNCTION lab.engine() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'citus'::text $$;

-- The nodes under their names. The administrator's: the view lab.nodes asks each node besides.
CREATE OR REPLACE FUNCTION lab.known_nodes()
RETURNS TABLE (node_id integer, group_id integer, node_name text, role text, host text, port integer)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.nodeid, n.groupid, coalesce(k.node_name, n.nodename || ':' || n.nodeport),
           CASE WHEN n.groupid = 0 THEN 'coordinator' ELSE 'worker' END, n.nodename, n.nodeport
    FROM pg_dist_node AS n
    LEFT JOIN lab.node_names AS k ON k.node_id = n.nodeid
$$;

-- master_run_on_worker opens a new connection to each node, all at once, and reports a node that does not answer
-- as a row: a connection from the session's cache could belong to a server that has stopped answering.
CREATE OR REPLACE FUNCTION lab.read_nodes()
RETURNS TABLE (node_name text, role text, host text, port integer, responds boolean, error text, version text,
               shards bigint, size_bytes bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET citus.node_connection_timeout = 2000
AS $$
    WITH asked AS MATERIALIZED (
        SELECT array_agg(k.host) AS hosts, array_agg(k.port) AS ports,
               array_agg('SELECT json_build_object(''version'', current_setting(''server_version''),'
                         ' ''size'', pg_database_size(current_database()))'::text) AS commands
        FROM lab.known_nodes() AS k
    ), answers AS MATERIALIZED (
        SELECT a.node_name AS host, a.node_port AS port, a.success, a.result
        FROM asked, LATERAL master_run_on_worker(asked.hosts, asked.ports, asked.commands, true) AS a
        WHERE asked.hosts IS NOT NULL
    ), held AS (
        SELECT p.groupid, count(*) AS shards
        FROM pg_dist_placement AS p
        JOIN pg_dist_shard AS s ON s.shardid = p.shardid
        JOIN pg_class AS c ON c.oid = s.logicalrelid
        WHERE c.relnamespace = 'public'::regnamespace
        GROUP BY p.groupid
    )
    SELECT k.node_name, k.role, k.host, k.port, a.success,
           CASE WHEN NOT a.success THEN a.result END,
           CASE WHEN a.success THEN a.result::json ->> 'version' END,
           coalesce(h.shards, 0),
           CASE WHEN a.success THEN (a.result::json ->> 'size')::bigint END
    FROM lab.known_nodes() AS k
    JOIN answers AS a ON a.host = k.host AND a.port = k.port
    LEFT JOIN held AS h ON h.groupid = k.group_id
    ORDER BY k.group_id
$$;

-- One statement for each node counts all shards that the node holds, on the node itself.
CREATE OR REPLACE FUNCTION lab.read_shards()
RETURNS TABLE (table_name text, shard_name text, node_name text, rows bigint, size_bytes bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET citus.node_connection_timeout = 2000
AS $$
    WITH placed AS MATERIALIZED (
        SELECT c.relname::text AS table_name, s.shardid AS shard_id, c.relname || '_' || s.shardid AS shard_name,
               k.node_name, k.group_id, k.host, k.port, shard_name(s.logicalrelid, s.shardid) AS qualified
        FROM pg_dist_shard AS s
        JOIN pg_class AS c ON c.oid = s.logicalrelid
        JOIN pg_dist_placement AS p ON p.shardid = s.shardid
        JOIN lab.known_nodes() AS k ON k.group_id = p.groupid
        WHERE c.relnamespace = 'public'::regnamespace
    ), commands AS (
        SELECT host, port,
               'SELECT json_agg(q) FROM ('
               || string_agg(format('SELECT %s::bigint AS shard_id, count(*) AS rows,'
                                    ' pg_total_relation_size(%L::regclass) AS size_bytes FROM %s',
                                    shard_id, qualified, qualified), ' UNION ALL ')
               || ') AS q' AS command
        FROM placed GROUP BY host, port
    ), asked AS MATERIALIZED (
        SELECT array_agg(host) AS hosts, array_agg(port) AS ports, array_agg(command) AS commands FROM commands
    ), answers AS MATERIALIZED (
        SELECT a.node_name AS host, a.node_port AS port, a.result
        FROM asked, LATERAL master_run_on_worker(asked.hosts, asked.ports, asked.commands, true) AS a
        WHERE asked.hosts IS NOT NULL AND a.success
    ), counted AS MATERIALIZED (
        SELECT a.host, a.port, r.shard_id, r.rows, r.size_bytes
        FROM answers AS a,
             LATERAL json_to_recordset(a.result::json) AS r (shard_id bigint, rows bigint, size_bytes bigint)
    )
    SELECT p.table_name, p.shard_name, p.node_name, c.rows, c.size_bytes
    FROM placed AS p
    LEFT JOIN counted AS c ON c.host = p.host AND c.port = p.port AND c.shard_id = p.shard_id
    ORDER BY p.table_name, p.shard_id, p.group_id
$$;

-- rows and size_bytes are NULL where a shard did not answer: a sum that leaves some out would be a wrong number that looks right.
CREATE OR REPLACE FUNCTION lab.read_tables()
RETURNS TABLE (table_name text, kind text, distribution_column text, colocation_id integer, shard_count bigint,
               rows bigint, size_bytes bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH counted AS (
        SELECT s.table_name, count(DISTINCT s.shard_name) AS shards, sum(s.size_bytes)::bigint AS size_bytes,
               sum(s.rows)::bigint AS total, max(s.rows) AS copy, bool_and(s.rows IS NOT NULL) AS complete
        FROM lab.read_shards() AS s GROUP BY s.table_name
    )
    SELECT c.relname::text, k.kind, column_to_column_name(p.logicalrelid, p.partkey), p.colocationid, n.shards,
           CASE WHEN k.kind = 'reference' THEN n.copy WHEN n.complete THEN n.total END,
           CASE WHEN n.complete THEN n.size_bytes END
    FROM pg_dist_partition AS p
    JOIN pg_class AS c ON c.oid = p.logicalrelid
    CROSS JOIN LATERAL (SELECT CASE WHEN p.partkey IS NOT NULL THEN 'distributed'
                                    WHEN p.repmodel = 't' THEN 'reference'
                                    WHEN p.colocationid = 0 THEN 'local'
                                    ELSE 'distributed' END AS kind) AS k
    LEFT JOIN counted AS n ON n.table_name = c.relname
    WHERE c.relnamespace = 'public'::regnamespace
    ORDER BY 1;

    FOR table_name IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND NOT EXISTS (SELECT FROM pg_dist_partition AS p WHERE p.logicalrelid = c.oid)
          AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
          AND NOT relation_is_a_known_shard(c.oid)
        ORDER BY 1
    LOOP
        kind := 'local';
        EXECUTE format('SELECT count(*), pg_total_relation_size(%1$L::regclass) FROM %1$s',
                       format('public.%I', table_name)) INTO rows, size_bytes;
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION lab.where(tabla text, clave text)
RETURNS TABLE (table_name text, shard_name text, node_name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    relation regclass := to_regclass(format('public.%I', tabla));
    distributed boolean;
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'there is no table "%" in the schema public', tabla
            USING ERRCODE = 'undefined_table', HINT = 'SELECT table_name FROM lab.tables shows those that are there.';
    END IF;
    SELECT partkey IS NOT NULL INTO distributed FROM pg_dist_partition WHERE logicalrelid = relation;
    IF distributed IS NULL THEN  -- a table of the coordinator alone
        RETURN QUERY SELECT tabla, tabla, k.node_name FROM lab.known_nodes() AS k WHERE k.role = 'coordinator';
        RETURN;
    END IF;
    RETURN QUERY
        SELECT tabla, tabla || '_' || p.shardid, k.node_name
        FROM pg_dist_shard AS s
        JOIN pg_dist_placement AS p ON p.shardid = s.shardid
        JOIN lab.known_nodes() AS k ON k.group_id = p.groupid
        WHERE s.logicalrelid = relation
          AND (NOT distributed OR s.shardid = get_shard_id_for_distribution_column(relation, clave))
        ORDER BY k.group_id;
END
$$;

CREATE OR REPLACE VIEW lab.nodes AS SELECT * FROM lab.read_nodes();
CREATE OR REPLACE VIEW lab.tables AS SELECT * FROM lab.read_tables();
CREATE OR REPLACE VIEW lab.shards AS SELECT * FROM lab.read_shards();
GRANT SELECT ON lab.nodes, lab.tables, lab.shards TO PUBLIC;
COMMENT ON VIEW lab.nodes IS 'Cada nodo: si responde y, si no, por qué; cuántos fragmentos tiene y cuánto ocupa su base de datos';
COMMENT ON VIEW lab.tables IS 'Cada tabla: cómo está repartida, en cuántos fragmentos y cuántas filas, contadas en los nodos';
COMMENT ON VIEW lab.shards IS 'Cada fragmento: en qué nodo está, cuántas filas tiene, contadas allí, y cuánto ocupa';
COMMENT ON FUNCTION lab.where(text, text) IS 'Fragmento y nodo donde está (o estaría) la fila con esa clave de distribución';

-- Who waits for a lock, on each node. A session that works on a node for one of the coordinator carries that one's number (gpid): it is
-- shown instead, since it is the one that a person started and can end.
CREATE OR REPLACE FUNCTION lab.read_waits()
RETURNS TABLE (node_name text, waits_for text, seconds numeric, waiting_node text, waiting_pid integer, waiting_login text, waiting_query text,
               blocking_node text, blocking_pid integer, blocking_login text, blocking_state text, blocking_query text)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET citus.node_connection_timeout = 2000
AS $$
    WITH asked AS MATERIALIZED (
        SELECT array_agg(k.host) AS hosts, array_agg(k.port) AS ports, array_agg($q$
            SELECT coalesce(json_agg(json_build_object(
                'waits_for', coalesce(coalesce(l.relation, t.relation)::regclass::text, l.locktype),
                'seconds', extract(epoch FROM clock_timestamp() - coalesce(l.waitstart, w.query_start)),
                'waiting', json_build_object('pid', w.pid, 'login', w.usename, 'application', w.application_name, 'query', w.query),
                'blocking', json_build_object('pid', b.pid, 'login', b.usename, 'application', b.application_name, 'state', b.state, 'query', b.query))), '[]')
            FROM pg_catalog.pg_locks AS l
            JOIN pg_catalog.pg_stat_activity AS w ON w.pid = l.pid
            LEFT JOIN pg_catalog.pg_locks AS t ON t.pid = l.pid AND t.granted AND t.locktype = 'tuple'
            CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(l.pid)) AS p (pid)
            LEFT JOIN pg_catalog.pg_stat_activity AS b ON b.pid = p.pid
            WHERE NOT l.granted AND w.datname = pg_catalog.current_database() $q$::text) AS commands
        FROM lab.known_nodes() AS k
    ), answers AS MATERIALIZED (
        SELECT k.node_name, r.*
        FROM asked, LATERAL master_run_on_worker(asked.hosts, asked.ports, asked.commands, true) AS a
        JOIN lab.known_nodes() AS k ON k.host = a.node_name AND k.port = a.node_port,
             LATERAL json_to_recordset(CASE WHEN a.success THEN a.result::json ELSE '[]' END)
                 AS r (waits_for text, seconds numeric, waiting json, blocking json)
        WHERE asked.hosts IS NOT NULL
    ), sessions AS MATERIALIZED (
        SELECT k.node_name, s.pid, s.usename, s.state, s.query, format('%s%s', k.node_id, lpad(s.pid::text, 10, '0')) AS gpid
        FROM pg_stat_activity AS s, lab.known_nodes() AS k WHERE k.role = 'coordinator'
    )
    SELECT a.node_name, a.waits_for, round(a.seconds, 1),
           coalesce(w.node_name, a.node_name), coalesce(w.pid, (a.waiting ->> 'pid')::integer),
           coalesce(w.usename, a.waiting ->> 'login'), coalesce(w.query, a.waiting ->> 'query'),
           coalesce(b.node_name, a.node_name), coalesce(b.pid, (a.blocking ->> 'pid')::integer),
           coalesce(b.usename, a.blocking ->> 'login'), coalesce(b.state, a.blocking ->> 'state'), coalesce(b.query, a.blocking ->> 'query')
    FROM answers AS a
    LEFT JOIN sessions AS w ON w.gpid = substring(a.waiting ->> 'application' FROM 'gpid=(\d+)')
    LEFT JOIN sessions AS b ON b.gpid = substring(a.blocking ->> 'application' FROM 'gpid=(\d+)')
    ORDER BY 3 DESC
$$;
CREATE OR REPLACE VIEW lab.waits AS SELECT * FROM lab.read_waits();
COMMENT ON VIEW lab.waits IS 'Quién espera a quién, en qué nodo y desde hace cuántos segundos';

-- Who has a transaction open, on each node: what it has locked others wait for. Without its statement, which may name people: its first
-- word. A session that works on a node for one of another node is left out: that one is there.
CREATE OR REPLACE FUNCTION lab.read_open_transactions()
RETURNS TABLE (node_name text, pid integer, login text, state text, statement text, since timestamptz, seconds numeric)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET citus.node_connection_timeout = 2000
AS $$
    WITH asked AS MATERIALIZED (
        SELECT array_agg(k.host) AS hosts, array_agg(k.port) AS ports, array_agg($q$
            SELECT coalesce(json_agg(json_build_object(
                'pid', a.pid, 'login', a.usename, 'state', a.state, 'statement', upper(substring(a.query FROM '^\s*([A-Za-z]+)')),
                'since', a.xact_start, 'seconds', extract(epoch FROM clock_timestamp() - a.xact_start))), '[]')
            FROM pg_catalog.pg_stat_activity AS a
            WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
              AND a.application_name !~ '^citus_' $q$::text) AS commands
        FROM lab.known_nodes() AS k
    )
    SELECT k.node_name, r.*
    FROM asked, LATERAL master_run_on_worker(asked.hosts, asked.ports, asked.commands, true) AS a
    JOIN lab.known_nodes() AS k ON k.host = a.node_name AND k.port = a.node_port,
         LATERAL json_to_recordset(CASE WHEN a.success THEN a.result::json ELSE '[]' END)
             AS r (pid integer, login text, state text, statement text, since timestamptz, seconds numeric)
    WHERE asked.hosts IS NOT NULL AND NOT (k.role = 'coordinator' AND r.pid = pg_backend_pid())
    ORDER BY r.since
$$;
CREATE OR REPLACE VIEW lab.open_transactions AS SELECT * FROM lab.read_open_transactions();
COMMENT ON VIEW lab.open_transactions IS 'Quién tiene una transacción abierta, en qué nodo y desde cuándo';

-- Ends a session of a node, the transaction that it has open is rolled back.
CREATE OR REPLACE FUNCTION lab.end_session(nodo text, proceso integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    answer record;
BEGIN
    SELECT a.success, a.result INTO answer
    FROM lab.known_nodes() AS k, LATERAL master_run_on_worker(ARRAY[k.host], ARRAY[k.port], ARRAY[
        format('SELECT pg_catalog.pg_terminate_backend(%s)', proceso)], true) AS a
    WHERE k.node_name = nodo;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no node "%"', nodo USING HINT = 'SELECT node_name FROM lab.nodes shows those that are there.';
    ELSIF NOT answer.success THEN
        RAISE EXCEPTION 'node % does not answer: %', nodo, answer.result;
    END IF;
    RETURN answer.result::boolean;
END
$$;
COMMENT ON FUNCTION lab.end_session(text, integer) IS 'Termina una sesión en un nodo, como la nombran lab.waits y lab.open_transactions';

-- What a session computes with, and what the nodes do when they answer for it: SET changes the first alone.
CREATE OR REPLACE FUNCTION lab.read_settings()
RETURNS TABLE (setting text, session text, nodes text, same boolean)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    -- The caller's own search_path is one of them: no function of his is called here.
    known text[] := lab.result_settings();
BEGIN
    RETURN QUERY
    SELECT s.name, pg_catalog.current_setting(s.name), pg_catalog.string_agg(DISTINCT v.value, '; '),
           pg_catalog.bool_and(v.value OPERATOR(pg_catalog.=) pg_catalog.current_setting(s.name))
    FROM pg_catalog.unnest(known) AS s (name)
    CROSS JOIN pg_catalog.run_command_on_all_nodes(
        'SELECT pg_catalog.json_object_agg(s, pg_catalog.current_setting(s)) FROM pg_catalog.unnest(lab.result_settings()) AS s') AS a
    CROSS JOIN LATERAL (SELECT a.result::pg_catalog.json OPERATOR(pg_catalog.->>) s.name) AS v (value)
    WHERE a.success GROUP BY s.name ORDER BY s.name;
END
$$;
CREATE OR REPLACE VIEW lab.settings WITH (security_invoker = true) AS SELECT * FROM lab.read_settings();
GRANT SELECT ON lab.settings TO PUBLIC;
COMMENT ON VIEW lab.settings IS 'Con qué calcula esta sesión y con qué los nodos que le responden: lo que cambia SET no llega a ellos';

-- Settings on which answers depend, where a node has others than the coordinator has.
CREATE OR REPLACE FUNCTION lab.other_settings() RETURNS TABLE (node_name text, setting text, found text, wanted text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH answers AS MATERIALIZED (
        SELECT k.node_name, k.role, v.key AS setting, v.value
        -- No function of ours: a node may not have it yet.
        FROM run_command_on_all_nodes(format(
                 'SELECT pg_catalog.json_object_agg(s, pg_catalog.current_setting(s)) FROM pg_catalog.unnest(%L::text[]) AS s',
                 lab.result_settings())) AS a
        JOIN lab.known_nodes() AS k ON k.node_id = a.nodeid
        CROSS JOIN LATERAL json_each_text(CASE WHEN a.success THEN a.result::json ELSE '{}' END) AS v
    )
    SELECT n.node_name, n.setting, n.value, c.value
    FROM answers AS n JOIN answers AS c ON c.role = 'coordinator' AND c.setting = n.setting
    WHERE n.value <> c.value;
END
$$;

-- Gives each node the coordinator's.
CREATE OR REPLACE FUNCTION lab.copy_settings() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    FOR other IN SELECT o.*, k.host, k.port FROM lab.other_settings() AS o JOIN lab.known_nodes() AS k USING (node_name) LOOP
        PERFORM master_run_on_worker(ARRAY[other.host], ARRAY[other.port], ARRAY[format('DO %L', format(
            'BEGIN SET LOCAL citus.enable_ddl_propagation = off; ALTER DATABASE %I SET %I = %s; END', current_database(), other.setting,
            CASE WHEN other.setting = 'search_path' THEN other.wanted ELSE quote_literal(other.wanted) END))], false);
    END LOOP;
END
$$;


-- ---------------------------------------------------------------- distributing

CREATE OR REPLACE FUNCTION lab.create_distributed_table(tabla regclass, columna name, colocate_with regclass DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present text;
BEGIN
    SELECT coalesce(column_to_column_name(logicalrelid, partkey), 'no column') INTO present
    FROM pg_dist_partition WHERE logicalrelid = tabla AND NOT (partkey IS NULL AND colocationid = 0);
    IF NOT FOUND THEN
        -- 'none' and not 'default': two tables share a group because somebody said so, never by accident.
        PERFORM create_distributed_table(tabla, columna, colocate_with => coalesce(colocate_with::text, 'none'));
    ELSIF present <> columna THEN
        RAISE EXCEPTION '% is distributed by %, not by %', tabla, present, columna
            USING HINT = format('SELECT undistribute_table(%L) makes it a plain table again; then run this again.', tabla);
    END IF;
END
$$;
COMMENT ON FUNCTION lab.create_distributed_table(regclass, name, regclass) IS 'Reparte una tabla por una columna, junto a otra si se pide; no hace nada si ya lo está';

CREATE OR REPLACE FUNCTION lab.create_reference_table(tabla regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reference boolean;
BEGIN
    SELECT repmodel = 't' INTO reference
    FROM pg_dist_partition WHERE logicalrelid = tabla AND NOT (partkey IS NULL AND colocationid = 0);
    IF NOT FOUND THEN
        PERFORM create_reference_table(tabla);
    ELSIF NOT reference THEN
        RAISE EXCEPTION '% is a distributed table, not a reference table', tabla
            USING HINT = format('SELECT undistribute_table(%L) makes it a plain table again; then run this again.', tabla);
    END IF;
END
$$;
COMMENT ON FUNCTION lab.create_reference_table(regclass) IS 'Copia una tabla entera a cada nodo; no hace nada si ya lo está';

-- Copies are compared by a mark of their rows, in whatever order they lie. Of a node that does not answer nothing is known.
CREATE OR REPLACE FUNCTION lab.other_copies(tabla regclass) RETURNS SETOF text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET citus.node_connection_timeout = 2000
AS $$
    WITH asked AS MATERIALIZED (
        SELECT array_agg(k.host) AS hosts, array_agg(k.port) AS ports, array_agg(format(
            'SELECT coalesce(md5(string_agg(to_jsonb(t)::text, '''' ORDER BY to_jsonb(t)::text)), '''') FROM %s AS t',
            shard_name(s.logicalrelid, s.shardid))) AS commands
        FROM pg_dist_shard AS s
        JOIN pg_dist_placement AS p ON p.shardid = s.shardid
        JOIN lab.known_nodes() AS k ON k.group_id = p.groupid
        WHERE s.logicalrelid = tabla
    ), marks AS MATERIALIZED (
        SELECT k.node_name, k.role, a.result AS mark
        FROM asked, LATERAL master_run_on_worker(asked.hosts, asked.ports, asked.commands, true) AS a
        JOIN lab.known_nodes() AS k ON k.host = a.node_name AND k.port = a.node_port
        WHERE asked.hosts IS NOT NULL AND a.success
    )
    SELECT m.node_name FROM marks AS m JOIN marks AS c ON c.role = 'coordinator' WHERE m.mark <> c.mark ORDER BY 1
$$;
COMMENT ON FUNCTION lab.other_copies(regclass) IS 'Los nodos cuya copia de una tabla de referencia no tiene las filas del coordinador';

-- Citus itself never looks whether a copy is still one. Rows that are not here are not ours to drop.
CREATE OR REPLACE FUNCTION lab.write_copies(tabla regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                     WHERE attrelid = tabla AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
    key text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_index AS i
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = tabla AND i.indisprimary);
    held jsonb;
    refusal text;
BEGIN
    IF NOT EXISTS (SELECT FROM lab.other_copies(tabla)) THEN
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tabla);
    EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(t)), ''[]'') FROM %s AS t', tabla) INTO held;
    SELECT string_agg(format('%s: %s', k.node_name, a.result), '; ') INTO refusal
    FROM pg_dist_shard AS s
    JOIN pg_dist_placement AS p ON p.shardid = s.shardid
    JOIN lab.known_nodes() AS k ON k.group_id = p.groupid AND k.role = 'worker'
    CROSS JOIN LATERAL master_run_on_worker(ARRAY[k.host], ARRAY[k.port], ARRAY[format('DO %L', format($do$ DECLARE
            extra text;
        BEGIN
            SET LOCAL session_replication_role = replica;  -- no foreign key asks about a row that comes back at once
            SET LOCAL citus.enable_manual_changes_to_shards = on;
            CREATE TEMPORARY TABLE lab_rows ON COMMIT DROP AS SELECT * FROM jsonb_populate_recordset(NULL::%1$s, %2$L);
            SELECT string_agg(k::text, ', ') INTO extra FROM (SELECT %4$s FROM %1$s EXCEPT SELECT %4$s FROM pg_temp.lab_rows LIMIT 5) AS k;
            IF extra IS NOT NULL THEN
                RAISE EXCEPTION 'its copy holds rows that the coordinator does not have: %%', extra;
            END IF;
            DELETE FROM %1$s AS t WHERE to_jsonb(t) NOT IN (SELECT to_jsonb(r) FROM pg_temp.lab_rows AS r);
            INSERT INTO %1$s (%3$s) SELECT %3$s FROM pg_temp.lab_rows WHERE (%4$s) NOT IN (SELECT %4$s FROM %1$s);
        END $do$, shard_name(s.logicalrelid, s.shardid), held, columns, key))], false) AS a
    WHERE s.logicalrelid = tabla AND NOT a.success;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'not every node has the rows of %: %', tabla, refusal
            USING HINT = 'Write them at the coordinator or delete them on the node; then make the lab again (lab, as its page says).';
    END IF;
END
$$;
COMMENT ON FUNCTION lab.write_copies(regclass) IS 'Escribe en las copias de una tabla de referencia las filas que tiene el coordinador';

CREATE OR REPLACE FUNCTION lab.add_foreign_key(
    tabla regclass, nombre name, columna name, referencia regclass, columna_referida name
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = tabla AND conname = nombre) THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I)',
                       tabla, nombre, columna, referencia, columna_referida);
    END IF;
END
$$;
COMMENT ON FUNCTION lab.add_foreign_key(regclass, name, name, regclass, name) IS 'Añade una clave foránea que vale en todos los nodos; no hace nada si ya está';


DROP FUNCTION IF EXISTS lab.add_column(regclass, name, regtype);  -- of labs of an older version
-- Runs a statement on all nodes: Citus carries to the shards what it runs here. What no transaction can hold runs in a session of its own.
-- No search_path of its own: names are the caller's to resolve.
CREATE OR REPLACE FUNCTION lab.ddl(sentencia text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    answer record;
BEGIN
    IF sentencia !~* '^\s*(vacuum|analyze|reindex|cluster)\M' AND sentencia !~* '\mconcurrently\M' THEN
        EXECUTE sentencia;
        RETURN;
    END IF;
    SELECT a.success, a.result INTO STRICT answer
    FROM lab.known_nodes() AS k,
         LATERAL pg_catalog.master_run_on_worker(ARRAY[k.host], ARRAY[k.port], ARRAY[sentencia], true) AS a
    WHERE k.role = 'coordinator';
    IF NOT answer.success THEN
        RAISE EXCEPTION '%', answer.result;
    END IF;
END
$$;
COMMENT ON FUNCTION lab.ddl(text) IS 'Cambia una tabla en todos los nodos, en la transacción de quien la llama';


-- ---------------------------------------------------------------- logins and rights

-- A node logs in to another as the login whose query it runs, with the password from pg_dist_authinfo. Citus does not
-- copy that table: each worker gets the coordinator's. log_min_error_statement: no password in a server's log.
CREATE OR REPLACE FUNCTION lab.copy_logins() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refusal text;
BEGIN
    -- Of a login that somebody dropped: no node takes its password.
    DELETE FROM pg_dist_authinfo WHERE NOT EXISTS (SELECT FROM pg_roles WHERE pg_roles.rolname = pg_dist_authinfo.rolename);
    SELECT string_agg(format('%s:%s: %s', nodename, nodeport, result), '; ') INTO refusal
    FROM run_command_on_workers(format('DO %L', format(
        'BEGIN SET LOCAL log_min_error_statement = panic;'
        ' DELETE FROM pg_catalog.pg_dist_authinfo;'
        ' INSERT INTO pg_catalog.pg_dist_authinfo'
        ' SELECT * FROM pg_catalog.json_to_recordset(%L) AS r (nodeid integer, rolename name, authinfo text); END',
        (SELECT coalesce(json_agg(i), '[]') FROM pg_dist_authinfo AS i))))
    WHERE NOT success;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'the passwords of the logins did not reach every node: %', refusal
            USING HINT = 'Start the node that does not answer, then run this again.';
    END IF;
END
$$;

-- The nodes whose pg_dist_authinfo differs from the coordinator's, compared by md5: no password travels.
CREATE OR REPLACE FUNCTION lab.nodes_with_other_logins() RETURNS SETOF integer
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH marks AS MATERIALIZED (
        SELECT nodeid, result FROM run_command_on_all_nodes($q$
            SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.format('%s %s %s', nodeid, rolename, authinfo), ','
                                                        ORDER BY rolename, nodeid))
            FROM pg_catalog.pg_dist_authinfo $q$)
    )
    SELECT m.nodeid FROM marks AS m
    WHERE m.result IS DISTINCT FROM (SELECT c.result FROM marks AS c JOIN lab.known_nodes() AS k
                                     ON k.node_id = c.nodeid WHERE k.role = 'coordinator')
$$;

CREATE OR REPLACE FUNCTION lab.create_login(rol name, clave text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET log_min_error_statement = panic
AS $$
DECLARE
    secret text := format('password=''%s''', replace(replace(clave, '\', '\\'), '''', '\'''));
    caller text := current_setting('role');
    present boolean := false;
    works boolean := false;
    answer record;
BEGIN
    SELECT true INTO present FROM pg_roles WHERE rolname = rol;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = rol AND rolsuper) THEN
        RAISE EXCEPTION '% is a superuser: lab.create_login makes logins without rights of their own', rol;
    END IF;

    -- Nothing to do where the recorded password is this one, each node has it, and each node lets the login in with it.
    IF present AND EXISTS (SELECT FROM pg_dist_authinfo WHERE nodeid = 0 AND rolename = rol AND authinfo = secret)
       AND NOT EXISTS (SELECT FROM lab.nodes_with_other_logins()) THEN
        PERFORM set_config('role', rol, true);
        SELECT bool_and(success) INTO works FROM run_command_on_all_nodes('SELECT 1');
        PERFORM set_config('role', caller, true);
    END IF;
    IF works THEN
        RETURN;
    END IF;

    -- BYPASSRLS is another one's to give and to take: without it for a moment, the login would see no row, and be told nothing.
    -- Through a connection of its own: no worker sees what this transaction has not committed, and the role has to be
    -- on a worker before its password can be. Citus carries the role to the workers, copy_logins the password.
    SELECT a.success, a.result INTO answer
    FROM lab.known_nodes() AS k, LATERAL master_run_on_worker(ARRAY[k.host], ARRAY[k.port], ARRAY[
        format('DO %L', format(
            'BEGIN SET LOCAL log_min_error_statement = panic; SET LOCAL lock_timeout = ''5s'';'
            ' %s ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L;'
            ' DELETE FROM pg_catalog.pg_dist_authinfo WHERE nodeid = 0 AND rolename = %L;'
            ' INSERT INTO pg_catalog.pg_dist_authinfo VALUES (0, %L, %L); END',
            CASE WHEN present THEN 'ALTER' ELSE 'CREATE' END, rol, clave, rol, rol, secret))], true) AS a
    WHERE k.role = 'coordinator';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this coordinator has not been registered as one'
            USING HINT = 'SELECT lab.register_nodes(...), which the role citus does, comes first.';
    ELSIF NOT answer.success THEN
        RAISE EXCEPTION 'login % was not made: %', rol, answer.result;
    END IF;
    PERFORM lab.copy_logins();
END
$$;
COMMENT ON FUNCTION lab.create_login(name, text) IS 'Crea o cambia en todos los nodos un rol que entra con contraseña';

-- The role that owns tables. Citus moves a shard in sessions of its table's owner, which one node opens on another: so he
-- needs a login and CREATE on the schema, of which PostgreSQL makes new tables. Nobody is given his password: it lies in
-- pg_dist_authinfo alone, which only superusers read.
CREATE OR REPLACE FUNCTION lab.create_owner(rol name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept text := (SELECT substring(authinfo FROM '^password=''([0-9a-f]{64})''$')
                  FROM pg_dist_authinfo WHERE nodeid = 0 AND rolename = rol);
BEGIN
    PERFORM lab.create_login(rol, coalesce(kept, replace(concat(gen_random_uuid(), gen_random_uuid()), '-', '')));
    EXECUTE format('GRANT CREATE ON SCHEMA public TO %I', rol);  -- Citus carries it to the workers, where it may be missing
END
$$;

-- A mark of the password with which nodes log in to each other as this role; none where they cannot. No node is asked.
CREATE OR REPLACE FUNCTION lab.login_mark(rol name) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT left(md5(authinfo), 12) FROM pg_dist_authinfo WHERE nodeid = 0 AND rolename = rol $$;
COMMENT ON FUNCTION lab.login_mark(name) IS 'Una marca de la contraseña con que los nodos conocen a un rol: cambia con ella y no la revela';

-- Makes a role a member of these groups and of no others. Citus carries it to the workers.
CREATE OR REPLACE FUNCTION lab.set_groups(rol name, grupos name[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grupo regrole;
    wanted regrole[] := (SELECT coalesce(array_agg(quote_ident(g)::regrole), '{}') FROM unnest(grupos) AS g);
    present regrole[] := (SELECT coalesce(array_agg(roleid::regrole), '{}') FROM pg_auth_members
                          WHERE member = quote_ident(rol)::regrole);
BEGIN
    FOR grupo IN SELECT unnest(present) EXCEPT SELECT unnest(wanted) LOOP
        EXECUTE format('REVOKE %s FROM %I', grupo, rol);
    END LOOP;
    FOR grupo IN SELECT unnest(wanted) EXCEPT SELECT unnest(present) LOOP
        EXECUTE format('GRANT %s TO %I', grupo, rol);
    END LOOP;
END
$$;
COMMENT ON FUNCTION lab.set_groups(name, name[]) IS 'Hace a un rol miembro de estos grupos y de ningún otro, en todos los nodos';

-- Takes a login away on every node, with its password and the rights that it was given on tables and schemas. One by one:
-- DROP OWNED would leave those on the shards.
CREATE OR REPLACE FUNCTION lab.drop_login(rol name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET citus.multi_shard_modify_mode = 'sequential'  -- else the role could not be dropped in the same transaction
AS $$
DECLARE
    given text;
BEGIN
    FOR given IN
        SELECT CASE classid WHEN 'pg_namespace'::regclass THEN 'SCHEMA ' || objid::regnamespace ELSE 'TABLE ' || objid::regclass END
        FROM pg_shdepend
        WHERE refclassid = 'pg_authid'::regclass AND refobjid = to_regrole(quote_ident(rol)) AND deptype = 'a'
          AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', given, rol);
    END LOOP;
    EXECUTE format('DROP ROLE IF EXISTS %I', rol);
    PERFORM lab.copy_logins();
END
$$;
COMMENT ON FUNCTION lab.drop_login(name) IS 'Quita un rol de todos los nodos';

CREATE OR REPLACE FUNCTION lab.grant(privilegios text, tablas regclass[], roles name[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ciegos text;
BEGIN
    IF privilegios !~* '^\s*(select|insert|update|delete)(\s*,\s*(select|insert|update|delete))*\s*$' THEN
        RAISE EXCEPTION 'not a list of SELECT, INSERT, UPDATE, DELETE: "%"', privilegios;
    END IF;
    -- Row-level security would show them no row, and say nothing.
    SELECT format('%s no row of %s', r, t) INTO ciegos
      FROM unnest(tablas) AS t JOIN pg_class c ON c.oid = t AND c.relrowsecurity, unnest(roles) AS r JOIN pg_roles p ON p.rolname = r
     WHERE NOT p.rolsuper AND NOT p.rolbypassrls
       AND NOT EXISTS (SELECT FROM pg_policy y, unnest(y.polroles) AS q
                        WHERE y.polrelid = t AND (q = 0 OR pg_has_role(p.oid, q, 'USAGE')))
     LIMIT 1;
    IF ciegos IS NOT NULL THEN
      RAISE EXCEPTION 'row-level security would show %: it has no policy for that login', ciegos
        USING HINT = 'make login LOGIN=name makes a login that sees the rows.';
    END IF;
    -- Citus carries it to the shards.
    EXECUTE format('GRANT %s ON TABLE %s TO %s', privilegios,
                   (SELECT string_agg(t::text, ', ') FROM unnest(tablas) AS t),
                   (SELECT string_agg(quote_ident(r), ', ') FROM unnest(roles) AS r));
END
$$;
COMMENT ON FUNCTION lab.grant(text, regclass[], name[]) IS 'Da privilegios sobre tablas en todos los nodos';


-- ---------------------------------------------------------------- nodes

-- nodos: [{"name": ..., "role": "coordinator" or "worker", "host": ..., "port": ...}, ...]
-- Adds what is missing and updates what moved. A node that is not in the list stays: removing one moves data.
CREATE OR REPLACE FUNCTION lab.register_nodes(nodos jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted record;
BEGIN
    -- What moved first: Citus tells every node about each change, and one at an old address would not hear it.
    FOR wanted IN
        SELECT w.*, n.nodeid, n.nodename, n.nodeport, n.isactive
        FROM jsonb_to_recordset(nodos) AS w (name text, role text, host text, port integer)
        LEFT JOIN lab.node_names AS k ON k.node_name = w.name
        LEFT JOIN pg_dist_node AS n ON n.nodeid = k.node_id
        ORDER BY n.nodeid IS NULL, w.role DESC, w.name
    LOOP
        IF wanted.nodename = wanted.host AND wanted.nodeport = wanted.port AND wanted.isactive THEN
            CONTINUE;
        ELSIF wanted.role = 'coordinator' THEN
            PERFORM citus_set_coordinator_host(wanted.host, wanted.port);
        ELSIF (wanted.nodename, wanted.nodeport) IS DISTINCT FROM (wanted.host, wanted.port)
              AND wanted.nodeid IS NOT NULL THEN
            PERFORM citus_update_node(wanted.nodeid, wanted.host, wanted.port);
        ELSE
            PERFORM citus_add_node(wanted.host, wanted.port);  -- one that is there is only activated
        END IF;
        INSERT INTO lab.node_names (node_name, node_id)
        SELECT wanted.name, n.nodeid FROM pg_dist_node AS n
        WHERE n.nodename = wanted.host AND n.nodeport = wanted.port
        ON CONFLICT (node_name) DO UPDATE SET node_id = excluded.node_id;
    END LOOP;
    DELETE FROM lab.node_names AS k WHERE NOT EXISTS (SELECT FROM pg_dist_node AS n WHERE n.nodeid = k.node_id);
END
$$;

-- A change of address reaches the other nodes' metadata after the commit, by the maintenance daemon: seconds later, or a
-- minute where a node was down just then. Until then they refuse to take part in changes ("out of sync"): not waited for.
CREATE OR REPLACE FUNCTION lab.sync_metadata() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_dist_node WHERE hasmetadata AND NOT metadatasynced) THEN
        PERFORM start_metadata_sync_to_all_nodes();
    END IF;
END
$$;

-- A node that came later gets its copies of the reference tables from a session of the tables' owner, who cannot log in here
-- (nobody should be able to): so the caller owns them meanwhile. Three statements of one session, since the copying sees only what is
-- committed. Where a run was killed in between, the role that made the tables gives them back.
CREATE OR REPLACE FUNCTION lab.take_reference_tables() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    taken record;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS lab_taken (relation regclass, owner regrole);
    FOR taken IN
        SELECT p.logicalrelid AS relation, c.relowner::regrole AS owner
        FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid JOIN pg_roles AS r ON r.oid = c.relowner
        WHERE p.repmodel = 't' AND NOT r.rolcanlogin
          AND EXISTS (SELECT FROM pg_dist_node AS n WHERE n.isactive AND n.noderole = 'primary' AND NOT EXISTS (
              SELECT FROM pg_dist_shard AS s JOIN pg_dist_placement AS l USING (shardid)
              WHERE s.logicalrelid = p.logicalrelid AND l.groupid = n.groupid))
    LOOP
        INSERT INTO pg_temp.lab_taken VALUES (taken.relation, taken.owner);
        EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', taken.relation);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION lab.return_reference_tables() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    taken record;
BEGIN
    FOR taken IN SELECT * FROM pg_temp.lab_taken LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %s', taken.relation, taken.owner);
    END LOOP;
    DROP TABLE pg_temp.lab_taken;
END
$$;

-- What every node has besides what Citus carries there: node.sql, a DO.
CREATE OR REPLACE FUNCTION lab.define_on_nodes(definiciones text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refusal text;
BEGIN
    SELECT string_agg(format('%s: %s', k.node_name, a.result), '; ') INTO refusal
    FROM (SELECT * FROM run_command_on_all_nodes(definiciones)
          UNION ALL
          -- Says which: look.sql compares it.
          SELECT * FROM run_command_on_all_nodes(format('COMMENT ON EVENT TRIGGER refuse_removed_node IS %L', md5(definiciones)))) AS a
    JOIN lab.known_nodes() AS k ON k.node_id = a.nodeid
    WHERE NOT a.success;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'not every node has its definitions: %', refusal
            USING HINT = 'Start the node that does not answer, then run this again.';
    END IF;
END
$$;

-- A node that was removed takes with it what was to be dropped on it. A record that is left stops every later move of its shard.
CREATE OR REPLACE FUNCTION lab.forget_removed_nodes() RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM pg_dist_cleanup AS c WHERE NOT EXISTS (SELECT FROM pg_dist_node AS n WHERE n.groupid = c.node_group_id) $$;

-- Why shards could not move (rebalance, drain, split), found without moving one. No row: they can.
CREATE OR REPLACE FUNCTION lab.move_obstacles() RETURNS TABLE (object text, problem text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller text := current_setting('role');
    names jsonb := (SELECT jsonb_object_agg(node_id, node_name) FROM lab.known_nodes());
    owner record;
BEGIN
    FOR owner IN
        SELECT r.rolname AS name, r.rolcanlogin AS may_log_in, array_agg(DISTINCT c.relnamespace::regnamespace::text) AS schemas
        FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid JOIN pg_roles AS r ON r.oid = c.relowner
        WHERE NOT r.rolsuper
        GROUP BY r.rolname, r.rolcanlogin
    LOOP
        object := 'owner ' || owner.name;
        IF NOT owner.may_log_in OR lab.login_mark(owner.name) IS NULL THEN
            problem := 'the nodes cannot log in to each other as this role';
            RETURN NEXT;
            CONTINUE;
        END IF;
        PERFORM set_config('role', owner.name, true);
        RETURN QUERY
            SELECT format('owner %s on %s', owner.name, names ->> a.nodeid::text),
                   CASE WHEN a.success THEN 'may not create tables in ' || a.result ELSE a.result END
            FROM run_command_on_all_nodes(format(
                     'SELECT pg_catalog.string_agg(s, '', '') FROM unnest(%L::text[]) AS s'
                     ' WHERE NOT pg_catalog.has_schema_privilege(s, ''CREATE'')', owner.schemas)) AS a
            WHERE NOT a.success OR a.result <> '';
        PERFORM set_config('role', caller, true);
    END LOOP;

    RETURN QUERY
        SELECT 'table ' || p.logicalrelid, 'no primary key: ALTER TABLE gives it one, or REPLICA IDENTITY FULL'
        FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid
        WHERE p.partkey IS NOT NULL AND c.relkind = 'r' AND c.relreplident <> 'f'
          AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid
                          AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary AND c.relreplident = 'd' END);

    RETURN QUERY
        SELECT 'settings of ' || (names ->> a.nodeid::text), CASE WHEN a.success THEN a.result ELSE 'the node does not answer' END
        FROM run_command_on_all_nodes($q$
                 SELECT pg_catalog.concat_ws(', ',
                     CASE WHEN pg_catalog.current_setting('wal_level') <> 'logical' THEN 'wal_level is not logical' END,
                     CASE WHEN pg_catalog.current_setting('output_plugin_libraries', true) !~ '\ycitus\y'
                          THEN 'output_plugin_libraries lacks citus' END,
                     CASE WHEN (SELECT count(*) FROM pg_catalog.pg_replication_slots)
                               >= pg_catalog.current_setting('max_replication_slots')::integer THEN 'no replication slot is free' END)
             $q$) AS a
        WHERE NOT a.success OR a.result <> '';

    RETURN QUERY
        SELECT 'node that was removed', format('left %s records in pg_dist_cleanup', count(*))
        FROM pg_dist_cleanup AS c WHERE NOT EXISTS (SELECT FROM pg_dist_node AS n WHERE n.groupid = c.node_group_id)
        HAVING count(*) > 0;
END
$$;

-- For tables that are distributed from now on; those that are there keep their shards.
CREATE OR REPLACE FUNCTION lab.set_shard_count(fragmentos integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET citus.shard_count = %s', current_database(), fragmentos);
    PERFORM set_config('citus.shard_count', fragmentos::text, false);
END
$$;

-- SET LOCAL reaches the nodes, for one transaction: what a session wants otherwise than all others, it says there.
CREATE OR REPLACE FUNCTION lab.carry_local_settings() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET citus.propagate_set_commands = ''local''', current_database());
END
$$;

GRANT EXECUTE ON FUNCTION
    lab.engine(), lab.read_settings(), lab.read_nodes(), lab.read_shards(), lab.read_tables(), lab.where(text, text)
TO PUBLIC;
REVOKE EXECUTE ON FUNCTION
    lab.other_settings(), lab.copy_settings(), lab.carry_local_settings(), lab.read_open_transactions(), lab.end_session(text, integer),
    lab.read_waits(), lab.set_shard_count(integer), lab.known_nodes(), lab.create_distributed_table(regclass, name, regclass),
    lab.create_reference_table(regclass), lab.other_copies(regclass), lab.write_copies(regclass),
    lab.add_foreign_key(regclass, name, name, regclass, name), lab.ddl(text), lab.copy_logins(), lab.nodes_with_other_logins(),
    lab.create_login(name, text), lab.drop_login(name), lab.set_groups(name, name[]), lab.create_owner(name), lab.login_mark(name), lab.grant(text, regclass[], name[]),
    lab.register_nodes(jsonb), lab.define_on_nodes(text), lab.forget_removed_nodes(), lab.move_obstacles(), lab.sync_metadata(), lab.take_reference_tables(), lab.return_reference_tables()
FROM PUBLIC;
