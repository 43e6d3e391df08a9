-- What every node has in its own catalogue, besides what Citus carries there. Rerunnable; one statement, which the coordinator
-- sends to all nodes.
DO $node$
BEGIN
    SET LOCAL citus.enable_ddl_propagation = off;

    CREATE SCHEMA IF NOT EXISTS lab;
    GRANT USAGE ON SCHEMA lab TO PUBLIC;

    -- A server that was removed from the cluster keeps its metadata, the addresses and the passwords: while it runs it would go on
    -- writing here. A node says who it is (gpid: its node number and ten digits of a process); whom nobody knows stays outside.
    -- A node that has no coordinator is being registered: it knows nobody yet.
    CREATE OR REPLACE FUNCTION lab.refuse_removed_node() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $function$
    DECLARE
        sender numeric := div(substring(current_setting('application_name') FROM '^citus_\w+ gpid=(\d+)')::numeric, 10000000000);
    BEGIN
        IF sender > 0 AND sender < 99999999  -- Citus' number for a node that is in no metadata, its own neither
           AND EXISTS (SELECT FROM pg_dist_node WHERE groupid = 0)
           AND NOT EXISTS (SELECT FROM pg_dist_node WHERE nodeid = sender) THEN
            RAISE EXCEPTION 'node % is none of this database: it was removed', sender
                USING ERRCODE = 'invalid_authorization_specification';
        END IF;
    END
    $function$;
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'refuse_removed_node') THEN
        CREATE EVENT TRIGGER refuse_removed_node ON login EXECUTE FUNCTION lab.refuse_removed_node();
    END IF;
    ALTER EVENT TRIGGER refuse_removed_node ENABLE;

    -- From 18.6 on PostgreSQL wants to be told which libraries may decode; Citus splits a shard with its own.
    IF current_setting('output_plugin_libraries', true) !~ '\ycitus\y' THEN
        EXECUTE format('ALTER DATABASE %I SET output_plugin_libraries = %s, citus',
                       current_database(), current_setting('output_plugin_libraries'));
    END IF;
END
$node$
