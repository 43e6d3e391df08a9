-- One row for each thing that is missing or different. Reads catalogues of the coordinator only: before the first run
-- there is nothing else, and the nodes need not be asked to know that nothing is to be done.
WITH settings AS (
  SELECT split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
   CROSS JOIN unnest(s.setconfig) AS c
   WHERE d.datname = current_database() AND s.setrole = 0
), nodes AS (
  SELECT name, role, host, port, 'lab_' || regexp_replace(lower(name), '[^a-z0-9]', '_', 'g') AS subscription
    FROM jsonb_to_recordset(%(nodes)s) AS n (name text, role text, host text, port text)
), logins AS (
  SELECT n.name AS node, current_user::text AS login FROM nodes n
   UNION ALL
  SELECT n.name, 'replication' FROM nodes n WHERE n.role = 'coordinator'
), compared (object, found, wanted) AS (
  SELECT w.name, s.value, w.value
    FROM (VALUES ('lab.version', %(version)s), ('lab.partitions', %(partitions)s::text)) AS w (name, value)
    LEFT JOIN settings s ON s.name = w.name
   UNION ALL
  SELECT 'node ' || n.name,
         (SELECT string_agg(o.option_value, ':' ORDER BY o.option_name)
            FROM pg_catalog.pg_foreign_server f, pg_catalog.pg_options_to_table(f.srvoptions) o
           WHERE f.srvname = n.name AND o.option_name IN ('host', 'port')),
         n.host || ':' || n.port
    FROM nodes n
   UNION ALL
  SELECT 'login ' || l.login || ' at ' || l.node,
         (SELECT left(encode(sha256(convert_to(o.option_value, 'UTF8')), 'hex'), 12)
            FROM pg_catalog.pg_user_mappings m, pg_catalog.pg_options_to_table(m.umoptions) o
           WHERE m.usename = l.login AND m.srvname = l.node AND o.option_name = 'password'),
         %(marks)s::jsonb ->> l.login
    FROM logins l
   UNION ALL
  SELECT 'login nodes at ' || n.name,
         (SELECT 'present' FROM pg_catalog.pg_user_mappings m WHERE m.usename = 'nodes' AND m.srvname = n.name), 'present'
    FROM nodes n WHERE n.role = 'worker'
   UNION ALL
  SELECT 'libraries that replication decodes with',
         (SELECT split_part(c, '=', 2) FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) AS c
           WHERE r.rolname = 'replication' AND s.setdatabase = 0 AND c LIKE 'output_plugin_libraries=%%'), 'pgoutput'
   WHERE EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'output_plugin_libraries')
   UNION ALL
  SELECT 'copy at ' || n.name,
         CASE WHEN r.wal_status = 'lost' THEN 'lost' WHEN r.active THEN 'running' WHEN r.slot_name IS NOT NULL THEN 'stopped' END, 'running'
    FROM nodes n LEFT JOIN pg_catalog.pg_replication_slots r ON r.slot_name = n.subscription
   WHERE n.role = 'worker'
   UNION ALL
  SELECT 'standbys', current_setting('synchronous_standby_names'),
         'FIRST ' || count(*) || ' (' || string_agg(n.subscription, ', ' ORDER BY n.name) || ')'
    FROM nodes n WHERE n.role = 'worker'
   UNION ALL
  SELECT 'counts part by part', CASE WHEN count(*) > 0 THEN 'planned' END, NULL
    FROM pg_catalog.pg_aggregate WHERE aggcombinefn <> 0 AND aggfnoid::oid < 16384
   UNION ALL
  -- What others build on; somebody may have dropped it since.
  SELECT 'relation ' || r, CASE WHEN to_regclass(r) IS NOT NULL THEN 'present' END, 'present'
    FROM unnest(ARRAY['lab.nodes', 'lab.tables', 'lab.shards', 'lab.copies', 'lab.waits', 'public.citus_tables']) AS r
   UNION ALL
  SELECT 'function ' || f, CASE WHEN to_regprocedure(f) IS NOT NULL THEN 'present' END, 'present'
    FROM unnest(ARRAY['lab.where(text,text)', 'lab.create_distributed_table(regclass,name,regclass)',
                      'lab.create_reference_table(regclass)', 'lab.add_foreign_key(regclass,name,name,regclass,name)',
                      'lab.create_login(name,text)', 'lab.login_mark(name)', 'lab.drop_login(name)', 'lab.set_groups(name,name[])',
                      'lab.grant(text,regclass[],name[])', 'lab.change_password(name,text)', 'lab.finish_rotation()', 'lab.ddl(text)', 'lab.settle(text,text,text)', 'lab.all_definitions()',
                      'lab.shard_groups()', 'lab.move_group(integer,integer,text)', 'lab.remove_node(text)',
                      'public.master_get_active_worker_nodes()']) AS f
   UNION ALL
  SELECT 'event trigger ' || t, (SELECT CASE evtenabled WHEN 'O' THEN 'enabled' ELSE 'disabled' END FROM pg_catalog.pg_event_trigger WHERE evtname = t), 'enabled'
    FROM unnest(ARRAY['lab_before_command', 'lab_after_command']) AS t
)
SELECT object, coalesce(found, 'absent') AS found, wanted FROM compared WHERE found IS DISTINCT FROM wanted;
