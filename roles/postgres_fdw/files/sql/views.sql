-- The face of the lab: what lies where, the same names and columns with both engines.

-- Distributed and reference tables with what the catalogue knows of them; asks no node.
CREATE OR REPLACE VIEW lab.catalogue AS
SELECT d.table_name,
       d.kind,
       CASE d.kind WHEN 'distributed' THEN
         (SELECT a.attname::text FROM pg_catalog.pg_partitioned_table p
            JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
           WHERE p.partrelid = d.table_name) END AS distribution_column,
       d.colocation_id,
       CASE d.kind WHEN 'distributed' THEN
         (SELECT count(*) FROM pg_catalog.pg_inherits i WHERE i.inhparent = d.table_name) ELSE 1 END AS shard_count
  FROM lab.distribution d
  JOIN pg_catalog.pg_class c ON c.oid = d.table_name;

-- Asks the nodes at once, each its own query ({node_name: query}, a query gives one column of jsonb). A node that does not
-- answer gives one row with its error instead.
-- A session of the coordinator itself asks for each node: dblink connects without any time limit (connect_timeout is not
-- obeyed), and only a session of its own can be given a statement_timeout for that.
CREATE OR REPLACE FUNCTION lab.ask_workers(consultas jsonb)
RETURNS TABLE (node_name text, answer jsonb, error text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
  aqui text := (SELECT s.node_name FROM lab.servers s WHERE s.role = 'coordinator');
  nodo record;
BEGIN
  FOR nodo IN SELECT key AS nombre, 'lab_ask_' || key AS conexion FROM jsonb_each(consultas) LOOP
    PERFORM lab.open(nodo.conexion, aqui);
    PERFORM lab.dblink_exec(nodo.conexion, 'SET statement_timeout = ''2s''');
    PERFORM lab.dblink_send_query(nodo.conexion, format('SELECT lab.dblink_connect(''lab_node'', %L)', nodo.nombre));
  END LOOP;
  FOR nodo IN SELECT key AS nombre, 'lab_ask_' || key AS conexion, value AS consulta FROM jsonb_each_text(consultas) LOOP
    IF lab.last_answer_failed(nodo.conexion) THEN
      RETURN QUERY SELECT nodo.nombre, NULL::jsonb, lab.last_error(nodo.conexion, nodo.nombre, 'no connection within 2 s');
      PERFORM lab.dblink_disconnect(nodo.conexion);
    ELSE
      PERFORM lab.dblink_exec(nodo.conexion, 'SET statement_timeout = ''60s''');
      PERFORM lab.dblink_send_query(nodo.conexion,
        format('SELECT r.fila FROM lab.dblink(''lab_node'', %L) AS r(fila jsonb)', nodo.consulta));
    END IF;
  END LOOP;
  FOR nodo IN SELECT key AS nombre, 'lab_ask_' || key AS conexion FROM jsonb_each(consultas) LOOP
    IF nodo.conexion = ANY (lab.dblink_get_connections()) THEN
      RETURN QUERY SELECT nodo.nombre, r.fila, NULL::text FROM lab.dblink_get_result(nodo.conexion, false) AS r(fila jsonb);
      IF NOT FOUND THEN
        RETURN QUERY SELECT nodo.nombre, NULL::jsonb, lab.last_error(nodo.conexion, nodo.nombre, 'no answer within 60 s');
      END IF;
      PERFORM lab.dblink_disconnect(nodo.conexion);
    END IF;
  END LOOP;
END
$$;

-- Reads the answer to its end; true when that was an error.
CREATE OR REPLACE FUNCTION lab.last_answer_failed(conexion text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM lab.dblink_get_result(conexion, false) AS r(nada text);
  IF NOT FOUND THEN
    RETURN true;
  END IF;
  PERFORM FROM lab.dblink_get_result(conexion, false) AS r(nada text);
  RETURN false;
END
$$;

-- The one sentence of what went wrong last on a connection that asks for a node; `plazo` is what a timeout meant.
CREATE OR REPLACE FUNCTION lab.last_error(conexion text, nodo text, plazo text) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('node %s (%s:%s) %s', s.node_name, s.host, s.port,
           CASE WHEN e.mensaje LIKE '%statement timeout%' THEN 'does not answer: ' || plazo
                WHEN e.mensaje LIKE '%could not establish connection%'
                THEN 'does not answer: ' || coalesce(substring(e.mensaje FROM 'DETAIL: +([^\n]*)'), 'no connection')
                ELSE 'answers with an error: ' || regexp_replace(split_part(e.mensaje, E'\n', 1), '^ERROR: +', '') END)
    FROM lab.servers s, (SELECT lab.dblink_error_message(conexion) AS mensaje) e
   WHERE s.node_name = nodo;
$$;

CREATE OR REPLACE FUNCTION lab.read_nodes()
RETURNS TABLE (node_name text, role text, host text, port integer, responds boolean, error text, version text,
               shards bigint, size_bytes bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH answers AS MATERIALIZED (
    SELECT * FROM lab.ask_workers((
      SELECT coalesce(jsonb_object_agg(w.node_name,
        'SELECT jsonb_build_object(''version'', current_setting(''server_version''), ''size'', pg_database_size(current_database()))'), '{}')
        FROM lab.workers w))
  ), placements AS (
    SELECT p.node_name FROM lab.partitions p JOIN pg_class t ON t.oid = p.table_name
     WHERE t.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT s.node_name FROM lab.servers s, lab.distribution d JOIN pg_class t ON t.oid = d.table_name
     WHERE d.kind = 'reference' AND t.relnamespace = 'public'::regnamespace
  )
  SELECT s.node_name, s.role, s.host, s.port,
         s.role = 'coordinator' OR a.answer IS NOT NULL,
         a.error,
         CASE s.role WHEN 'coordinator' THEN current_setting('server_version') ELSE a.answer ->> 'version' END,
         (SELECT count(*) FROM placements p WHERE p.node_name = s.node_name),
         CASE s.role WHEN 'coordinator' THEN pg_database_size(current_database()) ELSE (a.answer ->> 'size')::bigint END
    FROM lab.servers s
    LEFT JOIN answers a ON a.node_name = s.node_name
   ORDER BY s.role, s.node_name;
$$;

-- Counts every shard of the public schema on the node that holds it: one query for each node, all nodes at once.
CREATE OR REPLACE FUNCTION lab.read_shards()
RETURNS TABLE (table_name text, shard_name text, node_name text, rows bigint, size_bytes bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tabla name;
  filas bigint;
  coordinador text;
BEGIN
  RETURN QUERY
  WITH placements AS MATERIALIZED (
    SELECT t.relname::text AS table_name, p.shard_name, p.node_name
      FROM lab.partitions p JOIN pg_class t ON t.oid = p.table_name
     WHERE t.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT t.relname::text, t.relname::text, w.node_name
      FROM lab.distribution d JOIN pg_class t ON t.oid = d.table_name CROSS JOIN lab.workers w
     WHERE d.kind = 'reference' AND t.relnamespace = 'public'::regnamespace
  ), answers AS MATERIALIZED (
    SELECT * FROM lab.ask_workers((
      SELECT coalesce(jsonb_object_agg(q.node_name, q.consulta), '{}') FROM (
        SELECT p.node_name, string_agg(format(
                 'SELECT jsonb_build_object(''table'', %1$L, ''shard'', %2$L, ''rows'', count(*), ''size'', pg_total_relation_size(''public.%2$I'')) FROM public.%2$I',
                 p.table_name, p.shard_name), ' UNION ALL ') AS consulta
          FROM placements p GROUP BY p.node_name) q))
  )
  SELECT p.table_name, p.shard_name, p.node_name, (a.answer ->> 'rows')::bigint, (a.answer ->> 'size')::bigint
    FROM placements p
    LEFT JOIN answers a ON a.node_name = p.node_name AND a.answer ->> 'table' = p.table_name AND a.answer ->> 'shard' = p.shard_name
   ORDER BY 1, 2, 3;

  SELECT s.node_name INTO coordinador FROM lab.servers s WHERE s.role = 'coordinator';
  FOR tabla IN SELECT t.relname FROM lab.distribution d JOIN pg_class t ON t.oid = d.table_name
                WHERE d.kind = 'reference' AND t.relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('SELECT count(*) FROM public.%I', tabla) INTO filas;
    RETURN QUERY SELECT tabla::text, tabla::text, coordinador, filas, pg_total_relation_size(format('public.%I', tabla));
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION lab.read_tables()
RETURNS TABLE (table_name text, kind text, distribution_column text, colocation_id integer, shard_count bigint,
               rows bigint, size_bytes bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tabla name;
  filas bigint;
BEGIN
  -- A sum over nodes of which one is silent would be a wrong number: it is left out.
  RETURN QUERY
  WITH counted AS MATERIALIZED (SELECT * FROM lab.read_shards())
  SELECT t.relname::text, c.kind, c.distribution_column, c.colocation_id, c.shard_count,
         CASE WHEN c.kind = 'reference' THEN max(s.rows)
              WHEN bool_and(s.rows IS NOT NULL) THEN sum(s.rows)::bigint END,
         CASE WHEN bool_and(s.size_bytes IS NOT NULL) THEN sum(s.size_bytes)::bigint END
    FROM lab.catalogue c JOIN pg_class t ON t.oid = c.table_name
    LEFT JOIN counted s ON s.table_name = t.relname
   WHERE t.relnamespace = 'public'::regnamespace
   GROUP BY t.relname, c.kind, c.distribution_column, c.colocation_id, c.shard_count
   ORDER BY 1;
  FOR tabla IN SELECT t.relname FROM pg_class t
                WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
                  AND NOT EXISTS (SELECT FROM lab.distribution d WHERE d.table_name = t.oid) ORDER BY 1 LOOP
    EXECUTE format('SELECT count(*) FROM public.%I', tabla) INTO filas;
    RETURN QUERY SELECT tabla::text, 'local', NULL::text, NULL::integer, NULL::bigint, filas,
                        pg_total_relation_size(format('public.%I', tabla));
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION lab.where(tabla text, clave text)
RETURNS TABLE (table_name text, shard_name text, node_name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  buscada record;
BEGIN
  SELECT t.relname::text AS nombre, c.* INTO buscada
    FROM pg_class t LEFT JOIN lab.catalogue c ON c.table_name = t.oid
   WHERE t.relnamespace = 'public'::regnamespace AND t.relname = tabla AND t.relkind IN ('r', 'p');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no table "%" in the schema public', tabla
      USING ERRCODE = 'undefined_table', HINT = 'SELECT table_name FROM lab.tables shows those that are there.';
  END IF;
  IF buscada.kind IS NULL THEN  -- a table of the coordinator alone
    RETURN QUERY SELECT buscada.nombre, buscada.nombre, s.node_name FROM lab.servers s WHERE s.role = 'coordinator';
    RETURN;
  END IF;
  IF buscada.kind = 'reference' THEN
    RETURN QUERY SELECT buscada.nombre, buscada.nombre, s.node_name FROM lab.servers s ORDER BY s.node_name;
    RETURN;
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT %L::text, p.shard_name, p.node_name FROM lab.partitions p
      WHERE p.table_name = %s AND satisfies_hash_partition(%2$s, p.modulus, p.remainder, $1::%s)',
    buscada.nombre, buscada.table_name::oid,
    (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
      WHERE a.attrelid = buscada.table_name AND a.attname = buscada.distribution_column)) USING clave;
END
$$;

CREATE OR REPLACE VIEW lab.nodes AS SELECT * FROM lab.read_nodes();
CREATE OR REPLACE VIEW lab.tables AS SELECT * FROM lab.read_tables();
CREATE OR REPLACE VIEW lab.shards AS SELECT * FROM lab.read_shards();
COMMENT ON SCHEMA lab IS 'El laboratorio visto por dentro: nodos, tablas, fragmentos y dónde está cada clave';
COMMENT ON VIEW lab.nodes IS 'Cada nodo: si responde y, si no, por qué; cuántos fragmentos tiene y cuánto ocupa su base de datos';
COMMENT ON VIEW lab.tables IS 'Cada tabla: cómo está repartida, en cuántos fragmentos y cuántas filas, contadas en los nodos';
COMMENT ON VIEW lab.shards IS 'Cada fragmento: en qué nodo está, cuántas filas tiene, contadas allí, y cuánto ocupa';
COMMENT ON FUNCTION lab.where(text, text) IS 'Fragmento y nodo donde está (o estaría) la fila con esa clave de distribución';

-- Names of the original lab that a student may type. Citus has them in pg_catalog; here they are ours.
CREATE OR REPLACE VIEW public.citus_tables AS
SELECT c.table_name, c.kind AS citus_table_type, coalesce(c.distribution_column, '<none>') AS distribution_column,
       c.colocation_id, c.shard_count, pg_catalog.pg_get_userbyid(t.relowner) AS table_owner
  FROM lab.catalogue c JOIN pg_catalog.pg_class t ON t.oid = c.table_name;

CREATE OR REPLACE FUNCTION public.master_get_active_worker_nodes(OUT node_name text, OUT node_port bigint)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT w.host, w.port FROM lab.workers w ORDER BY w.node_name;
$$;
