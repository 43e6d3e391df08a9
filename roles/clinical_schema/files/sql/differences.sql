-- What was installed, object by object as the catalogue showed it then (lab.installed), what of it is different now, and
-- how that is repaired. Rows are the person's; a column that somebody added or dropped holds rows too, so it is told and left.
CREATE TABLE IF NOT EXISTS lab.installed (
  clase text NOT NULL,
  relacion text NOT NULL,
  nombre text NOT NULL,
  estado text NOT NULL,
  CONSTRAINT installed_pkey PRIMARY KEY (clase, relacion, nombre)
);
COMMENT ON TABLE lab.installed IS 'Lo que la instalación dejó en el catálogo, objeto por objeto';
COMMENT ON COLUMN lab.installed.clase IS 'Qué es: column, constraint, index, policy, rights, role, ...';
COMMENT ON COLUMN lab.installed.relacion IS 'De qué tabla; vacío si no es de ninguna';
COMMENT ON COLUMN lab.installed.nombre IS 'Cómo se llama, dentro de su tabla';
COMMENT ON COLUMN lab.installed.estado IS 'Cómo quedó; de una contraseña, solo una huella';

CREATE OR REPLACE FUNCTION lab.catalogue_now() RETURNS TABLE (clase text, relacion text, nombre text, estado text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH tablas AS (
    SELECT c.*, c.oid::regclass::text AS relacion
      FROM pg_class c
     WHERE c.oid = ANY (ARRAY[to_regclass('public.medicos'), to_regclass('public.municipios'), to_regclass('public.cie10'), to_regclass('public.pacientes'), to_regclass('public.consultas'),
                              to_regclass('public.usuario'), to_regclass('public.solicitudes'), to_regclass('public.accesos'),
                              to_regclass('public.cambios'), to_regclass('public.accesos_paginas'), to_regclass('lab.institucion'), to_regclass('lab.sesiones'),
                              to_regclass('lab.intentos'), to_regclass('lab.sample_chunks')])
  ), logins AS (
    SELECT * FROM pg_authid
     WHERE rolname IN ('clinical_owner', 'middleware', 'api', 'readonly', 'readwrite') OR rolname IN (SELECT l.nombre FROM lab.logins l)
  )
  SELECT 'table', t.relacion, '', 'present' FROM tablas t
   UNION ALL
  SELECT 'column', t.relacion, a.attname::text,
         concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                   CASE WHEN d.oid IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END)
    FROM tablas t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   UNION ALL
  SELECT 'constraint', t.relacion, c.conname::text, pg_get_constraintdef(c.oid)
    FROM tablas t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('c', 'f', 'p', 'u')
   UNION ALL
  SELECT 'index', t.relacion, i.indexrelid::regclass::text,
         pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
    FROM tablas t JOIN pg_index i ON i.indrelid = t.oid
   WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = t.oid)
   UNION ALL
  SELECT 'trigger', t.relacion, g.tgname::text,
         pg_get_triggerdef(g.oid) || CASE WHEN g.tgenabled = 'O' THEN '' ELSE ' (disabled)' END
    FROM tablas t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
   UNION ALL
  SELECT 'row security', t.relacion, 'enabled', t.relrowsecurity::text FROM tablas t
   UNION ALL
  SELECT 'policy', t.relacion, p.polname::text,
         concat_ws(' / ', p.polcmd, (SELECT string_agg(r::regrole::text, ', ' ORDER BY r) FROM unnest(p.polroles) AS r),
                   pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM tablas t JOIN pg_policy p ON p.polrelid = t.oid
   UNION ALL
  SELECT 'owner', t.relacion, '', t.relowner::regrole::text FROM tablas t
   UNION ALL
  SELECT 'rights', t.relacion, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
         string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
    FROM tablas t CROSS JOIN LATERAL (
      SELECT x.grantee, x.privilege_type FROM aclexplode(t.relacl) x
       UNION ALL
      SELECT x.grantee, format('%s (%s)', x.privilege_type, c.attname)
        FROM pg_attribute c CROSS JOIN LATERAL aclexplode(c.attacl) x WHERE c.attrelid = t.oid) a
   WHERE a.grantee <> t.relowner AND pg_get_userbyid(a.grantee) <> current_user
   GROUP BY t.relacion, a.grantee
   UNION ALL
  SELECT 'role', '', l.rolname::text,
         concat_ws(' ', CASE WHEN l.rolcanlogin THEN 'LOGIN' END, CASE WHEN l.rolsuper THEN 'SUPERUSER' END,
                   CASE WHEN l.rolcreatedb THEN 'CREATEDB' END, CASE WHEN l.rolcreaterole THEN 'CREATEROLE' END,
                   CASE WHEN l.rolreplication THEN 'REPLICATION' END, CASE WHEN l.rolbypassrls THEN 'BYPASSRLS' END,
                   -- How a reader wants to see days is the reader's business.
                   (SELECT string_agg(c, ' ' ORDER BY c) FROM pg_db_role_setting s, unnest(s.setconfig) c
                     WHERE s.setrole = l.oid AND s.setdatabase = 0
                       AND (l.rolname <> 'readonly' OR c !~* '^(timezone|datestyle|intervalstyle)=')))
    FROM logins l
   UNION ALL
  SELECT 'password', '', l.rolname::text, left(md5(l.rolpassword), 12) FROM logins l WHERE l.rolpassword IS NOT NULL
   UNION ALL
  SELECT 'password between the nodes', '', l.rolname::text, lab.login_mark(l.rolname)
    FROM logins l WHERE lab.login_mark(l.rolname) IS NOT NULL
   UNION ALL
  SELECT 'membership', '', l.rolname::text, string_agg(m.roleid::regrole::text, ', ' ORDER BY m.roleid::regrole::text)
    FROM logins l JOIN pg_auth_members m ON m.member = l.oid GROUP BY l.rolname
   UNION ALL
  SELECT 'partition', t.relacion, c.oid::regclass::text,
         format('%s SERVER %I OPTIONS (%s)', pg_get_expr(c.relpartbound, c.oid), s.srvname,
                (SELECT string_agg(format('%I %L', option_name, option_value), ', ') FROM pg_options_to_table(f.ftoptions)))
    FROM tablas t JOIN pg_inherits i ON i.inhparent = t.oid JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_foreign_table f ON f.ftrelid = c.oid JOIN pg_foreign_server s ON s.oid = f.ftserver;
$$;

-- `mended`: whether the next run repairs it.
CREATE OR REPLACE FUNCTION lab.differences()
RETURNS TABLE (clase text, relacion text, nombre text, object text, found text, wanted text, mended boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT clase, relacion, nombre,
         concat_ws(' ', clase, replace(nullif(relacion, ''), 'public.', ''), nullif(replace(nombre, 'public.', ''), '')),
         CASE WHEN n.estado IS NULL THEN 'absent' WHEN starts_with(clase, 'password') THEN 'another one' ELSE n.estado END,
         CASE WHEN i.estado IS NULL THEN 'absent' WHEN starts_with(clase, 'password') THEN 'the generated one' ELSE i.estado END,
         clase <> 'column'
    FROM lab.catalogue_now() n FULL JOIN lab.installed i USING (clase, relacion, nombre)
   WHERE n.estado IS DISTINCT FROM i.estado
     -- Of a table that is gone, one line will do.
     AND (clase = 'table' OR relacion = '' OR to_regclass(relacion) IS NOT NULL)
     -- What somebody added beside it harms nothing, unless it gives rights or is in every row.
     AND (i.estado IS NOT NULL OR (clase IN ('column', 'policy', 'rights', 'membership') AND EXISTS (SELECT FROM lab.installed)));
$$;

-- The rows of a table by their keys, of one column each.
CREATE OR REPLACE FUNCTION lab.rows_by_key(tabla name) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  filas jsonb;
BEGIN
  EXECUTE format('SELECT coalesce(jsonb_object_agg(t.%I, to_jsonb(t)), ''{}'') FROM public.%I AS t',
                 (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = to_regclass(format('public.%I', tabla)) AND i.indisprimary), tabla) INTO filas;
  RETURN filas;
END
$$;

-- Of a list ({key: row}), the rows that its table has alike are what it was filled with.
CREATE OR REPLACE FUNCTION lab.remember_rows(lista name, filas jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  hay jsonb := lab.rows_by_key(lista);
BEGIN
  DELETE FROM lab.reference_rows r WHERE r.tabla = lista AND NOT coalesce(hay -> r.codigo @> (filas -> r.codigo), false);
  INSERT INTO lab.reference_rows (tabla, codigo, fila)
  SELECT lista, key, value FROM jsonb_each(filas) WHERE hay -> key @> value
      ON CONFLICT (tabla, codigo) DO UPDATE SET fila = excluded.fila WHERE reference_rows.fila <> excluded.fila;
END
$$;

-- Rows of the lists that are not as they were written, and copies of reference tables that are not the coordinator's. A copy is asked for
-- twice: what is written just now may have reached one node and not yet another. While a node does not answer, others say that.
CREATE OR REPLACE FUNCTION lab.row_differences() RETURNS TABLE (object text, found text, wanted text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  lista name;
  hay jsonb;
  copiada regclass;
BEGIN
  FOR lista IN SELECT DISTINCT r.tabla FROM lab.reference_rows r WHERE to_regclass(format('public.%I', r.tabla)) IS NOT NULL ORDER BY 1 LOOP
    hay := lab.rows_by_key(lista);
    RETURN QUERY
    SELECT 'rows of ' || lista, format('%s changed or missing (%s)', count(*), array_to_string((array_agg(r.codigo ORDER BY r.codigo))[:5], ', ')),
           'as they were written'
      FROM lab.reference_rows r WHERE r.tabla = lista AND NOT coalesce(hay -> r.codigo @> r.fila, false) HAVING count(*) > 0;
  END LOOP;
  IF EXISTS (SELECT FROM lab.nodes n WHERE NOT n.responds) THEN
    RETURN;
  END IF;
  FOR copiada IN SELECT t.table_name FROM public.citus_tables t WHERE t.citus_table_type = 'reference' ORDER BY 1 LOOP
    IF EXISTS (SELECT FROM lab.other_copies(copiada)) THEN
      RETURN QUERY SELECT format('rows of %s on %s', replace(copiada::text, 'public.', ''), o), 'others', 'those of the coordinator'
                     FROM lab.other_copies(copiada) o;
    END IF;
  END LOOP;
END
$$;

-- Repairs what the scripts that create things leave alone because it has the name that they would give it. Before they
-- create anything: a table goes by the partitions of the one that it lies beside.
CREATE OR REPLACE FUNCTION lab.restore() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  d record;
BEGIN
  -- Citus changes a table's shards all at once, and then refuses to touch the reference table in the same transaction.
  PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
  -- Partitions first: what is added to their table afterwards reaches them too.
  FOR d IN SELECT * FROM lab.differences() ORDER BY clase <> 'partition', clase, relacion, nombre LOOP
    CASE d.clase
      WHEN 'constraint' THEN
        CONTINUE WHEN d.wanted LIKE 'FOREIGN KEY%';  -- of tables that are distributed; lab.add_foreign_key
        IF d.found <> 'absent' THEN
          PERFORM lab.ddl(format('ALTER TABLE %s DROP CONSTRAINT %I', d.relacion, d.nombre));
        END IF;
        PERFORM lab.ddl(format('ALTER TABLE %s ADD CONSTRAINT %I %s', d.relacion, d.nombre, d.wanted));
      WHEN 'index' THEN
        IF d.found <> 'absent' THEN
          -- One that was left invalid may be missing on shards.
          PERFORM lab.ddl(format('DROP INDEX IF EXISTS %s', d.nombre));
        END IF;
        -- Of a partitioned table the catalogue shows the part without its parts.
        PERFORM lab.ddl(replace(d.wanted, ' ON ONLY ', ' ON '));
      WHEN 'trigger' THEN
        IF d.found = 'absent' THEN
          EXECUTE d.wanted;
        ELSE
          EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', d.relacion, d.nombre);
        END IF;
      WHEN 'partition' THEN
        CONTINUE WHEN (SELECT relkind FROM pg_class WHERE oid = to_regclass(d.relacion)) <> 'p';  -- made anew just now
        PERFORM set_config('event_triggers', 'off', true);  -- what keeps others from it
        IF to_regclass(d.nombre) IS NULL THEN
          EXECUTE format('CREATE FOREIGN TABLE %s PARTITION OF %s %s', d.nombre, d.relacion, d.wanted);
        ELSIF d.found = 'absent' THEN
          EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s %s', d.relacion, d.nombre, split_part(d.wanted, ' SERVER ', 1));
        END IF;
        PERFORM set_config('event_triggers', 'on', true);
      WHEN 'rights' THEN
        -- Granted again by privileges.sql, where it was meant.
        EXECUTE format('REVOKE ALL ON %s FROM %s', d.relacion, d.nombre);
      WHEN 'policy' THEN
        IF d.wanted = 'absent' THEN
          EXECUTE format('DROP POLICY %I ON %s', d.nombre, d.relacion);
        END IF;
      WHEN 'role' THEN
        IF d.found <> 'absent' THEN
          EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION %s %s', d.nombre,
                         CASE WHEN d.wanted LIKE '%BYPASSRLS%' THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
                         CASE WHEN d.wanted LIKE '%LOGIN%' THEN 'LOGIN' ELSE 'NOLOGIN' END);
        END IF;
      WHEN 'membership' THEN
        CONTINUE WHEN to_regrole(d.nombre) IS NULL;
        PERFORM lab.set_groups(d.nombre::name, string_to_array(nullif(d.wanted, 'absent'), ', ')::name[]);
      ELSE
        NULL;  -- the scripts that come before and after this do it
    END CASE;
  END LOOP;
END
$$;

-- What the nodes lack of what is here now; only postgres_fdw has any of that.
CREATE OR REPLACE FUNCTION lab.restore_nodes() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF to_regprocedure('lab.mend_nodes()') IS NOT NULL THEN
    PERFORM lab.mend_nodes();
  END IF;
END
$$;

-- A change of the tables that a newer version makes in a lab that is there: on all nodes, and remembered as installed. To be written so that it
-- does nothing the second time (IF NOT EXISTS).
CREATE OR REPLACE FUNCTION lab.migrate(sentencia text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  antes jsonb := (SELECT jsonb_agg(to_jsonb(n)) FROM lab.catalogue_now() n WHERE n.clase IN ('column', 'constraint', 'index'));
BEGIN
  PERFORM lab.ddl(sentencia);
  WITH before AS (
    SELECT b.* FROM jsonb_to_recordset(antes) AS b (clase text, relacion text, nombre text, estado text)
  ), gone AS (
    DELETE FROM lab.installed i USING before b
     WHERE (i.clase, i.relacion, i.nombre) = (b.clase, b.relacion, b.nombre)
       AND NOT EXISTS (SELECT FROM lab.catalogue_now() n WHERE (n.clase, n.relacion, n.nombre) = (b.clase, b.relacion, b.nombre))
  )
  INSERT INTO lab.installed (clase, relacion, nombre, estado)
  SELECT n.clase, n.relacion, n.nombre, n.estado FROM lab.catalogue_now() n LEFT JOIN before b USING (clase, relacion, nombre)
   WHERE n.clase IN ('column', 'constraint', 'index') AND n.estado IS DISTINCT FROM b.estado
     AND EXISTS (SELECT FROM lab.installed i WHERE i.relacion = n.relacion)
      ON CONFLICT (clase, relacion, nombre) DO UPDATE SET estado = excluded.estado;
END
$$;
-- A check of another form takes the place of an older one. Rows that do not keep it stay: it is then for rows to come alone.
CREATE OR REPLACE FUNCTION lab.replace_check(tabla regclass, viejo name, nuevo name, condicion text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  quedan boolean;
BEGIN
  IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = tabla AND conname = viejo) THEN
    PERFORM lab.migrate(format('ALTER TABLE %s DROP CONSTRAINT %I', tabla, viejo));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = tabla AND conname = nuevo) THEN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s WHERE NOT (%s))', tabla, condicion) INTO quedan;  -- Citus wants the 1
    PERFORM lab.migrate(format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s)%s', tabla, nuevo, condicion, CASE WHEN quedan THEN ' NOT VALID' ELSE '' END));
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION lab.replace_check(regclass, name, name, text), lab.catalogue_now(), lab.differences(), lab.restore(), lab.restore_nodes(), lab.migrate(text),
  lab.rows_by_key(name), lab.remember_rows(name, jsonb), lab.row_differences() FROM PUBLIC;
