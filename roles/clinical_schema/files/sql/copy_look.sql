-- What a copy of the history has to know: the statements that give its tables the columns that they have here (`column`), what its rows would
-- not let in if it came before them (`after`), the rows
-- of each table (`rows`), and what of others' making is not in it (`left out`). Reads only.
WITH tables AS (
  SELECT to_regclass('public.' || t) AS oid, t AS name
    FROM unnest(ARRAY['medicos', 'municipios', 'cie10', 'pacientes', 'consultas', 'usuario', 'solicitudes', 'accesos', 'cambios', 'accesos_paginas']) AS t
), columns AS (
  SELECT t.name AS table_name, a.*, pg_get_expr(d.adbin, d.adrelid) AS expression
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
), installed AS (
  SELECT replace(relacion, 'public.', '') AS table_name, nombre AS attname FROM lab.installed WHERE clase = 'column'
)
SELECT 'column' AS kind,
       format('ALTER TABLE public.%I ADD COLUMN %I %s%s;', c.table_name, c.attname, format_type(c.atttypid, c.atttypmod),
              CASE WHEN c.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) STORED', c.expression)
                   WHEN c.expression IS NOT NULL THEN ' DEFAULT ' || c.expression ELSE '' END) AS text
  FROM columns c WHERE NOT EXISTS (SELECT FROM installed i WHERE (i.table_name, i.attname) = (c.table_name, c.attname))
 UNION ALL
SELECT 'column', format('ALTER TABLE public.%I DROP COLUMN %I CASCADE;', i.table_name, i.attname)
  FROM installed i JOIN tables t ON t.name = i.table_name
 WHERE NOT EXISTS (SELECT FROM columns c WHERE (i.table_name, i.attname) = (c.table_name, c.attname))
 UNION ALL
-- A check for rows to come alone: rows of an older lab do not keep it.
SELECT k.kind, format('ALTER TABLE public.%I %s;', t.name, CASE k.kind WHEN 'column' THEN format('DROP CONSTRAINT %I', c.conname)
                                                            ELSE format('ADD CONSTRAINT %I %s', c.conname, pg_get_constraintdef(c.oid)) END)
  FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'c' AND NOT c.convalidated
 CROSS JOIN (VALUES ('column'), ('after')) AS k (kind)
 UNION ALL
SELECT 'rows', format('%s %s', table_name, rows) FROM lab.tables WHERE table_name IN (SELECT name FROM tables)
 UNION ALL
SELECT 'left out', format('%s %s', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END, c.oid::regclass)
  FROM pg_class c
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
   AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$|lab$|shards$|citus)'
   AND c.oid NOT IN (SELECT oid FROM tables) AND c.oid::regclass::text <> 'citus_tables'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2;
