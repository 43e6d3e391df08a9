-- What the checks query: a name and a query a row. Reads only.
-- What asks no worker comes first: a worker that hangs takes the time of all that come later.
SELECT q.name, pg_temp.ask(q.query) AS answer
FROM (VALUES
    -- Where a patient and the patient's consultations lie, for keys that need not exist.
    ('places', $q$
        SELECT k.clave, p.node_name AS paciente, c.node_name AS consulta
        FROM (SELECT (1000000 + 7919 * n)::text AS clave FROM generate_series(1, 50) AS n) AS k,
             LATERAL lab.where('pacientes', k.clave) AS p, LATERAL lab.where('consultas', k.clave) AS c $q$),

    -- A row for each right that should not be there, or that is missing; of a role or a table that is not there, one row.
    ('privileges', $q$
        WITH logins AS (SELECT l, to_regrole(l) AS role FROM unnest(ARRAY['middleware', 'api', 'readonly', 'readwrite', 'clinical_owner']) AS l),
        relations AS (SELECT t, to_regclass('public.' || t) AS relation
                      FROM unnest(ARRAY['medicos', 'municipios', 'cie10', 'pacientes', 'consultas', 'usuario', 'solicitudes', 'accesos', 'cambios', 'accesos_paginas']) AS t),
        wanted AS (SELECT l, t, p, CASE WHEN t = 'municipios' THEN p = 'SELECT'
                                        -- Whether a code that the lab does not know may come in is a setting.
                                        WHEN t = 'cie10' THEN p = 'SELECT' OR p = 'INSERT' AND l <> 'readonly'
                                          AND EXISTS (SELECT FROM lab.applied WHERE nombre = 'unknown diagnoses' AND huella = 'mark')
                                        WHEN l = 'readonly' THEN p = 'SELECT' AND t IN ('medicos', 'pacientes', 'consultas')
                                        WHEN l = 'readwrite' THEN p <> 'DELETE' AND t IN ('medicos', 'pacientes', 'consultas')
                                        WHEN t IN ('solicitudes', 'accesos', 'cambios', 'accesos_paginas') THEN p IN ('SELECT', 'INSERT')
                                        ELSE p <> 'DELETE' END AS granted
                   FROM unnest(ARRAY['middleware', 'api', 'readonly', 'readwrite']) AS l,
                        unnest(ARRAY['medicos', 'municipios', 'cie10', 'pacientes', 'consultas', 'usuario', 'solicitudes', 'accesos', 'cambios', 'accesos_paginas']) AS t,
                        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p)
        SELECT 'login ' || rolname || ' has rights over the servers' AS problem FROM pg_roles
        WHERE rolcanlogin AND rolname <> current_user
          -- middleware loads with COPY, which row-level security refuses; so may members of readwrite.
          AND (rolsuper OR rolcreatedb OR rolcreaterole
               OR (rolbypassrls AND rolname <> 'middleware' AND NOT EXISTS (
                   SELECT FROM pg_auth_members WHERE member = pg_roles.oid AND roleid = to_regrole('readwrite'))))
        UNION ALL
        SELECT format('login %s is a member of %s', m.rolname, a.roleid::regrole)
        FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member
        WHERE m.rolcanlogin AND m.rolname <> current_user AND a.roleid::regrole::text NOT IN ('readonly', 'readwrite')
        UNION ALL
        SELECT 'role ' || l || ' is missing' FROM logins WHERE role IS NULL
        UNION ALL
        SELECT 'table ' || t || ' is missing' FROM relations WHERE relation IS NULL
        UNION ALL
        -- Citus' nodes do, to move shards.
        SELECT 'clinical_owner, who owns the tables, may log in' FROM pg_roles
        WHERE rolname = 'clinical_owner' AND rolcanlogin AND lab.engine() <> 'citus'
        UNION ALL
        SELECT 'table ' || r.t || ' has no row-level security' FROM relations AS r JOIN pg_class AS c ON c.oid = r.relation
        WHERE r.t IN ('pacientes', 'consultas', 'solicitudes', 'accesos', 'cambios', 'accesos_paginas') AND NOT c.relrowsecurity
        UNION ALL
        SELECT 'table ' || r.t || ' belongs to ' || pg_get_userbyid(c.relowner) FROM relations AS r JOIN pg_class AS c ON c.oid = r.relation
        WHERE pg_get_userbyid(c.relowner) <> 'clinical_owner'
        UNION ALL
        SELECT format('%s %s %s on %s', w.l, CASE WHEN w.granted THEN 'lacks' ELSE 'has' END, w.p, w.t)
        FROM wanted AS w JOIN logins USING (l) JOIN relations USING (t)
        WHERE has_table_privilege(role, relation, w.p) <> w.granted
          -- Of what readwrite has as a member of readonly, one row will do.
          AND NOT (w.l = 'readwrite' AND to_regrole('readonly') IS NOT NULL
                   AND has_table_privilege(to_regrole('readonly'), relation, w.p) <> (w.p = 'SELECT' AND w.t IN ('medicos', 'municipios', 'cie10', 'pacientes', 'consultas'))) $q$),

    -- Workers that do not receive their copies of the reference tables; only postgres_fdw could say.
    ('not-copying', CASE WHEN to_regprocedure('lab.copying(text)') IS NULL THEN 'SELECT NULL WHERE false'
        ELSE $q$ SELECT node_name, coalesce(problem, 'no writer waits for it') AS problem FROM lab.copies WHERE state <> 'sync' $q$ END),

    -- What a server keeps of rows and values in its log.
    ('log-settings', $q$ SELECT name, setting FROM pg_settings
                         WHERE name IN ('log_error_verbosity', 'log_min_error_statement', 'log_parameter_max_length', 'log_statement') $q$),

    -- Whom `make login` gave a login. An older lab keeps no list of them.
    ('people', CASE WHEN to_regclass('lab.logins') IS NULL THEN 'SELECT NULL WHERE false'
        ELSE 'SELECT nombre FROM lab.logins ORDER BY nombre' END),

    ('installed', 'SELECT object, found, wanted FROM lab.differences()'),

    -- Lists that everybody has alike, and copies of whole tables. An older lab remembers no rows.
    ('rows', CASE WHEN to_regprocedure('lab.row_differences()') IS NULL THEN 'SELECT NULL WHERE false'
        ELSE 'SELECT object, found, wanted FROM lab.row_differences()' END),

    -- Without their statements, which may name people.
    ('waits', 'SELECT waits_for, seconds, waiting_node, waiting_pid, waiting_login, blocking_node, blocking_pid, blocking_login, blocking_state FROM lab.waits'),

    ('nodes', 'SELECT node_name, role, host, port, responds, error FROM lab.nodes'),
    ('tables', 'SELECT * FROM lab.tables'),
    ('shards', 'SELECT * FROM lab.shards'),

    -- The original's own questions.
    ('active-workers', 'SELECT * FROM master_get_active_worker_nodes()'),
    ('citus-tables', 'SELECT table_name, citus_table_type FROM citus_tables'),
    ('users', $q$ SELECT documento_id, nombre, edad FROM public.usuario
                  WHERE documento_id IN ('1072319876', '1078912345') $q$),
    ('sample-join', $q$
        SELECT p.nombre, p.apellido, p.ciudad, m.nombre AS medico_nombre, m.especialidad, c.diagnostico, c.fecha_consulta
        FROM public.pacientes p
        JOIN public.consultas c ON p.cedula = c.paciente_id
        JOIN public.medicos m ON c.medico_id = m.id
        LIMIT 5 $q$),

    ('counts', $q$
        SELECT (SELECT count(*) FROM public.pacientes) AS pacientes, (SELECT count(*) FROM public.consultas) AS consultas,
               (SELECT count(*) FROM public.medicos) AS medicos, (SELECT count(*) FROM public.usuario) AS usuario $q$),

    -- How the tables of the nodes differ from the coordinator's; only postgres_fdw keeps them itself.
    ('node-differences', CASE WHEN to_regprocedure('lab.node_differences()') IS NULL THEN 'SELECT NULL WHERE false'
        ELSE $q$ SELECT object, found, wanted FROM lab.node_differences() UNION ALL
                 SELECT 'event trigger ' || t, coalesce(e.enabled, 'absent'), 'enabled'
                 FROM unnest(ARRAY['lab_before_command', 'lab_after_command']) AS t
                 LEFT JOIN (SELECT evtname, CASE evtenabled WHEN 'O' THEN 'enabled' ELSE 'disabled' END AS enabled FROM pg_event_trigger) AS e
                   ON e.evtname = t
                 WHERE e.enabled IS DISTINCT FROM 'enabled' $q$ END),

    -- Keys are the workers' to hold, so their catalogues are asked; how, only the engine knows.
    ('constraints', CASE WHEN to_regprocedure('lab.ask_node(text,text)') IS NULL THEN $q$
        SELECT n.node_name, r.primary_keys, r.foreign_keys
        FROM lab.nodes AS n
        JOIN run_command_on_workers($w$
            SELECT json_build_object('primary_keys', count(*) FILTER (WHERE contype = 'p'),
                                     'foreign_keys', count(*) FILTER (WHERE contype = 'f'))
            FROM pg_constraint WHERE conrelid::regclass::text ~ '^(public\.)?consultas_[0-9]+$' $w$) AS a
          ON a.nodename = n.host AND a.nodeport = n.port AND a.success,
             LATERAL json_to_record(a.result::json) AS r (primary_keys bigint, foreign_keys bigint) $q$
    ELSE $q$
        SELECT n.node_name, r.primary_keys, r.foreign_keys
        FROM lab.nodes AS n,
             LATERAL json_to_record(lab.ask_node(n.node_name, $w$
                SELECT json_build_object('primary_keys', count(*) FILTER (WHERE contype = 'p'),
                                         'foreign_keys', count(*) FILTER (WHERE contype = 'f'))
                FROM pg_constraint WHERE conrelid::regclass::text ~ '^(public\.)?consultas_[0-9]+$' $w$)::json)
             AS r (primary_keys bigint, foreign_keys bigint)
        WHERE n.role = 'worker' AND n.responds $q$
    END),

    -- Indexes that nothing uses, and that writers pay for. One that is being built is not yet one of them.
    ('invalid-indexes', format($q$ SELECT n.node_name, i.index FROM %s, LATERAL json_array_elements_text(n.answer::json) AS i (index) $q$,
        replace(CASE WHEN to_regprocedure('lab.ask_node(text,text)') IS NULL THEN $q$
                (SELECT k.node_name, a.result AS answer FROM run_command_on_all_nodes(QUESTION) AS a
                 JOIN lab.known_nodes() AS k ON k.node_id = a.nodeid WHERE a.success) AS n $q$
            ELSE $q$ (SELECT node_name, lab.ask_node(node_name, QUESTION) AS answer FROM lab.nodes WHERE responds) AS n $q$ END,
            'QUESTION', quote_literal($w$
                SELECT coalesce(json_agg(c.oid::regclass::text), '[]') FROM pg_catalog.pg_index AS i
                JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                WHERE NOT i.indisvalid AND c.relkind = 'i' AND NOT starts_with(c.relnamespace::regnamespace::text, 'pg_')
                  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid) $w$)))),

    -- Nodes that would compute another answer than the coordinator; where they compute nothing that a setting changes, none.
    ('other-settings', CASE WHEN to_regprocedure('lab.other_settings()') IS NULL THEN 'SELECT NULL WHERE false'
        ELSE 'SELECT * FROM lab.other_settings()' END),

    -- What keeps shards from moving; only Citus moves them.
    ('obstacles', CASE WHEN to_regprocedure('lab.move_obstacles()') IS NULL THEN 'SELECT NULL WHERE false'
        ELSE 'SELECT object, problem FROM lab.move_obstacles()' END)
) AS q (name, query)
