-- Turns plain tables into tables of many nodes, and guards what the nodes cannot.

-- The same, where an interrupted attempt may have left the table. Rows are never dropped.
CREATE OR REPLACE FUNCTION lab.fresh_table_script(tabla regclass, particion text DEFAULT '') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format($do$DO $lab$ BEGIN
      IF to_regclass(%1$L) IS NOT NULL THEN
        IF EXISTS (SELECT FROM %2$s) THEN
          RAISE EXCEPTION 'the node holds rows of an older %% that the coordinator knows nothing of', %1$L
            USING HINT = 'Copy aside what you need of them (\copy in psql), then give them up: DROP TABLE %2$s CASCADE on that node.';
        END IF;
        DROP TABLE %2$s CASCADE;
      END IF;
    END $lab$;$do$, quoted.name, quoted.name) || E'\n' || lab.table_script(tabla, particion)
    FROM pg_class t
   CROSS JOIN LATERAL (SELECT format('%I.%I', t.relnamespace::regnamespace::text, t.relname) AS name) quoted
   WHERE t.oid = tabla;
$$;

-- The columns of a table's primary key, as a list; NULL where it has none.
CREATE OR REPLACE FUNCTION lab.primary_key(tabla regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
   WHERE i.indrelid = tabla AND i.indisprimary;
$$;

-- Is the table what is wanted already? When it is something else that has nodes, that is an error.
CREATE OR REPLACE FUNCTION lab.is_already(tabla regclass, clase text, columna name) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  presente record;
BEGIN
  SELECT kind, distribution_column INTO presente FROM lab.catalogue WHERE table_name = tabla;
  IF presente.kind IS NULL THEN
    RETURN false;
  END IF;
  IF presente.kind = clase AND (columna IS NULL OR presente.distribution_column = columna) THEN
    RETURN true;
  END IF;
  RAISE EXCEPTION 'table % is % already, it cannot become %', tabla,
      concat_ws(' by ', presente.kind, presente.distribution_column), concat_ws(' by ', clase, columna)
    USING HINT = 'Leave it as it is: take back the choice that asks for the other. Only a lab that is made anew (reset), which gives up all rows, has the other.';
END
$$;

CREATE OR REPLACE FUNCTION lab.require_empty(tabla regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  llena boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %s)', tabla) INTO llena;
  IF llena THEN
    RAISE EXCEPTION 'table % holds rows: only an empty table is distributed', tabla
      USING HINT = 'Copy the rows aside, empty the table, distribute it, then insert them again.';
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION lab.create_distributed_table(tabla regclass, columna name, colocate_with regclass DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET event_triggers = off AS $$
DECLARE
  esquema name;
  nombre name;
  completo text;
  anterior text;
  dueno name;
  permisos aclitem[];
  cantidad integer;
  ancho integer;
  grupo integer;
  nodo text;
  parte record;
  definicion text;
  descripcion text;
  indices text[];
  indice text;
BEGIN
  IF lab.is_already(tabla, 'distributed', columna) THEN
    RETURN;
  END IF;
  SELECT t.relnamespace::regnamespace::text, t.relname, pg_get_userbyid(t.relowner), t.relacl,
         obj_description(t.oid, 'pg_class')
    INTO esquema, nombre, dueno, permisos, descripcion FROM pg_class t WHERE t.oid = tabla AND t.relkind = 'r';
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not a plain table', tabla USING HINT = 'Only a plain table can be distributed.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tabla AND attname = columna AND attnum > 0) THEN
    RAISE EXCEPTION 'table % has no column "%" to distribute by', tabla, columna;
  END IF;
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tabla AND attidentity <> '') THEN
    RAISE EXCEPTION 'table % has an identity column, which engine postgres_fdw does not distribute', tabla
      USING HINT = 'Use uuid with gen_random_uuid() as its default.';
  END IF;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', tabla);
  PERFORM lab.require_empty(tabla);

  -- Which part lies where: as in the table it goes with, else the workers in turn.
  CREATE TEMPORARY TABLE lab_parts (remainder integer, shard_name text, node_name text) ON COMMIT DROP;
  IF colocate_with IS NOT NULL THEN
    SELECT d.colocation_id INTO grupo FROM lab.distribution d
     WHERE d.table_name = colocate_with AND d.kind = 'distributed';
    IF grupo IS NULL THEN
      RAISE EXCEPTION 'table % is not distributed, nothing can lie beside its rows', colocate_with
        USING HINT = format('Distribute %s first.', colocate_with);
    END IF;
    INSERT INTO pg_temp.lab_parts (remainder, node_name)
    SELECT p.remainder, p.node_name FROM lab.partitions p WHERE p.table_name = colocate_with;
  ELSE
    SELECT coalesce(max(d.colocation_id), 0) + 1 INTO grupo FROM lab.distribution d;
    INSERT INTO pg_temp.lab_parts (remainder, node_name)
    SELECT r, w.names[1 + r % cardinality(w.names)]
      FROM (SELECT array_agg(node_name ORDER BY node_name) AS names FROM lab.workers) w,
           generate_series(0, current_setting('lab.partitions')::integer - 1) r;
  END IF;
  SELECT count(*) INTO cantidad FROM pg_temp.lab_parts;
  ancho := greatest(2, length((cantidad - 1)::text));
  UPDATE pg_temp.lab_parts SET shard_name = nombre || '_' || lpad(remainder::text, ancho, '0');

  -- Each worker gets the table whole, partitioned as here, with the partitions that are its own: so that it refuses
  -- by itself a row that belongs to another partition, and its planner knows the parts as one table.
  definicion := lab.fresh_table_script(tabla, format('PARTITION BY HASH (%I)', columna));
  FOR nodo IN SELECT DISTINCT node_name FROM pg_temp.lab_parts ORDER BY node_name LOOP
    PERFORM lab.on_node(nodo, concat_ws(E';\n', lab.roles_script() || definicion, (
      SELECT string_agg(format('CREATE TABLE %1$I.%2$I PARTITION OF %1$I.%3$I FOR VALUES WITH (MODULUS %4$s, REMAINDER %5$s);
ALTER TABLE %1$I.%2$I OWNER TO %6$I', esquema, shard_name, nombre, cantidad, remainder, dueno), E';\n' ORDER BY remainder)
        FROM pg_temp.lab_parts WHERE node_name = nodo)));
  END LOOP;

  SELECT array_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid) INTO indices FROM pg_index i
   WHERE i.indrelid = tabla AND NOT i.indisunique;

  -- Here the plain table gives way to a partitioned one of the same name, whose parts are on the workers.
  completo := format('%I.%I', esquema, nombre);
  anterior := left('lab_old_' || nombre, 63);
  EXECUTE format('ALTER TABLE %s RENAME TO %I', completo, anterior);
  EXECUTE format('CREATE TABLE %s (LIKE %I.%I INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING COMMENTS) PARTITION BY HASH (%I)',
                 completo, esquema, anterior, columna);
  EXECUTE format('DROP TABLE %I.%I', esquema, anterior);
  -- Nothing here uses them: they say, where people look, what every part has. (Unique ones the server refuses here.)
  FOREACH indice IN ARRAY coalesce(indices, '{}') LOOP
    EXECUTE indice;
  END LOOP;
  -- The parts stay the administrator's: ANALYZE goes to the worker as their owner, and that one can log in.
  FOR parte IN SELECT * FROM pg_temp.lab_parts ORDER BY remainder LOOP
    EXECUTE format('CREATE FOREIGN TABLE shards.%I PARTITION OF %s FOR VALUES WITH (MODULUS %s, REMAINDER %s) SERVER %I OPTIONS (schema_name %L, table_name %L)',
                   parte.shard_name, completo, cantidad, parte.remainder, parte.node_name, esquema, parte.shard_name);
  END LOOP;
  EXECUTE format('COMMENT ON TABLE %s IS %L', completo, descripcion);
  EXECUTE format('ALTER TABLE %s OWNER TO %I', completo, dueno);
  -- No worker could move the row to the partition of its new key. A trigger for the statement, not for each row:
  -- that one would have every row of every other UPDATE fetched.
  EXECUTE format('CREATE TRIGGER distribution_column_is_fixed BEFORE UPDATE OF %I ON %s FOR EACH STATEMENT EXECUTE FUNCTION lab.refuse_key_change(%L, %L)',
                 columna, completo, columna, 'it says on which node the row lies');
  INSERT INTO lab.distribution VALUES (completo::regclass, 'distributed', grupo);
  PERFORM lab.grant(string_agg(a.privilege_type, ', '), ARRAY[completo::regclass], ARRAY[pg_get_userbyid(a.grantee)])
     FROM aclexplode(permisos) a WHERE a.grantee NOT IN (0, a.grantor) GROUP BY a.grantee;
  DROP TABLE pg_temp.lab_parts;
END
$$;
COMMENT ON FUNCTION lab.create_distributed_table(regclass, name, regclass) IS 'Reparte una tabla por una columna, junto a otra si se pide; no hace nada si ya lo está';

CREATE OR REPLACE FUNCTION lab.create_reference_table(tabla regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  coordinador text;
  nodo record;
  completo text;
  clave text;
BEGIN
  IF lab.is_already(tabla, 'reference', NULL) THEN
    RETURN;
  END IF;
  SELECT format('%I.%I', relnamespace::regnamespace::text, relname) INTO completo FROM pg_class WHERE oid = tabla;
  clave := lab.primary_key(tabla);
  IF clave IS NULL THEN
    RAISE EXCEPTION 'table % has no primary key, by which its copies would find the row that changes', tabla
      USING HINT = 'Give it one: ALTER TABLE ... ADD PRIMARY KEY (...).';
  END IF;
  SELECT node_name INTO STRICT coordinador FROM lab.servers WHERE role = 'coordinator';
  -- The workers ask the coordinator what is published, each in a transaction of its own: they do not see a table
  -- that this transaction has made.
  IF lab.ask_node(coordinador, format('SELECT to_regclass(%L)::oid', completo)) IS DISTINCT FROM tabla::oid::text THEN
    RAISE EXCEPTION 'table % is not committed yet', tabla
      USING HINT = 'Commit the transaction that made it, then call lab.create_reference_table.';
  END IF;
  PERFORM lab.require_empty(tabla);
  FOR nodo IN SELECT * FROM lab.workers ORDER BY node_name LOOP
    PERFORM lab.on_node(nodo.node_name, concat_ws(E';\n', lab.roles_script() || lab.fresh_table_script(tabla), lab.guard_script(tabla)));
  END LOOP;
  PERFORM lab.on_node(coordinador, format('GRANT SELECT ON %s TO replication', completo));
  IF NOT EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
                  WHERE p.pubname = 'lab_reference' AND r.prrelid = tabla) THEN
    PERFORM lab.on_node(coordinador, format('ALTER PUBLICATION lab_reference ADD TABLE %s', completo));
  END IF;
  -- From here to the commit nobody writes to the table, so there is nothing to copy but what the workers are sent.
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tabla);
  PERFORM lab.require_empty(tabla);
  FOR nodo IN SELECT * FROM lab.workers ORDER BY node_name LOOP
    PERFORM lab.on_node(nodo.node_name, format('ALTER SUBSCRIPTION %I REFRESH PUBLICATION WITH (copy_data = false)', nodo.subscription));
  END LOOP;

  EXECUTE format('CREATE TRIGGER copies_are_written BEFORE INSERT OR UPDATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION lab.require_copies()', completo);
  EXECUTE format('CREATE TRIGGER key_is_fixed BEFORE UPDATE OF %s ON %s FOR EACH STATEMENT EXECUTE FUNCTION lab.refuse_key_change(%L, %L)',
                 clave, completo, clave, 'rows on the workers refer to it');
  EXECUTE format('CREATE TRIGGER rows_are_kept BEFORE DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION lab.refuse_delete()', completo);
  INSERT INTO lab.distribution VALUES (tabla, 'reference', 0);
