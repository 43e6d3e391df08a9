-- What differs from what is wanted: one row for each thing missing or different. Reads only.
-- Arguments: nodes (JSON list of name, role, host, port), shard_count, definitions (mark of lab.sql), node_definitions (node.sql).
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(%(nodes)s::jsonb) AS n (name text, role text, host text, port integer)
), everywhere AS MATERIALIZED (
    -- md5: passwords are compared, not shown
    SELECT a.nodeid, a.success, a.result FROM run_command_on_all_nodes($q$
        SELECT json_build_object(
            'extension', (SELECT extversion FROM pg_extension WHERE extname = 'citus'),
            'definitions', concat_ws(' ',
                (SELECT obj_description(oid, 'pg_event_trigger') FROM pg_event_trigger WHERE evtname = 'refuse_removed_node'),
                (SELECT string_agg(evtname || ':' || evtenabled, ' ' ORDER BY evtname)
                 FROM pg_event_trigger WHERE starts_with(evtname, 'refuse_')),
                CASE WHEN current_setting('output_plugin_libraries', true) !~ '\ycitus\y'
                     THEN 'but output_plugin_libraries lacks citus' END),
            'logins', (SELECT md5(string_agg(format('%%s %%s %%s', nodeid, rolename, authinfo), ','
                                             ORDER BY rolename, nodeid)) FROM pg_dist_authinfo)) $q$) AS a
), marks AS (
    SELECT n.groupid, n.nodename || ':' || n.nodeport AS address, e.result::json AS mark
    FROM everywhere AS e JOIN pg_dist_node AS n USING (nodeid) WHERE e.success
), computed AS MATERIALIZED (
    -- A node that has not got the list is told by its definitions.
    SELECT n.groupid, n.nodename || ':' || n.nodeport AS address, v.key AS setting, v.value
    FROM run_command_on_all_nodes('SELECT json_object_agg(s, current_setting(s)) FROM unnest(lab.result_settings()) AS s') AS a
    JOIN pg_dist_node AS n USING (nodeid)
    CROSS JOIN LATERAL json_each_text(CASE WHEN a.success THEN a.result::json ELSE '{}' END) AS v
)
SELECT 'node ' || w.name AS object,
       CASE WHEN n.nodeid IS NULL THEN 'not registered' WHEN NOT n.isactive THEN 'inactive'
            WHEN NOT n.metadatasynced THEN 'metadata out of sync' ELSE 'another role' END AS found,
       format('%%s at %%s:%%s', w.role, w.host, w.port) AS wanted
FROM wanted AS w
LEFT JOIN pg_dist_node AS n ON n.nodename = w.host AND n.nodeport = w.port
WHERE n.isactive IS NOT TRUE OR n.metadatasynced IS NOT TRUE OR (n.groupid = 0) <> (w.role = 'coordinator')
UNION ALL
SELECT format('connection from %%s:%%s to %%s:%%s', from_nodename, from_nodeport, to_nodename, to_nodeport),
       CASE WHEN result IS NULL THEN 'the first of them does not answer' ELSE 'refused' END, 'answered'
FROM citus_check_cluster_node_health()
WHERE result IS NOT TRUE
UNION ALL
SELECT 'extension citus on ' || m.address, coalesce(m.mark ->> 'extension', 'missing'), c.mark ->> 'extension'
FROM marks AS m JOIN marks AS c ON c.groupid = 0
WHERE m.mark ->> 'extension' IS DISTINCT FROM c.mark ->> 'extension'
UNION ALL
SELECT 'passwords of the logins on ' || m.address, 'other than the coordinator''s', 'the coordinator''s'
FROM marks AS m JOIN marks AS c ON c.groupid = 0
WHERE m.mark ->> 'logins' IS DISTINCT FROM c.mark ->> 'logins'
UNION ALL
SELECT 'definitions on ' || address, coalesce(nullif(mark ->> 'definitions', ''), 'missing'), w.definitions
FROM marks CROSS JOIN (SELECT md5(%(node_definitions)s) || ' refuse_own_settings:O refuse_removed_node:O' AS definitions) AS w
WHERE mark ->> 'definitions' <> w.definitions
UNION ALL
SELECT format('setting %%s of %%s', n.setting, n.address), n.value, c.value
FROM computed AS n JOIN computed AS c ON c.groupid = 0 AND c.setting = n.setting
WHERE n.value <> c.value
UNION ALL
SELECT 'records of removed nodes in pg_dist_cleanup', count(*)::text, 'none'
FROM pg_dist_cleanup AS c WHERE NOT EXISTS (SELECT FROM pg_dist_node AS n WHERE n.groupid = c.node_group_id)
HAVING count(*) > 0
UNION ALL
SELECT 'reference tables on ' || n.nodename || ':' || n.nodeport, 'a copy is missing', 'a copy of each'
FROM pg_dist_node AS n
WHERE n.isactive AND n.groupid <> 0 AND EXISTS (
    SELECT FROM pg_dist_partition AS p JOIN pg_dist_shard AS s USING (logicalrelid)
    WHERE p.repmodel = 't'
      AND NOT EXISTS (SELECT FROM pg_dist_placement AS l WHERE l.shardid = s.shardid AND l.groupid = n.groupid))
UNION ALL
SELECT 'definitions in schema lab', coalesce(obj_description(to_regprocedure('lab.engine()'), 'pg_proc'), 'missing'),
       %(definitions)s
WHERE obj_description(to_regprocedure('lab.engine()'), 'pg_proc') IS DISTINCT FROM %(definitions)s
UNION ALL
SELECT 'relation ' || r, 'missing', 'there' FROM unnest(ARRAY['lab.node_names', 'lab.nodes', 'lab.tables', 'lab.shards', 'lab.waits']) AS r
WHERE to_regclass(r) IS NULL
UNION ALL
SELECT 'function ' || f, 'missing', 'there'
FROM unnest(ARRAY['lab.where(text,text)', 'lab.create_distributed_table(regclass,name,regclass)',
                  'lab.create_reference_table(regclass)', 'lab.add_foreign_key(regclass,name,name,regclass,name)',
                  'lab.create_login(name,text)', 'lab.drop_login(name)', 'lab.set_groups(name,name[])', 'lab.create_owner(name)', 'lab.login_mark(name)',
                  'lab.grant(text,regclass[],name[])', 'lab.change_password(name,text)', 'lab.finish_rotation()', 'lab.ddl(text)', 'lab.move_obstacles()', 'lab.shard_groups()', 'lab.held_rows()', 'lab.remove_node(text)']) AS f
WHERE to_regprocedure(f) IS NULL
UNION ALL
SELECT w.name, coalesce(s.found, 'not set'), w.value
FROM (VALUES ('citus.shard_count', %(shard_count)s::text), ('citus.propagate_set_commands', 'local')) AS w (name, value)
CROSS JOIN LATERAL (SELECT (SELECT substr(c, length(w.name) + 2)
                            FROM pg_db_role_setting AS d CROSS JOIN unnest(d.setconfig) AS c
                            WHERE d.setrole = 0 AND d.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
                              AND starts_with(c, w.name || '=')) AS found) AS s
WHERE s.found IS DISTINCT FROM w.value
