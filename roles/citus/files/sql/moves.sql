-- Shards that move from node to node. What moves where is computed by the playbooks' plan (module shard_moves) or by Citus' own; this is what
-- both read and start. The role postgres_fdw defines the same names.
SET LOCAL citus.enable_ddl_propagation = off;

-- Shards that lie together, because their tables are co-located and hold the same keys, move together.
CREATE OR REPLACE FUNCTION lab.shard_groups()
RETURNS TABLE (colocation_id integer, part integer, node_name text, shards text[], size_bytes bigint)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.colocation_id, dense_rank() OVER (PARTITION BY s.colocation_id ORDER BY d.shardminvalue::bigint)::integer - 1,
           k.node_name, array_agg(s.shard_name ORDER BY s.shard_name), sum(s.shard_size)::bigint
    FROM citus_shards AS s
    JOIN pg_dist_shard AS d USING (shardid)
    JOIN lab.known_nodes() AS k ON k.host = s.nodename AND k.port = s.nodeport
    WHERE s.citus_table_type = 'distributed'
    GROUP BY s.colocation_id, d.shardminvalue, k.node_name
    ORDER BY 1, 2
$$;
COMMENT ON FUNCTION lab.shard_groups() IS 'Qué fragmentos se mueven juntos, en qué nodo están y cuánto ocupan';

-- Which nodes are to be emptied: no shard goes there any more. All other workers take shards.
CREATE OR REPLACE FUNCTION lab.set_leaving(nodos text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    worker record;
BEGIN
    FOR worker IN
        SELECT k.host, k.port, k.node_name <> ALL (nodos) AS stays
        FROM lab.known_nodes() AS k JOIN pg_dist_node AS n ON n.nodeid = k.node_id
        WHERE k.role = 'worker' AND n.shouldhaveshards <> (k.node_name <> ALL (nodos))
    LOOP
        PERFORM citus_set_node_property(worker.host, worker.port, 'shouldhaveshards', worker.stays);
    END LOOP;
END
$$;

-- The moves that are under way or waiting in the background, and what the last job came to.
CREATE OR REPLACE FUNCTION lab.background_moves()
RETURNS TABLE (job_id bigint, job_state text, task_id bigint, task_state text, retries integer, message text, shard_name text)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT j.job_id, j.state::text, t.task_id, t.status::text, t.retry_count, t.message,
           s.logicalrelid::regclass::text || '_' || s.shardid
    FROM pg_dist_background_job AS j
    JOIN pg_dist_background_task AS t USING (job_id)
    LEFT JOIN pg_dist_shard AS s ON s.shardid = substring(t.command FROM 'citus_move_shard_placement\((\d+)')::bigint
    WHERE j.job_id = (SELECT max(l.job_id) FROM pg_dist_background_job AS l WHERE l.job_type = 'rebalance')
    ORDER BY t.task_id
$$;

-- A move that failed is tried again after longer and longer pauses: at once, where what it lacked is back.
CREATE OR REPLACE FUNCTION lab.wake_moves() RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$ UPDATE pg_dist_background_task SET not_before = NULL WHERE status = 'runnable' AND not_before > now() $$;

-- Takes a node out that holds no shard but its copies of the reference tables.
CREATE OR REPLACE FUNCTION lab.remove_node(nodo text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
    held bigint;
BEGIN
    SELECT * INTO gone FROM lab.known_nodes() AS k WHERE k.node_name = nodo AND k.role = 'worker';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*) INTO held FROM lab.shard_groups() AS g WHERE g.node_name = nodo;
    IF held > 0 THEN
        RAISE EXCEPTION 'node % still holds % groups of shards', nodo, held USING HINT = 'Move them away first: make scale does.';
    END IF;
    PERFORM citus_remove_node(gone.host, gone.port);
    DELETE FROM lab.node_names AS n WHERE n.node_name = nodo;
    PERFORM lab.forget_removed_nodes();
END
$$;
COMMENT ON FUNCTION lab.remove_node(text) IS 'Retira del grupo un nodo que ya no tiene fragmentos';

-- Rows that keep their shard where it is: Citus makes the new one with every check in force, those too that are NOT VALID for rows of an older lab.
CREATE OR REPLACE FUNCTION lab.held_rows() RETURNS TABLE (held bigint, query text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    unchecked record;
BEGIN
    FOR unchecked IN
        SELECT c.conrelid::regclass AS relation, pg_get_expr(c.conbin, c.conrelid) AS condition
        FROM pg_constraint AS c JOIN pg_dist_partition AS p ON p.logicalrelid = c.conrelid
        WHERE c.contype = 'c' AND NOT c.convalidated AND p.partkey IS NOT NULL
        ORDER BY c.conrelid::regclass::text, c.conname
    LOOP
        query := format('SELECT * FROM %s WHERE NOT (%s)', unchecked.relation, unchecked.condition);
        EXECUTE format('SELECT count(*) FROM %s WHERE NOT (%s)', unchecked.relation, unchecked.condition) INTO held;
        IF held > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION lab.held_rows() IS 'Filas de una versión anterior que no dejan mover su fragmento, y la consulta que las muestra';

REVOKE EXECUTE ON FUNCTION lab.held_rows(), lab.shard_groups(), lab.set_leaving(text[]), lab.background_moves(), lab.wake_moves(), lab.remove_node(text) FROM PUBLIC;