END
$$;
COMMENT ON FUNCTION lab.create_reference_table(regclass) IS 'Copia una tabla entera a cada nodo; no hace nada si ya lo está';

CREATE OR REPLACE FUNCTION lab.refuse_key_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'column % of % cannot be changed: %', TG_ARGV[0], TG_TABLE_NAME, TG_ARGV[1]
    USING ERRCODE = 'feature_not_supported',
          HINT = 'Insert the row with its new key, move what belongs to it, then retire the old one.';
END
$$;

CREATE OR REPLACE FUNCTION lab.refuse_delete() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never deleted: their copies on the workers would go without asking who refers to them', TG_TABLE_NAME
    USING ERRCODE = 'feature_not_supported',
          HINT = CASE WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = TG_RELID AND attname = 'activo')
                      THEN format('Retire the row instead: UPDATE %I SET activo = false WHERE ...', TG_TABLE_NAME)
                      ELSE 'Leave the row: nothing shows it but what refers to it.' END;
END
$$;

-- A writer of a reference table waits until every worker has applied it, so that what it wrote can be referred to at
-- once. While a worker is not copying it is refused instead; one that stops in between is waited for, for 5 s.
CREATE OR REPLACE FUNCTION lab.require_copies() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  faltan text;
BEGIN
  -- One that comes back with another password (lab.finish_rotation) is waited for.
  IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = lab.rotation_lock()) THEN
    PERFORM lab.becomes_true('SELECT bool_and(lab.copying(w.subscription) IS NOT DISTINCT FROM ''sync'') FROM lab.workers w', '3 s');
  END IF;
  SELECT string_agg(format('%s (%s:%s)', w.node_name, w.host, w.port), ', ' ORDER BY w.node_name) INTO faltan
    FROM lab.workers w WHERE lab.copying(w.subscription) IS DISTINCT FROM 'sync';
  IF faltan IS NOT NULL THEN
    RAISE EXCEPTION 'table % cannot be written now: % does not receive its copy', TG_TABLE_NAME, faltan
      USING ERRCODE = 'cannot_connect_now',
            HINT = 'Nothing was written. Start the node (start, as the page of the lab says) and try again; see SELECT * FROM lab.nodes.';
  END IF;
  PERFORM set_config('synchronous_commit', 'remote_apply', true);
  PERFORM lab.watch_commit();
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION lab.add_foreign_key(tabla regclass, nombre name, columna name, referencia regclass, columna_referida name)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  aqui record;
  alla record;
  esquema name;
  nodo text;
