SELECT lab.engine() AS motor,
       current_setting('server_version') AS postgresql,
       (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'citus') AS citus
