-- Changes of tables: PostgreSQL makes them at the coordinator alone, where the tables are empty shells. A change that the nodes have to
-- have too is carried to them in the same transaction, or refused with the verb that does it (lab.ddl). It is seen by what
-- it did to a table's definition, not by its words.

-- The changes that were carried: the same rows as in lab.statements of the workers that took part.
CREATE TABLE IF NOT EXISTS lab.statements (
  id uuid NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  search_path text NOT NULL,
  statement text NOT NULL,
  CONSTRAINT statements_pkey PRIMARY KEY (id)
);

-- Foreign keys of distributed tables, which only the workers have.
CREATE TABLE IF NOT EXISTS lab.foreign_keys (
  table_name regclass NOT NULL,
  key_name name NOT NULL,
  column_name name NOT NULL,
  referenced regclass NOT NULL,
  referenced_column name NOT NULL,
  CONSTRAINT foreign_keys_pkey PRIMARY KEY (table_name, key_name)
);

-- Runs a statement on a worker, within the transaction that calls this: it commits there when this one does, and not
-- at all when this one does not. Then asks for one value.
CREATE OR REPLACE FUNCTION lab.run_on(nodo text, sentencia text, pregunta text DEFAULT NULL, ruta text DEFAULT 'pg_catalog',
                                      identificador uuid DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  destino record;
  respuesta text;
  estado text;
  mensaje text;
  detalle text;
  consejo text;
BEGIN
  SELECT * INTO STRICT destino FROM lab.workers w WHERE w.node_name = nodo;
  EXECUTE format('INSERT INTO lab.%I (id, search_path, statement, question) VALUES ($1, $2, $3, $4) RETURNING answer',
                 'run_' || destino.subscription) INTO respuesta USING identificador, ruta, sentencia, pregunta;
  RETURN respuesta;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS estado = RETURNED_SQLSTATE, mensaje = MESSAGE_TEXT, detalle = PG_EXCEPTION_DETAIL, consejo = PG_EXCEPTION_HINT;
  IF estado LIKE '08%' THEN
    RAISE EXCEPTION 'node % (%:%) does not answer: nothing was changed, on no node', nodo, destino.host, destino.port
      USING ERRCODE = estado, DETAIL = coalesce(nullif(detalle, ''), mensaje), HINT = 'Start it (make start), then try again.';
  END IF;
  RAISE EXCEPTION '% (on %)', mensaje, nodo
    USING ERRCODE = estado, DETAIL = concat_ws(E'\n', nullif(detalle, ''), 'Nothing was changed, on no node.'),
          HINT = CASE WHEN consejo <> '' THEN consejo
                      WHEN estado IN ('42704', '42883', '3F000') THEN 'What a table uses has to be on every node: drop it here, then make it by lab.ddl: SELECT lab.ddl($a$CREATE ...$a$)'
                      ELSE 'The rows lie there: correct what the message names, then try again.' END;
END
$$;

-- The number of a statement that is carried; that of the first attempt, where one is finished (lab.mend_nodes).
CREATE OR REPLACE FUNCTION lab.identifier() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(nullif(current_setting('lab.identifier', true), '')::uuid, gen_random_uuid());
$$;

-- Refuses where a node does not answer, before anything waits for it: the change holds a lock here that keeps everybody out.
CREATE OR REPLACE FUNCTION lab.require_nodes() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  faltan text := (SELECT string_agg(a.error, '; ') FROM lab.ask_workers((
                    SELECT jsonb_object_agg(w.node_name, 'SELECT ''1''::jsonb') FROM lab.workers w)) a);
BEGIN
  IF faltan IS NOT NULL THEN
    RAISE EXCEPTION '%: nothing was changed, on no node', faltan
      USING ERRCODE = 'sqlclient_unable_to_establish_sqlconnection', HINT = 'Start it (make start), then try again.';
  END IF;
END
$$;

-- What the lines of a node lack of a change; NULL where they have all of it. `ahora` is NULL of a table that was dropped.
CREATE OR REPLACE FUNCTION lab.lacks(lineas jsonb, antes jsonb, ahora jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN ahora IS NULL THEN CASE WHEN lineas IS NOT NULL THEN 'it has the table still' END
              WHEN lineas IS NULL THEN 'it has no such table'
              ELSE (SELECT string_agg(x.que, '; ') FROM (
                SELECT 'it lacks ' || l AS que FROM jsonb_array_elements_text(ahora) l
                 WHERE NOT antes ? l AND NOT lineas ? l
                 UNION ALL
                SELECT 'it has ' || l FROM jsonb_array_elements_text(antes) l
                 WHERE NOT ahora ? l AND lineas ? l) x) END;
$$;

-- The statement that gives the parts of a table on a worker the rights that the table has here; `otros` loses what it had.
CREATE OR REPLACE FUNCTION lab.rights_script(tabla regclass, nodo text, otros text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH partes AS (
    SELECT string_agg(format('%I.%I', t.relnamespace::regnamespace::text, p.shard_name), ', ') AS lista
      FROM lab.partitions p JOIN pg_class t ON t.oid = p.table_name
     WHERE p.table_name = tabla AND p.node_name = nodo
  ), lineas AS (
    SELECT r AS linea, regexp_replace(r, '^.* TO (.*?)( WITH GRANT OPTION)?$', '\1') AS titular FROM lab.rights(tabla) r
  )
  SELECT concat_ws(E';\n',
           (SELECT 'REVOKE ALL ON ' || p.lista || ' FROM ' || string_agg(t, ', ')
              FROM (SELECT titular AS t FROM lineas UNION SELECT unnest(otros)) x WHERE t = 'PUBLIC' OR to_regrole(t) IS NOT NULL),
           (SELECT string_agg('GRANT ' || regexp_replace(linea, ' TO ', ' ON ' || p.lista || ' TO '), E';\n') FROM lineas))
    FROM partes p WHERE p.lista IS NOT NULL;
$$;

-- Gives the parts of tables on the workers the rights that the tables have here. Copies of reference tables are read here.
CREATE OR REPLACE FUNCTION lab.carry_rights(tablas regclass[], otros text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nodo text;
BEGIN
  PERFORM lab.require_nodes();
  FOR nodo IN SELECT DISTINCT p.node_name FROM lab.partitions p WHERE p.table_name = ANY (tablas) ORDER BY p.node_name LOOP
    -- Logins go as ever, in a transaction of their own: another such one, in this transaction, would wait for it.
    PERFORM lab.on_node(nodo, lab.roles_script());
    PERFORM lab.run_on(nodo, (SELECT string_agg(lab.rights_script(t, nodo, otros), E';\n') FROM unnest(tablas) AS t));
  END LOOP;
END
$$;

-- Every table of many nodes as it is here: its name, its lines, its parts (bounds, servers, what they have that the table has not), its rights.
CREATE OR REPLACE FUNCTION lab.all_definitions() RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(t.oid::text, jsonb_build_object(
           'name', format('%I.%I', t.relnamespace::regnamespace::text, t.relname), 'kind', d.kind,
           'lines', (SELECT jsonb_agg(l ORDER BY l) FROM lab.definition(t.oid) l),
           'rights', (SELECT coalesce(jsonb_agg(r), '[]') FROM lab.rights(t.oid) r),
           'parts', (SELECT md5(string_agg(concat_ws(' ', c.oid, pg_get_expr(c.relpartbound, c.oid), f.ftserver, f.ftoptions,
                                (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname) FROM pg_constraint k
                                  WHERE k.conrelid = c.oid AND k.conislocal AND k.coninhcount = 0)), ' ' ORDER BY c.oid))
                       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
                      WHERE i.inhparent = t.oid))), '{}')
    FROM lab.distribution d JOIN pg_class t ON t.oid = d.table_name;
$$;

-- A statement without its comments.
CREATE OR REPLACE FUNCTION lab.without_comments(sentencia text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT regexp_replace(sentencia, $re$('(?:[^']|'')*'|"[^"]*")|--[^\n]*|/\*(?:[^*]|\*+[^*/])*\*+/$re$, '\1', 'g');
$$;

-- Whether a message holds one statement and nothing else. In doubt it does not.
CREATE OR REPLACE FUNCTION lab.is_single(mensaje text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT regexp_replace(lab.without_comments(mensaje), $re$'(?:[^']|'')*'|"[^"]*"$re$, '', 'g') !~ ';\s*[^;\s]';
$$;

-- The table that a statement of one table names first, where it is one of many nodes. Names are resolved as whoever asks, and with nobody
-- else's rights.
CREATE OR REPLACE FUNCTION lab.target(sentencia text, ruta text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nombre text := '((?:"[^"]+"|[[:alnum:]_$]+)(?:\.(?:"[^"]+"|[[:alnum:]_$]+))?)';
  clara text := lab.without_comments(sentencia);
  hallado text := coalesce(
    substring(clara FROM '(?i)^\s*alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?' || nombre),
    substring(clara FROM '(?i)^\s*create\s+(?:unique\s+)?index\s.*?\mon\s+(?:only\s+)?' || nombre),
    substring(clara FROM '(?i)^\s*drop\s+index\s+(?:concurrently\s+)?(?:if\s+exists\s+)?' || nombre),
    substring(clara FROM '(?i)\mreindex\s+(?:\([^)]*\)\s*)?(?:table|index)\s+(?:concurrently\s+)?' || nombre));
  relacion regclass;
BEGIN
  IF hallado IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('search_path', ruta, true);
  relacion := pg_catalog.to_regclass(hallado);
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  relacion := coalesce((SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = relacion), relacion);
  RETURN CASE WHEN lab.all_definitions() ? relacion::oid::text THEN relacion END;
END
$$;

-- What PostgreSQL would refuse with words that help nobody, or do at the coordinator alone without a trace in a definition.
CREATE OR REPLACE FUNCTION lab.foresee(etiqueta text, sentencia text, ruta text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  clara text := rtrim(btrim(lab.without_comments(sentencia), E' \n\t'), ';');
  tabla regclass;
  partes boolean;
  verbo text := format('SELECT lab.ddl($$%s$$)', clara);
BEGIN
  IF current_setting('lab.statement', true) <> '' THEN
    RETURN;
  END IF;
  tabla := lab.target(sentencia, ruta);
  partes := (SELECT relkind = 'p' FROM pg_class WHERE oid = tabla);
  IF etiqueta = 'REINDEX' AND coalesce(tabla::text, substring(clara FROM '(?i)\mreindex\s+(?:\([^)]*\)\s*)?((?:schema|database)\M.*)')) IS NOT NULL THEN
    RAISE EXCEPTION 'REINDEX by itself does not reach the workers, where the rows and their indexes are'
      USING ERRCODE = 'feature_not_supported', HINT = 'On every node: ' || verbo;
  ELSIF tabla IS NULL THEN
    RETURN;
  ELSIF clara ~* '\mconcurrently\M' THEN
    RAISE EXCEPTION '% is changed on all nodes in one transaction, which CONCURRENTLY cannot be', tabla
      USING ERRCODE = 'feature_not_supported', HINT = regexp_replace(clara, '\s+concurrently', '', 'i');
  ELSIF partes AND clara ~* '\m(unique|primary\s+key|foreign\s+key|references|exclude)\M' THEN
    RAISE EXCEPTION 'the keys of % are held by the workers, the coordinator has none', tabla
      USING ERRCODE = 'feature_not_supported', HINT = verbo;
  ELSIF partes AND clara ~* '\mtype\s.*\musing\M' THEN
    RAISE EXCEPTION 'the rows of % are on the workers: the coordinator cannot convert them by itself', tabla
      USING ERRCODE = 'feature_not_supported', HINT = verbo;
  END IF;
END
$function$;

-- The tables whose definition a command has changed. `ahora` is NULL of a table that it dropped.
CREATE OR REPLACE FUNCTION lab.changed(definiciones_antes jsonb, definiciones_ahora jsonb)
RETURNS TABLE (tabla oid, clase text, nombre text, antes jsonb, ahora jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT a.key::oid, a.value ->> 'kind', coalesce(b.definicion, a.value) ->> 'name',
         -- Under another name nothing of it is there yet.
         CASE WHEN b.definicion ->> 'name' <> a.value ->> 'name' THEN '[]' ELSE a.value -> 'lines' END, b.definicion -> 'lines'
    FROM jsonb_each(definiciones_antes) a CROSS JOIN LATERAL (SELECT definiciones_ahora -> a.key AS definicion) b
   WHERE (a.value -> 'name', a.value -> 'lines') IS DISTINCT FROM (b.definicion -> 'name', b.definicion -> 'lines');
$$;

-- What a worker lacks of a change; NULL where it has all of it.
CREATE OR REPLACE FUNCTION lab.lacks_at(nodo text, definiciones_antes jsonb, definiciones_ahora jsonb) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(lab.lacks(lab.run_on(nodo, NULL, format('SELECT jsonb_agg(l) FROM lab.definition(to_regclass(%L)) l', c.nombre))::jsonb,
                              c.antes, c.ahora), '; ')
    FROM lab.changed(definiciones_antes, definiciones_ahora) c
   -- A worker that came later has reference tables only.
   WHERE c.clase = 'reference' OR c.ahora IS NULL
      OR EXISTS (SELECT FROM lab.partitions p WHERE p.table_name = c.tabla AND p.node_name = nodo);
$$;

-- Has every worker make a change that was made here. One that has it already, by itself or by an attempt that ended half-way, is
-- left as it is.
CREATE OR REPLACE FUNCTION lab.carry(sentencia text, ruta text, definiciones_antes jsonb, definiciones_ahora jsonb, identificador uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nodo text;
  falta text;
  copia record;
BEGIN
  PERFORM lab.require_nodes();
  SELECT string_agg(c.node_name, ', ') INTO falta FROM lab.copies c WHERE c.state <> 'sync';
  IF falta IS NOT NULL AND EXISTS (SELECT FROM lab.changed(definiciones_antes, definiciones_ahora) WHERE clase = 'reference') THEN
    RAISE EXCEPTION 'a table of which every node has a copy cannot be changed now: % does not receive its copy', falta
      USING ERRCODE = 'cannot_connect_now', HINT = 'Nothing was changed. SELECT * FROM lab.copies names the nodes; making the lab again repairs it.';
  END IF;
  SELECT string_agg(format('%s.%I', c.nombre, a.attname), ', ') INTO falta
    FROM lab.changed(definiciones_antes, definiciones_ahora) c JOIN pg_attribute a ON a.attrelid = c.tabla
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%')
     AND NOT EXISTS (SELECT FROM jsonb_array_elements_text(c.antes) l WHERE split_part(l, ' ', 2) = quote_ident(a.attname));
  IF falta IS NOT NULL THEN
    RAISE EXCEPTION 'each node would give numbers of its own: %', falta
      USING ERRCODE = 'feature_not_supported', HINT = 'Use uuid with gen_random_uuid() as its default.';
  END IF;

  FOR nodo IN SELECT w.node_name FROM lab.workers w ORDER BY w.node_name LOOP
    CONTINUE WHEN lab.run_on(nodo, NULL, format('SELECT count(*) FROM lab.statements WHERE id = %L', identificador)) = '1';
    CONTINUE WHEN lab.lacks_at(nodo, definiciones_antes, definiciones_ahora) IS NULL;
    PERFORM lab.run_on(nodo, sentencia, NULL, ruta, identificador);
    falta := lab.lacks_at(nodo, definiciones_antes, definiciones_ahora);
    IF falta IS NOT NULL THEN
      RAISE EXCEPTION 'the statement does not do on % what it did here: %', nodo, falta
        USING ERRCODE = 'feature_not_supported', DETAIL = 'Nothing was changed, on no node.',
              HINT = 'How the tables of a node differ from these: SELECT * FROM lab.node_differences()';
    END IF;
    -- A default that is not the same everywhere (now(), random()) would give each copy other rows.
    FOR copia IN SELECT c.* FROM lab.changed(definiciones_antes, definiciones_ahora) c WHERE c.clase = 'reference' AND c.ahora IS NOT NULL LOOP
      PERFORM lab.require_same_rows(copia.tabla, copia.nombre, nodo);
    END LOOP;
  END LOOP;
  DELETE FROM lab.foreign_keys k USING lab.changed(definiciones_antes, definiciones_ahora) c
   WHERE c.ahora IS NULL AND c.tabla IN (k.table_name, k.referenced);
  DELETE FROM lab.distribution d USING lab.changed(definiciones_antes, definiciones_ahora) c WHERE c.ahora IS NULL AND c.tabla = d.table_name;
  INSERT INTO lab.statements (id, search_path, statement) VALUES (identificador, ruta, sentencia);
END
$$;

-- Has every worker make what nothing here shows: a key of a distributed table, a function. Where it is of a table, those workers that have it.
CREATE OR REPLACE FUNCTION lab.carry_unseen(sentencia text, ruta text, identificador uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tabla regclass := lab.target(sentencia, ruta);
  definicion text := format('SELECT jsonb_agg(l ORDER BY l) FROM lab.definition(to_regclass(%L)) l',
                            (SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class WHERE oid = tabla));
  nodo text;
  antes text;
BEGIN
  PERFORM lab.require_nodes();
  FOR nodo IN SELECT w.node_name FROM lab.workers w ORDER BY w.node_name LOOP
    CONTINUE WHEN lab.run_on(nodo, NULL, format('SELECT count(*) FROM lab.statements WHERE id = %L', identificador)) = '1';
    antes := lab.run_on(nodo, NULL, definicion);
    CONTINUE WHEN tabla IS NOT NULL AND antes IS NULL;
    PERFORM lab.run_on(nodo, sentencia, NULL, ruta, identificador);
    IF lab.run_on(nodo, NULL, definicion) IS DISTINCT FROM antes THEN
      RAISE EXCEPTION 'a key of % cannot be made together with something else', tabla
        USING ERRCODE = 'feature_not_supported', DETAIL = 'Nothing was changed, on no node.', HINT = 'Make it by a statement of its own.';
    END IF;
  END LOOP;
  -- A key of the whole table takes over one of the same columns that its parts have, and takes it along when it goes.
  PERFORM lab.add_foreign_key(k.table_name, k.key_name, k.column_name, k.referenced, k.referenced_column) FROM lab.foreign_keys k WHERE k.table_name = tabla;
  INSERT INTO lab.statements (id, search_path, statement) VALUES (identificador, ruta, sentencia);
END
$$;

CREATE OR REPLACE FUNCTION lab.require_same_rows(tabla regclass, nombre text, nodo text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  pregunta text := format('SELECT md5(coalesce(string_agg(t::text, E''\n'' ORDER BY %s), '''')) FROM %s t', lab.primary_key(tabla), nombre);
  aqui text;
BEGIN
  EXECUTE pregunta INTO aqui;
  IF lab.run_on(nodo, NULL, pregunta) <> aqui THEN
    RAISE EXCEPTION 'the copies of % would differ: a default is not the same on every node', nombre
      USING ERRCODE = 'feature_not_supported', DETAIL = 'Nothing was changed, on no node.',
            HINT = 'Add the column without the default, UPDATE it, then ALTER COLUMN ... SET DEFAULT.';
  END IF;
END
$$;

-- Settles what a command has changed of the tables of many nodes: carries it, or refuses it.
CREATE OR REPLACE FUNCTION lab.settle(etiqueta text, ruta text, consulta text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  -- Empty where the command has ended the transaction in between (CONCURRENTLY), which foresee() lets no table of many nodes do.
  antes jsonb := nullif(current_setting('lab.before', true), '')::jsonb;
  ahora jsonb := lab.all_definitions();
  sentencia text := nullif(current_setting('lab.statement', true), '');
  tablas text;
  tabla record;
BEGIN
  IF antes IS NULL OR antes = ahora THEN
    RETURN;
  END IF;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION 'tables of many nodes are changed by the lab''s administrator' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT string_agg(a.value ->> 'name', ', ') INTO tablas FROM jsonb_each(antes) a
   WHERE ahora ? a.key AND a.value -> 'parts' IS DISTINCT FROM ahora #> ARRAY[a.key, 'parts'];
  IF tablas IS NOT NULL THEN
    RAISE EXCEPTION 'a part of % cannot be changed by itself', tablas
      USING ERRCODE = 'feature_not_supported', HINT = 'Change the whole table: every node makes the change in its parts.';
  END IF;
  SELECT string_agg(c.nombre, ', ') INTO tablas FROM lab.changed(antes, ahora) c;
  IF tablas IS NOT NULL THEN
    -- The client's own words are the statement only where they are no more than it.
    IF sentencia IS NULL AND lab.without_comments(consulta) ~* ('^\s*' || replace(replace(etiqueta, 'CREATE INDEX', 'CREATE( UNIQUE)? INDEX'), ' ', '\s+') || '\M')
       AND lab.is_single(consulta) THEN
      sentencia := consulta;
    END IF;
    IF sentencia IS NULL THEN
      RAISE EXCEPTION '% lies on many nodes: a change that is part of something larger cannot be carried to them', tablas
        USING ERRCODE = 'feature_not_supported',
              HINT = 'Send it as a statement of its own, or give it to lab.ddl, there too: SELECT lab.ddl($$ALTER TABLE ...$$)';
    END IF;
    PERFORM lab.carry(sentencia, ruta, antes, ahora, lab.identifier()), set_config('lab.carried', 'yes', true);
  END IF;
  FOR tabla IN SELECT a.key::oid AS oid, a.value -> 'rights' AS rights FROM jsonb_each(antes) a
                WHERE ahora ? a.key AND a.value -> 'rights' IS DISTINCT FROM ahora #> ARRAY[a.key, 'rights'] LOOP
    PERFORM lab.carry_rights(ARRAY[tabla.oid::regclass], ARRAY(SELECT regexp_replace(r, '^.* TO (.*?)( WITH GRANT OPTION)?$', '\1') FROM jsonb_array_elements_text(tabla.rights) r));
  END LOOP;
  PERFORM set_config('lab.before', lab.all_definitions()::text, true);
END
$function$;

-- The two ends of a command. As whoever gives it, and without a search_path of their own: names are his to resolve.
CREATE OR REPLACE FUNCTION lab.before_command() RETURNS event_trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lab.foresee(TG_TAG, pg_catalog.current_query(), pg_catalog.current_setting('search_path'));
  PERFORM pg_catalog.set_config('lab.before', lab.all_definitions()::text, true);
END
$$;
CREATE OR REPLACE FUNCTION lab.after_command() RETURNS event_trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lab.settle(TG_TAG, pg_catalog.current_setting('search_path'), pg_catalog.current_query());
END
$$;

-- ALTER COLUMN ... TYPE ... USING: PostgreSQL refuses it where a part is foreign. Here, where there are no rows, it is done without the parts.
CREATE OR REPLACE FUNCTION lab.convert(tabla regclass, sentencia text, ruta text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  antes text := lab.all_definitions()::text;
  partes jsonb := (SELECT jsonb_agg(jsonb_build_object('name', c.oid::regclass::text, 'bound', pg_get_expr(c.relpartbound, c.oid)))
                     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = tabla);
  parte record;
  columna record;
BEGIN
  PERFORM set_config('event_triggers', 'off', true);
  FOR parte IN SELECT p ->> 'name' AS nombre FROM jsonb_array_elements(partes) p LOOP
    EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', tabla, parte.nombre);
  END LOOP;
  PERFORM set_config('search_path', ruta, true);
  EXECUTE sentencia;
  PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
  FOR parte IN SELECT p ->> 'name' AS nombre, p ->> 'bound' AS limites FROM jsonb_array_elements(partes) p LOOP
    FOR columna IN SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS tipo FROM pg_attribute a JOIN pg_attribute b USING (attname)
                    WHERE a.attrelid = tabla AND b.attrelid = parte.nombre::regclass AND (a.atttypid, a.atttypmod) <> (b.atttypid, b.atttypmod) LOOP
      EXECUTE format('ALTER FOREIGN TABLE %s ALTER COLUMN %I TYPE %s', parte.nombre, columna.attname, columna.tipo);
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s %s', tabla, parte.nombre, parte.limites);
  END LOOP;
  PERFORM set_config('event_triggers', 'on', true), set_config('lab.before', antes, true);
  PERFORM lab.settle('ALTER TABLE', ruta, sentencia);
END
$$;

-- Runs a statement on all nodes, within the caller's transaction: a change of a table of many nodes as it would be by itself, in
-- functions and blocks too; keys of a distributed table, which only the workers hold; functions, types, domains, schemas
-- and extensions that such a table uses; VACUUM, ANALYZE, REINDEX (these in sessions of their own).
-- Nothing is changed where a node does not answer or refuses. One that dies in the middle of the commit can leave the change on some nodes
-- only: lab.node_differences() says so, the next run of the lab's playbook finishes it.
CREATE OR REPLACE FUNCTION lab.ddl(sentencia text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  propia text := pg_catalog.current_setting('lab.statement', true);
  ruta text := pg_catalog.current_setting('search_path');
  clara text := lab.without_comments(sentencia);
  solo_alla boolean := false;
BEGIN
  IF clara ~* '^\s*(vacuum|analyze|reindex|cluster)\M' THEN
    PERFORM lab.maintain(sentencia, ruta);
    RETURN;
  END IF;
  PERFORM pg_catalog.set_config('lab.statement', sentencia, true), pg_catalog.set_config('lab.carried', '', true);
  BEGIN
    EXECUTE sentencia;
  EXCEPTION WHEN wrong_object_type OR feature_not_supported OR undefined_object THEN
    IF lab.target(sentencia, ruta) IS NOT NULL AND clara ~* '\mtype\s.*\musing\M' THEN
      PERFORM lab.convert(lab.target(sentencia, ruta), sentencia, ruta);
    ELSIF clara !~* '\m(unique|primary\s+key|foreign\s+key|references|exclude|drop\s+constraint|drop\s+index)\M'
       OR lab.target(sentencia, ruta) IS NULL AND clara !~* '\mdrop\s+index\M' THEN
      RAISE;
    ELSE
      solo_alla := true;
    END IF;
  END;
  IF solo_alla OR pg_catalog.current_setting('lab.carried') = ''
     AND clara ~* '^\s*(create|alter|drop)\s+(or\s+replace\s+)?(trusted\s+)?(function|procedure|aggregate|type|domain|schema|extension|collation)\M' THEN
    PERFORM lab.carry_unseen(sentencia, ruta, lab.identifier());
  END IF;
  PERFORM pg_catalog.set_config('lab.statement', coalesce(propia, ''), true);
END
$$;
COMMENT ON FUNCTION lab.ddl(text) IS 'Cambia una tabla en todos los nodos, en la transacción de quien la llama';

-- What no transaction can hold: on each node in a session of its own, one after the other.
CREATE OR REPLACE FUNCTION lab.maintain(sentencia text, ruta text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nodo text;
BEGIN
  FOR nodo IN SELECT s.node_name FROM lab.servers s ORDER BY s.role DESC, s.node_name LOOP
    PERFORM lab.open('lab_maintain', nodo);
    PERFORM lab.dblink_exec('lab_maintain', format('SET search_path = %s; SET lock_timeout = ''10s''; SET client_min_messages = error; SET event_triggers = off', ruta));
    BEGIN
      PERFORM lab.dblink_exec('lab_maintain', sentencia);
    EXCEPTION WHEN undefined_table THEN
      NULL;  -- a worker that came later has none of it yet
    END;
    PERFORM lab.dblink_disconnect('lab_maintain');
  END LOOP;
END
$$;

-- Of labs of an older version.
DROP FUNCTION IF EXISTS lab.add_column(regclass, name, regtype);

DO $$
DECLARE
  etiquetas text := array_to_string(ARRAY(SELECT quote_literal(e) FROM unnest(ARRAY[
    'ALTER TABLE', 'ALTER FOREIGN TABLE', 'ALTER INDEX', 'CREATE INDEX', 'REINDEX', 'DROP INDEX', 'DROP TABLE', 'DROP FOREIGN TABLE',
    'CREATE STATISTICS', 'ALTER STATISTICS', 'DROP STATISTICS', 'ALTER TYPE', 'ALTER DOMAIN', 'ALTER FUNCTION', 'ALTER SCHEMA',
    'DROP SCHEMA', 'DROP OWNED', 'DROP EXTENSION', 'DROP SERVER', 'DROP FUNCTION', 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE',
    'DROP TYPE', 'DROP DOMAIN', 'DROP COLLATION', 'DROP OPERATOR', 'DROP SEQUENCE', 'GRANT', 'REVOKE']) e), ', ');
BEGIN
  DROP EVENT TRIGGER IF EXISTS lab_before_command;
  EXECUTE format('CREATE EVENT TRIGGER lab_before_command ON ddl_command_start WHEN TAG IN (%s) EXECUTE FUNCTION lab.before_command()', etiquetas);
  DROP EVENT TRIGGER IF EXISTS lab_after_command;
  EXECUTE format('CREATE EVENT TRIGGER lab_after_command ON ddl_command_end WHEN TAG IN (%s) EXECUTE FUNCTION lab.after_command()', etiquetas);
END
$$;

-- How the tables of each worker differ from what is here, and whether lab.mend_nodes() repairs it; a change that ended half-way. Of
-- a worker that does not answer nothing is known.
CREATE OR REPLACE FUNCTION lab.node_differences()
RETURNS TABLE (node_name text, table_name text, class text, name text, object text, found text, wanted text, mended boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  WITH held AS MATERIALIZED (
    SELECT w.node_name, d.table_name, d.kind, t.relname::text AS short, format('%I.%I', t.relnamespace::regnamespace::text, t.relname) AS name,
           (SELECT count(*) FROM lab.partitions p WHERE p.table_name = d.table_name AND p.node_name = w.node_name) AS parts
      FROM lab.workers w CROSS JOIN lab.distribution d JOIN pg_class t ON t.oid = d.table_name
  ), answers AS MATERIALIZED (
    SELECT a.* FROM lab.ask_workers((
      SELECT jsonb_object_agg(q.node_name, q.question) FROM (
        SELECT h.node_name, format($q$SELECT jsonb_build_object(
            'statements', (SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') FROM lab.statements s),
            'logins', (SELECT coalesce(jsonb_agg(r.rolname), '[]') FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper),
            'tables', (SELECT jsonb_object_agg(n, jsonb_build_object(
              'lines', (SELECT jsonb_agg(l) FROM lab.definition(to_regclass(n)) l),
              'rights', (SELECT jsonb_object_agg(i.inhrelid::regclass, (SELECT coalesce(jsonb_agg(r), '[]') FROM lab.rights(i.inhrelid) r))
                           FROM pg_inherits i WHERE i.inhparent = to_regclass(n)),
              'keys', (SELECT jsonb_object_agg(k.conname, k.number) FROM (
                         SELECT c.conname, count(DISTINCT c.conrelid) AS number FROM pg_constraint c JOIN pg_inherits i ON i.inhrelid = c.conrelid
                          WHERE i.inhparent = to_regclass(n) AND c.contype = 'f' GROUP BY 1) k)))
              FROM unnest(%L::text[]) n))$q$, array_agg(h.name)) AS question
          FROM held h WHERE h.kind = 'reference' OR h.parts > 0 GROUP BY h.node_name) q)) a
  ), compared AS MATERIALIZED (
    SELECT h.*, x.found, x.found -> 'lines' AS lines FROM held h JOIN answers a ON a.node_name = h.node_name AND a.answer IS NOT NULL
     CROSS JOIN LATERAL (SELECT a.answer #> ARRAY['tables', h.name] AS found) x
     WHERE h.kind = 'reference' OR h.parts > 0
  ), here AS (
    SELECT c.node_name, c.table_name, c.short, split_part(l, ' ', 1) AS class, split_part(l, ' ', 2) AS name, l AS line
      FROM compared c CROSS JOIN LATERAL lab.definition(c.table_name) l WHERE jsonb_typeof(c.lines) = 'array'
  ), there AS (
    SELECT c.node_name, c.table_name, c.short, split_part(l, ' ', 1) AS class, split_part(l, ' ', 2) AS name, l AS line
      FROM compared c CROSS JOIN LATERAL jsonb_array_elements_text(c.lines) l WHERE jsonb_typeof(c.lines) = 'array'
  ), unfinished AS MATERIALIZED (
    SELECT string_agg(a.node_name, ', ' ORDER BY a.node_name) AS nodes, s.id, min(s.statement) AS statement
      FROM answers a CROSS JOIN LATERAL jsonb_to_recordset(a.answer -> 'statements') AS s (id uuid, statement text)
     WHERE NOT EXISTS (SELECT FROM lab.statements h WHERE h.id = s.id) GROUP BY s.id
  ), differences (node_name, table_name, short, class, name, found, wanted, mended) AS (
    SELECT node_name, table_name, short, class, name, coalesce(substr(t.line, strpos(t.line, name) + length(name) + 1), 'absent'),
           coalesce(substr(h.line, strpos(h.line, name) + length(name) + 1), 'absent'), class NOT IN ('column', 'type') AND h.line IS NOT NULL OR EXISTS (SELECT FROM unfinished)
      FROM here h FULL JOIN there t USING (node_name, table_name, short, class, name)
     WHERE h.line IS DISTINCT FROM t.line AND NOT (class IN ('index', 'statistics', 'setting') AND h.line IS NULL)  -- one more harms nothing
     UNION ALL
    SELECT c.node_name, c.table_name, c.short, 'table', '', 'absent', 'present', false FROM compared c WHERE jsonb_typeof(c.lines) IS DISTINCT FROM 'array'
     UNION ALL
    SELECT c.node_name, c.table_name, c.short, 'rights', '', min(format('%s: %s', r.key, r.value)), w.lines::text, true
      FROM compared c CROSS JOIN LATERAL jsonb_each(c.found -> 'rights') r
     CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(l), '[]') AS lines FROM lab.rights(c.table_name) l) w
     WHERE c.kind = 'distributed' AND jsonb_typeof(c.found -> 'rights') = 'object' AND r.value <> w.lines
     GROUP BY 1, 2, 3, w.lines
     UNION ALL
    SELECT c.node_name, c.table_name, c.short, 'foreign key', k.key_name, format('in %s of %s parts', coalesce(c.found #>> ARRAY['keys', k.key_name], '0'), c.parts),
           'in each', true
      FROM compared c JOIN lab.foreign_keys k ON k.table_name = c.table_name
     WHERE jsonb_typeof(c.lines) = 'array' AND (c.found #>> ARRAY['keys', k.key_name])::integer IS DISTINCT FROM c.parts
     UNION ALL
    -- Of the lab's roles; whom somebody lets in besides is his business.
    SELECT a.node_name, NULL, NULL, 'logins', '', coalesce(l.names, 'absent'), 'nodes', true
      FROM answers a CROSS JOIN LATERAL (
        SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) AS names
          FROM jsonb_array_elements_text(a.answer -> 'logins') n JOIN pg_roles r ON r.rolname = n) l
     WHERE a.answer IS NOT NULL AND l.names IS DISTINCT FROM 'nodes'
  )
  SELECT d.node_name, d.table_name::regclass::text, d.class, d.name,
         concat_ws(' ', d.class, d.short, nullif(replace(d.name, 'public.', ''), ''), 'on', d.node_name), d.found, d.wanted, d.mended
    FROM differences d
   UNION ALL
  SELECT u.nodes, NULL, 'statement', u.id::text, 'statement ' || left(u.statement, 60), 'on ' || u.nodes || ' only', 'on every node', true
    FROM unfinished u
   UNION ALL
  SELECT a.node_name, NULL, 'node', '', 'tables on ' || a.node_name, a.error, 'those of the coordinator', false
    FROM answers a WHERE a.error LIKE '%answers with an error%'
   ORDER BY 3, 1, 2, 4;
$$;

-- Finishes what ended half-way; where nothing did, gives the workers what they lack. Not both in one transaction: what it finishes is locked until
-- that one commits, and another session on the node could not look at it. What somebody added there stays.
CREATE OR REPLACE FUNCTION lab.mend_nodes() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  d record;
  k record;
  sentencia jsonb;
BEGIN
  FOR d IN SELECT * FROM lab.node_differences() x WHERE x.class = 'statement' LOOP
    sentencia := lab.run_on(split_part(d.node_name, ', ', 1), NULL, format('SELECT to_jsonb(s) FROM lab.statements s WHERE id = %L', d.name));
    BEGIN
      PERFORM set_config('lab.identifier', d.name, true), set_config('search_path', sentencia ->> 'search_path', true);
      PERFORM lab.ddl(sentencia ->> 'statement');
    EXCEPTION WHEN OTHERS THEN
      -- It is no half anymore where somebody has done it again since.
      IF EXISTS (SELECT FROM lab.node_differences() x WHERE x.class IN ('table', 'column', 'constraint', 'index')) THEN
        RAISE;
      END IF;
    END;
    PERFORM set_config('lab.identifier', '', true), set_config('search_path', 'pg_catalog, pg_temp', true);
    INSERT INTO lab.statements (id, search_path, statement) VALUES (d.name::uuid, sentencia ->> 'search_path', sentencia ->> 'statement')
        ON CONFLICT DO NOTHING;
  END LOOP;
  IF FOUND THEN
    RETURN;
  END IF;

  FOR d IN SELECT * FROM lab.node_differences() x WHERE x.mended AND x.class <> 'statement' LOOP
    CASE d.class
      WHEN 'setting' THEN
        PERFORM lab.run_on(d.node_name, format('ALTER TABLE %s ALTER COLUMN %s %s', d.table_name, d.name, d.wanted));
      WHEN 'index', 'statistics' THEN
        IF d.found <> 'absent' THEN
          PERFORM lab.run_on(d.node_name, format('DROP %s %s', d.class, d.name));
        END IF;
        PERFORM lab.run_on(d.node_name, d.wanted);
      WHEN 'constraint' THEN
        IF d.found <> 'absent' THEN
          PERFORM lab.run_on(d.node_name, format('ALTER TABLE %s DROP CONSTRAINT %s', d.table_name, d.name));
        END IF;
        PERFORM lab.run_on(d.node_name, format('ALTER TABLE %s ADD CONSTRAINT %s %s', d.table_name, d.name, d.wanted));
      WHEN 'rights' THEN
        PERFORM lab.carry_rights(ARRAY[d.table_name::regclass], ARRAY(
          SELECT quote_ident(r.rolname) FROM pg_roles r
           WHERE NOT r.rolsuper AND NOT r.rolreplication AND r.rolname !~ '^pg_'
             AND r.oid <> (SELECT relowner FROM pg_class WHERE oid = d.table_name::regclass)) || 'PUBLIC'::text);
      WHEN 'foreign key' THEN
        SELECT * INTO k FROM lab.foreign_keys f WHERE f.table_name = d.table_name::regclass AND f.key_name = d.name;
        PERFORM lab.add_foreign_key(k.table_name, k.key_name, k.column_name, k.referenced, k.referenced_column);
      WHEN 'logins' THEN
        PERFORM lab.on_node(d.node_name, lab.roles_script());
      ELSE
        NULL;  -- of what is finished by now
    END CASE;
  END LOOP;
END
$$;
