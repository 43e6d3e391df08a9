-- Parts that move from worker to worker, one group after the other: a copy under a lock, then the foreign table's server changes. What moves
-- where is computed by the playbooks' plan (module shard_moves). The role citus defines the same names, but for what Citus does itself.

-- Parts of one co-location group and one remainder lie together, and move together.
CREATE OR REPLACE FUNCTION lab.shard_groups()
RETURNS TABLE (colocation_id integer, part integer, node_name text, shards text[], size_bytes bigint)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  WITH parts AS MATERIALIZED (
    SELECT d.colocation_id, p.remainder, p.node_name, p.shard_name, format('%I.%I', t.relnamespace::regnamespace::text, p.shard_name) AS name
      FROM lab.partitions p JOIN lab.distribution d ON d.table_name = p.table_name JOIN pg_class t ON t.oid = p.table_name
  ), sizes AS MATERIALIZED (
    SELECT a.node_name, x.key AS name, x.value::bigint AS size
      FROM lab.ask_workers((
             SELECT coalesce(jsonb_object_agg(q.node_name, format(
                      'SELECT jsonb_object_agg(n, pg_total_relation_size(to_regclass(n))) FROM unnest(%L::text[]) n', q.names)), '{}')
               FROM (SELECT p.node_name, array_agg(p.name) AS names FROM parts p GROUP BY p.node_name) q)) a
     CROSS JOIN LATERAL jsonb_each_text(coalesce(a.answer, '{}')) x
  )
  SELECT p.colocation_id, p.remainder, p.node_name, array_agg(p.shard_name ORDER BY p.shard_name), coalesce(sum(s.size), 0)::bigint
    FROM parts p LEFT JOIN sizes s ON s.node_name = p.node_name AND s.name = p.name
   GROUP BY p.colocation_id, p.remainder, p.node_name
   ORDER BY 1, 2;
$$;
COMMENT ON FUNCTION lab.shard_groups() IS 'Qué fragmentos se mueven juntos, en qué nodo están y cuánto ocupan';

-- Drops what a move has left: parts that the coordinator knows on another worker. One that a session still reads is left for the next time.
CREATE OR REPLACE FUNCTION lab.drop_left_parts() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  nodo text;
  sobran text;
BEGIN
  FOR nodo IN SELECT w.node_name FROM lab.workers w ORDER BY w.node_name LOOP
    SELECT string_agg(n, ', ') INTO sobran FROM jsonb_array_elements_text(lab.ask_node(nodo, (
        SELECT format('SELECT coalesce(jsonb_agg(n), ''[]'') FROM unnest(%L::text[]) n WHERE to_regclass(n) IS NOT NULL',
                      coalesce(array_agg(format('%I.%I', t.relnamespace::regnamespace::text, p.shard_name)), '{}'))
          FROM lab.partitions p JOIN pg_class t ON t.oid = p.table_name WHERE p.node_name <> nodo))::jsonb) n;
    IF sobran IS NOT NULL THEN
      BEGIN
        PERFORM lab.on_node(nodo, format('SET LOCAL lock_timeout = ''1s''; DROP TABLE %s CASCADE', sobran), '60 s');
      EXCEPTION WHEN lock_not_available OR query_canceled THEN
        NULL;
      END;
    END IF;
  END LOOP;
END
$function$;