BEGIN
  SELECT * INTO aqui FROM lab.catalogue WHERE table_name = tabla;
  SELECT * INTO alla FROM lab.catalogue WHERE table_name = referencia;
  IF aqui.kind IS DISTINCT FROM 'distributed' OR alla.kind IS NULL THEN
    RAISE EXCEPTION 'a foreign key from % to % cannot be kept by the workers', tabla, referencia
      USING HINT = 'It goes from a distributed table to a reference table or to a co-located one; distribute them first.';
  END IF;
  IF alla.kind = 'distributed'
     AND (aqui.colocation_id, aqui.distribution_column, alla.distribution_column)
         IS DISTINCT FROM (alla.colocation_id, columna, columna_referida) THEN
    RAISE EXCEPTION 'a foreign key from %.% to %.% would cross nodes', tabla, columna, referencia, columna_referida
      USING HINT = 'Between distributed tables it has to join the distribution columns of co-located tables.';
  END IF;
  SELECT relnamespace::regnamespace::text INTO esquema FROM pg_class WHERE oid = tabla;
  FOR nodo IN SELECT DISTINCT node_name FROM lab.partitions WHERE table_name = tabla ORDER BY node_name LOOP
    PERFORM lab.run_on(nodo, (
      SELECT string_agg(format($do$DO $lab$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = '%1$I.%2$I'::regclass AND conname = %3$L) THEN
            ALTER TABLE %1$I.%2$I ADD CONSTRAINT %4$I FOREIGN KEY (%5$I) REFERENCES %6$s (%7$I);
          END IF;
        END $lab$ $do$, esquema, p.shard_name, nombre, nombre, columna,
        CASE alla.kind WHEN 'reference' THEN (SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class WHERE oid = referencia)
          ELSE (SELECT format('%I.%I', (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = referencia), r.shard_name)
                  FROM lab.partitions r WHERE r.table_name = referencia AND r.remainder = p.remainder) END,
        columna_referida), E';\n' ORDER BY p.remainder)
        FROM lab.partitions p WHERE p.table_name = tabla AND p.node_name = nodo));
  END LOOP;
  INSERT INTO lab.foreign_keys VALUES (tabla, nombre, columna, referencia, columna_referida) ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION lab.add_foreign_key(regclass, name, name, regclass, name) IS 'Añade una clave foránea que vale en todos los nodos; no hace nada si ya está';

