-- What a worker has of the schema lab. Run on each worker, by lab.join_nodes.
CREATE SCHEMA IF NOT EXISTS lab;

-- A copy that somebody writes to is no copy any more, and what he locks keeps the coordinator's rows out. The copying itself is not
-- stopped: it runs no trigger of this kind (session_replication_role).
CREATE OR REPLACE FUNCTION lab.refuse_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'table % is a copy on this node, it is written at the coordinator', TG_TABLE_NAME
    USING ERRCODE = 'read_only_sql_transaction', HINT = 'Connect to the coordinator and write there: every node gets the row.';
END
$$;