-- The statements that give a worker the parts of a group, with the rows that they have on another. Run as one transaction. Rows come first:
-- keys and indexes, which come with ATTACH, are built at once for all of them, and checks as the original has them, those too that are NOT VALID.
CREATE OR REPLACE FUNCTION lab.copy_group_script(colocacion integer, parte integer, origen text, destino text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic SET log_error_verbosity = terse AS $function$
DECLARE
  desde record;
  tabla record;
  nombres text;
  guion text;
  uniones text := '';
  permisos text := '';
  restricciones constant text := $q$
    SELECT string_agg(format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s;', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)), E'\n')
      FROM pg_constraint k WHERE k.conrelid = ANY (string_to_array(%1$L, ', ')::regclass[]) AND k.contype = %2$L $q$;
BEGIN
  SELECT w.host, w.port, w.dbname INTO STRICT desde FROM lab.workers w WHERE w.node_name = origen;
  SELECT string_agg(format('%I.%I', t.relnamespace::regnamespace::text, p.shard_name), ', ') INTO nombres
    FROM lab.partitions p JOIN lab.distribution d ON d.table_name = p.table_name JOIN pg_class t ON t.oid = p.table_name
   WHERE d.colocation_id = colocacion AND p.remainder = parte;
  -- What an attempt that ended half-way has left here counts nowhere.
  guion := format('DROP TABLE IF EXISTS %s CASCADE; DROP SCHEMA IF EXISTS lab_moving CASCADE; DROP SERVER IF EXISTS lab_moving CASCADE;
    CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public; CREATE SCHEMA lab_moving;
    CREATE SERVER lab_moving FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, fetch_size ''20000'');
    CREATE USER MAPPING FOR CURRENT_USER SERVER lab_moving OPTIONS (user %L, password %L);',
    nombres, desde.host, desde.port, desde.dbname, current_user, lab.mapped_password(current_user, origen));

  FOR tabla IN
    SELECT c.table_name AS relacion, c.distribution_column AS columna, p.shard_name, p.modulus, pg_get_userbyid(t.relowner) AS dueno,
           t.relnamespace::regnamespace::text AS esquema, t.relname AS nombre,
           format('%I.%I', t.relnamespace::regnamespace::text, t.relname) AS completo,
           format('%I.%I', t.relnamespace::regnamespace::text, p.shard_name) AS fragmento,
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
             WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columnas
      FROM lab.catalogue c JOIN pg_class t ON t.oid = c.table_name JOIN lab.partitions p ON p.table_name = c.table_name AND p.remainder = parte
     WHERE c.colocation_id = colocacion AND c.kind = 'distributed' ORDER BY t.relname
  LOOP
    -- A worker that has no part of a table was not told how it changed: it gets the table anew, as the other worker has it.
    IF NOT EXISTS (SELECT FROM lab.partitions p WHERE p.table_name = tabla.relacion AND p.node_name = destino) THEN
      guion := guion || format('DROP TABLE IF EXISTS %s CASCADE; %s;', tabla.completo, lab.ask_node(origen, format(
        'SELECT lab.table_script(%L::regclass, %L)', tabla.completo, format('PARTITION BY HASH (%I)', tabla.columna))));
    END IF;
    guion := guion || format($do$
      CREATE TABLE %1$s (LIKE %2$s INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION);
      ALTER TABLE %1$s OWNER TO %3$I;
      IMPORT FOREIGN SCHEMA %4$I LIMIT TO (%5$I) FROM SERVER lab_moving INTO lab_moving;
      INSERT INTO %1$s (%6$s) SELECT %6$s FROM lab_moving.%5$I;
      DO $lab$ BEGIN
        IF (SELECT count(*) FROM %1$s) <> (SELECT count(*) FROM lab_moving.%5$I) THEN
          RAISE EXCEPTION 'the copy of %% has not as many rows as the original', %5$L;
        END IF;
      END $lab$;$do$, tabla.fragmento, tabla.completo, tabla.dueno, tabla.esquema, tabla.shard_name, tabla.columnas);
    uniones := uniones || format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES WITH (MODULUS %s, REMAINDER %s);',
                                 tabla.completo, tabla.fragmento, tabla.modulus, parte);
    permisos := permisos || coalesce((SELECT string_agg(format('GRANT %s;', regexp_replace(r, ' TO ', format(' ON %s TO ', tabla.fragmento))), E'\n')
                                        FROM lab.rights(tabla.relacion) r), '');
  END LOOP;
  RETURN guion || coalesce(lab.ask_node(origen, format(restricciones, nombres, 'c')), '') || uniones
    -- Foreign keys last: checked once for all rows, against keys that are there.
    || coalesce(lab.ask_node(origen, format(restricciones, nombres, 'f')), '')
    || permisos || format('DROP SCHEMA lab_moving CASCADE; DROP SERVER lab_moving CASCADE; ANALYZE %s;', nombres);
END
$function$;

