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
        sender numeric := div(substring(current_setting('application_name') FROM '^citus_[a-z_]+ gpid=([0-9]+)')::numeric, 10000000000);
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

    -- Settings of a session on which the result of a question may depend. Citus carries none of them to the nodes that answer it.
    CREATE OR REPLACE FUNCTION lab.result_settings() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $function$
        SELECT ARRAY['TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle', 'extra_float_digits', 'bytea_output', 'array_nulls',
                     'xmlbinary', 'xmloption', 'gin_fuzzy_search_limit', 'default_text_search_config',
                     'lc_monetary', 'lc_numeric', 'lc_time', 'search_path']
    $function$;

    -- A client that brings such a setting (PGTZ, a driver that sends its own zone) would get answers of two minds: half of an expression is
    -- computed here, half on the nodes. It is refused, unless what it brings is what the nodes have.
    CREATE OR REPLACE FUNCTION lab.refuse_own_settings() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $function$
    DECLARE
        brought record;
        kept text;
        same boolean;
    BEGIN
        IF current_setting('application_name') ~ '^citus_[a-z_]+ gpid='
           OR (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) <> 'client backend' THEN
            RETURN;
        END IF;
        FOR brought IN
            SELECT name, setting, boot_val FROM pg_settings
            WHERE source = 'client' AND name = ANY (lab.result_settings()) AND name <> 'search_path'
        LOOP
            kept := coalesce(
                (SELECT substr(c, strpos(c, '=') + 1) FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS c
                 WHERE s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
                   AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                   AND lower(split_part(c, '=', 1)) = lower(brought.name)
                 ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1),
                (SELECT setting FROM pg_file_settings WHERE lower(name) = lower(brought.name) AND applied ORDER BY seqno DESC LIMIT 1),
                brought.boot_val, 'Default');  -- that of timezone_abbreviations is not told
            kept := set_config(brought.name, kept, true);  -- as the server writes it
            PERFORM set_config(brought.name, brought.setting, true);
            same := CASE brought.name
                WHEN 'TimeZone' THEN  -- it has many names
                    NOT EXISTS (SELECT FROM generate_series(timestamptz '1970-01-01 00:00Z', '2038-01-01 00:00Z', '60 days') AS t
                                WHERE t AT TIME ZONE kept <> t AT TIME ZONE brought.setting)
                WHEN 'extra_float_digits' THEN (kept::integer > 0) = (brought.setting::integer > 0)
                ELSE kept = brought.setting END;
            IF NOT same THEN
                RAISE EXCEPTION 'this session brings % = %, the nodes compute with %', brought.name, brought.setting, kept
                    USING ERRCODE = 'invalid_parameter_value',
                          HINT = format('With Citus no node hears what a session sets. Connect without it; or give it to your login on every node,'
                                        ' ALTER ROLE %I SET %I = %L, and connect again.', session_user, brought.name, brought.setting);
            END IF;
        END LOOP;
    END
    $function$;
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'refuse_own_settings') THEN
        CREATE EVENT TRIGGER refuse_own_settings ON login EXECUTE FUNCTION lab.refuse_own_settings();
    END IF;
    ALTER EVENT TRIGGER refuse_own_settings ENABLE;

    -- From 18.6 on PostgreSQL wants to be told which libraries may decode; Citus splits a shard with its own.
    IF current_setting('output_plugin_libraries', true) !~ '\ycitus\y' THEN
        EXECUTE format('ALTER DATABASE %I SET output_plugin_libraries = %s, citus',
                       current_database(), current_setting('output_plugin_libraries'));
    END IF;
END
$node$
