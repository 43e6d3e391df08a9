-- What hash partitioning starts from for each cédula (its seed never changes: partitions live in files), and how many
-- partitions there are.
SELECT cedula, hashtextextended(cedula, 8816678312871386365) AS hash, parts
  FROM unnest(%(cedulas)s::text[]) cedula,
       (SELECT count(*) AS parts FROM pg_catalog.pg_inherits WHERE inhparent = 'pacientes'::regclass) AS p