-- Moves a group. Who reads or writes these parts waits until it is done; all others go on. The old copy is dropped afterwards (drop_left_parts).
-- Gives up after half a second of waiting for somebody's lock, before a session that waits for this one could be ended for a deadlock.
CREATE OR REPLACE FUNCTION lab.move_group(colocacion integer, parte integer, destino text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET event_triggers = off SET lock_timeout = '500ms'
SET log_min_error_statement = panic SET log_error_verbosity = terse AS $function$
DECLARE
  origen text;
  nuevo oid := (SELECT w.server_oid FROM lab.workers w WHERE w.node_name = destino);
  hoja record;
  copiado text;
  abiertas text;
BEGIN
  SELECT min(p.node_name) INTO origen FROM lab.partitions p JOIN lab.distribution d ON d.table_name = p.table_name
   WHERE d.colocation_id = colocacion AND p.remainder = parte;
  IF origen IS NULL OR nuevo IS NULL THEN
    RAISE EXCEPTION 'there is no part % of co-location group %, or no worker %', parte, colocacion, destino;
  ELSIF origen = destino THEN
    RETURN;
  END IF;
  -- LOCK TABLE takes no foreign table: what changes an option, here to what it is, takes the lock. It also has every session plan anew.
  FOR hoja IN
    SELECT p.partition_oid, p.shard_name FROM lab.partitions p JOIN lab.distribution d ON d.table_name = p.table_name
     WHERE d.colocation_id = colocacion AND p.remainder = parte ORDER BY p.table_name
  LOOP
    EXECUTE format('ALTER FOREIGN TABLE shards.%I OPTIONS (SET table_name %L)', hoja.shard_name, hoja.shard_name);
  END LOOP;

  -- Committed on the worker when this returns; it counts once the switch below is committed, too.
  PERFORM lab.on_node(destino, lab.roles_script() || E'\n' || lab.copy_group_script(colocacion, parte, origen, destino), '10 min');

  -- A transaction that has read something on that worker sees it as it was then, without these rows: it has to end before.
  copiado := lab.ask_node(destino, 'SELECT clock_timestamp()');
  abiertas := format('SELECT count(*) FROM pg_stat_activity WHERE application_name ~ ''^lab/'' AND xact_start < %L', copiado);
  IF NOT lab.becomes_true(format('SELECT lab.ask_node(%L, %L) = ''0''', destino, abiertas), '2 s') THEN
    RAISE EXCEPTION 'a transaction that has read on % stays open', destino
      USING ERRCODE = 'lock_not_available', HINT = 'SELECT * FROM lab.open_transactions names it.';
  END IF;

  -- No statement of PostgreSQL gives a foreign table another server; dropped and made anew, it would lock everybody out of the whole table.
  UPDATE pg_catalog.pg_depend d SET refobjid = nuevo
    FROM lab.partitions p JOIN lab.distribution b ON b.table_name = p.table_name
   WHERE b.colocation_id = colocacion AND p.remainder = parte AND d.objid = p.partition_oid
     AND d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND d.refclassid = 'pg_foreign_server'::regclass;
  -- The role clinical_schema remembers where it made the parts.
  IF to_regclass('lab.installed') IS NOT NULL THEN
    EXECUTE $q$
      UPDATE lab.installed i SET estado = replace(i.estado, format('SERVER %I ', $1), format('SERVER %I ', $2))
        FROM lab.partitions p JOIN lab.distribution b ON b.table_name = p.table_name
       WHERE b.colocation_id = $3 AND p.remainder = $4 AND i.clase = 'partition' AND i.nombre = format('shards.%I', p.shard_name) $q$
      USING origen, destino, colocacion, parte;
  END IF;
  UPDATE pg_catalog.pg_foreign_table f SET ftserver = nuevo
    FROM pg_inherits i JOIN lab.distribution b ON b.table_name = i.inhparent
   WHERE b.colocation_id = colocacion AND f.ftrelid = i.inhrelid
     AND f.ftrelid IN (SELECT p.partition_oid FROM lab.partitions p WHERE p.table_name = b.table_name AND p.remainder = parte);
END
$function$;

-- Takes a worker out that holds no parts. Whoever writes a reference table waits meanwhile, and then not for its copy there.
CREATE OR REPLACE FUNCTION lab.remove_node(nodo text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET event_triggers = off SET lock_timeout = '10s' AS $function$
DECLARE
  coordinador text := (SELECT s.node_name FROM lab.servers s WHERE s.role = 'coordinator');
  sale record;
  tabla regclass;
  quedan bigint;
  esperados text;
BEGIN
  SELECT * INTO sale FROM lab.workers w WHERE w.node_name = nodo;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT count(*) INTO quedan FROM lab.partitions p WHERE p.node_name = nodo;
  IF quedan > 0 THEN
    RAISE EXCEPTION 'node % still holds % shards', nodo, quedan USING HINT = 'Move them away first: make scale does.';
  END IF;
  FOR tabla IN SELECT d.table_name FROM lab.distribution d WHERE d.kind = 'reference' ORDER BY d.table_name LOOP
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tabla);
  END LOOP;
  SELECT format('FIRST %s (%s)', count(*), string_agg(w.subscription, ', ' ORDER BY w.node_name)) INTO esperados
    FROM lab.workers w WHERE w.node_name <> nodo;
  PERFORM lab.on_node(coordinador, format('ALTER SYSTEM SET synchronous_standby_names = %L', esperados));
  PERFORM lab.on_node(coordinador, 'DO $do$ BEGIN PERFORM pg_reload_conf(); END $do$');
  PERFORM lab.wait_for(format($q$SELECT lab.ask_node(%L, 'SELECT current_setting(''synchronous_standby_names'')') = %L$q$, coordinador, esperados),
                       'the coordinator still waits for ' || nodo, 'See synchronous_standby_names.');
  PERFORM lab.on_node(nodo, format($do$DO $lab$ BEGIN
      IF EXISTS (SELECT FROM pg_subscription WHERE subname = %1$L) THEN
        ALTER SUBSCRIPTION %1$I DISABLE;
        ALTER SUBSCRIPTION %1$I SET (slot_name = NONE);
        DROP SUBSCRIPTION %1$I;
      END IF;
    END $lab$ $do$, sale.subscription));
  PERFORM lab.wait_for(
    format('SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %L AND active)', sale.subscription),
    format('node %s does not let go of its replication slot', nodo), 'Its log says why; then run this again.');
  PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = sale.subscription;
  EXECUTE format('DROP FOREIGN TABLE IF EXISTS lab.%I', 'run_' || sale.subscription);
  EXECUTE format('DROP SERVER %I CASCADE', nodo);
END
$function$;
COMMENT ON FUNCTION lab.remove_node(text) IS 'Retira del grupo un nodo que ya no tiene fragmentos';