-- Grants, on the nodes too: who reads a table here arrives on the worker at its parts. Sent even where it was granted here already.
CREATE OR REPLACE FUNCTION lab.grant(privilegios text, tablas regclass[], roles name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET event_triggers = off AS $$
DECLARE
  ciegos text;
BEGIN
  IF privilegios !~* '^[a-z]+( *, *[a-z]+)*$' THEN
    RAISE EXCEPTION '"%" is no list of privileges', privilegios USING HINT = 'For example: SELECT, INSERT';
  END IF;
  -- Row-level security would show them no row, and say nothing.
  SELECT format('%s no row of %s', r, t) INTO ciegos
    FROM unnest(tablas) AS t JOIN pg_class c ON c.oid = t AND c.relrowsecurity, unnest(roles) AS r JOIN pg_roles p ON p.rolname = r
   WHERE NOT p.rolsuper AND NOT p.rolbypassrls
     AND NOT EXISTS (SELECT FROM pg_policy y, unnest(y.polroles) AS q
                      WHERE y.polrelid = t AND (q = 0 OR pg_has_role(p.oid, q, 'USAGE')))
   LIMIT 1;
  IF ciegos IS NOT NULL THEN
    RAISE EXCEPTION 'row-level security would show %: it has no policy for that login', ciegos
      USING HINT = 'make login LOGIN=name makes a login that sees the rows.';
  END IF;
  EXECUTE format('GRANT %s ON %s TO %s', privilegios, (SELECT string_agg(t::text, ', ') FROM unnest(tablas) AS t),
                 (SELECT string_agg(quote_ident(r), ', ') FROM unnest(roles) AS r));
  PERFORM lab.carry_rights(tablas);
END
$$;
COMMENT ON FUNCTION lab.grant(text, regclass[], name[]) IS 'Da privilegios sobre tablas en todos los nodos';

-- Statistics of tables on every node: autovacuum would come a minute later on the workers, and never to the parents here.
CREATE OR REPLACE FUNCTION lab.analyze_nodes(VARIADIC tablas regclass[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nodo text;
  lista text;
BEGIN
  -- A worker that was added has reference tables only, until partitions move to it.
  FOR nodo, lista IN
    SELECT w.node_name, string_agg(format('%I.%I', c.relnamespace::regnamespace::text, c.relname), ', ')
      FROM lab.workers w CROSS JOIN lab.distribution d JOIN pg_class c ON c.oid = d.table_name
     WHERE c.oid = ANY (tablas)
       AND (d.kind = 'reference' OR EXISTS (SELECT FROM lab.partitions p WHERE p.table_name = c.oid AND p.node_name = w.node_name))
     GROUP BY w.node_name
  LOOP
    PERFORM lab.on_node(nodo, 'ANALYZE ' || lista);
  END LOOP;
  EXECUTE 'ANALYZE ' || (SELECT string_agg(t::text, ', ') FROM unnest(tablas) AS t);
END
$$;
