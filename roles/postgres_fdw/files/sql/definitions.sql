CREATE SCHEMA IF NOT EXISTS lab;

-- What every node has of a table, as lines that can be compared: columns and their types, CHECKs, indexes, statistics. The same on the coordinator and on the
-- workers. Left out is what only one side has: numbers of an identity are given by the coordinator, unique keys of a
-- distributed table are the workers'.
CREATE OR REPLACE FUNCTION lab.definition(tabla regclass) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat_ws(' ', 'column', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                   CASE WHEN a.attcollation <> y.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
                   CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                   CASE WHEN a.attgenerated <> '' THEN 'GENERATED ' || pg_get_expr(d.adbin, d.adrelid)
                        WHEN a.attidentity = '' AND d.oid IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END)
    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = tabla AND a.attnum > 0 AND NOT a.attisdropped
   UNION ALL
  SELECT format('constraint %I %s', c.conname, pg_get_constraintdef(c.oid))
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
   WHERE t.oid = tabla AND (c.contype = 'c' OR (c.contype IN ('p', 'u') AND t.relkind = 'r'))
   UNION ALL
  SELECT concat_ws(' ', 'index', i.indexrelid::regclass, replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON '),
                   CASE WHEN NOT i.indisvalid THEN '(invalid)' END)
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
   WHERE t.oid = tabla AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = t.oid)
     AND (t.relkind = 'r' OR NOT i.indisunique)
   UNION ALL
  SELECT format('statistics %I.%I %s', s.stxnamespace::regnamespace, s.stxname, pg_get_statisticsobjdef(s.oid)) FROM pg_statistic_ext s WHERE s.stxrelid = tabla
   UNION ALL
  SELECT format('setting %I SET STATISTICS %s', a.attname, a.attstattarget) FROM pg_attribute a
   WHERE a.attrelid = tabla AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
   UNION ALL
  SELECT DISTINCT format('type %s %s', y.oid::regtype, concat_ws(' ', nullif(y.typbasetype, 0)::regtype,
                   (SELECT string_agg(quote_literal(e.enumlabel), ' ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid),
                   (SELECT string_agg(pg_get_constraintdef(c.oid), ' ' ORDER BY c.conname) FROM pg_constraint c WHERE c.contypid = y.oid)))
    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
   WHERE a.attrelid = tabla AND a.attnum > 0 AND NOT a.attisdropped AND y.typtype IN ('e', 'd');
$$;

-- Who may do what with a table, beside its owner, as lines that can be compared.
CREATE OR REPLACE FUNCTION lab.rights(tabla regclass) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('%s%s TO %s%s', x.privilege_type, x.columna, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
                CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END)
    FROM pg_class t CROSS JOIN LATERAL (
      SELECT e.grantee, e.privilege_type, e.is_grantable, '' AS columna FROM aclexplode(t.relacl) e
       UNION ALL
      SELECT e.grantee, e.privilege_type, e.is_grantable, format(' (%I)', a.attname)
        FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) e WHERE a.attrelid = t.oid AND NOT a.attisdropped) x
   WHERE t.oid = tabla AND x.grantee <> t.relowner
   ORDER BY 1;
$$;

-- The statements that make an empty table like `tabla` on another server. `particion` (PARTITION BY ...) follows
-- the columns. Identity is left out: numbers are given at the coordinator.
CREATE OR REPLACE FUNCTION lab.table_script(tabla regclass, particion text DEFAULT '') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat_ws(E';\n',
    format('CREATE TABLE %s (%s) %s', quoted.name, columns.list, particion),
    format('ALTER TABLE %s OWNER TO %I', quoted.name, pg_get_userbyid(t.relowner)),
    (SELECT string_agg(format('ALTER TABLE %s ADD CONSTRAINT %I %s', quoted.name, conname, pg_get_constraintdef(oid)),
                       E';\n' ORDER BY contype = 'c', conname)
       FROM pg_constraint WHERE conrelid = t.oid AND contype IN ('p', 'u', 'c')),
    (SELECT string_agg(replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), E';\n' ORDER BY indexrelid)
       FROM pg_index i WHERE indrelid = t.oid
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = t.oid)),
    (SELECT string_agg(pg_get_statisticsobjdef(oid), E';\n' ORDER BY oid) FROM pg_statistic_ext WHERE stxrelid = t.oid),
    (SELECT string_agg(format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', quoted.name, attname, attstattarget), E';\n' ORDER BY attnum)
       FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0),
    (SELECT string_agg(CASE objsubid
              WHEN 0 THEN format('COMMENT ON TABLE %s IS %L', quoted.name, description)
              ELSE format('COMMENT ON COLUMN %s.%I IS %L', quoted.name, attname, description) END, E';\n' ORDER BY objsubid)
       FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND a.attnum > 0
      WHERE d.objoid = t.oid AND d.classoid = 'pg_class'::regclass)
  )
  FROM pg_class t
  CROSS JOIN LATERAL (SELECT format('%I.%I', t.relnamespace::regnamespace::text, t.relname) AS name) quoted
  CROSS JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
             CASE WHEN a.attcollation <> y.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
             CASE WHEN a.attgenerated = 's' THEN format('GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                  WHEN a.attidentity = '' AND d.oid IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
             CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', ' ORDER BY a.attnum) AS list
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) columns
 WHERE t.oid = tabla;
$$;
