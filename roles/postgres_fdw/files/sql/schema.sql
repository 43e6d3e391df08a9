-- What the other scripts stand on: extensions, schemas, and the one fact that no catalogue of PostgreSQL holds.
CREATE SCHEMA IF NOT EXISTS lab;
-- The foreign partitions live apart, so that \dt shows the tables of the clinical history and nothing else.
CREATE SCHEMA IF NOT EXISTS shards;
CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public;
-- In lab, where PUBLIC loses the right to run it: whoever has dblink can make the server connect anywhere.
CREATE EXTENSION IF NOT EXISTS dblink SCHEMA lab;

-- Distributed and reference tables. Everything else (columns, partitions, nodes) is asked from the catalogue.
CREATE TABLE IF NOT EXISTS lab.distribution (
  table_name regclass PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('distributed', 'reference')),
  colocation_id integer NOT NULL
);

CREATE OR REPLACE FUNCTION lab.engine() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'postgres_fdw';

-- The nodes are foreign servers: their TYPE says the role. The coordinator is one too, for what has to happen
-- in a transaction of its own there (see lab.on_node).
CREATE OR REPLACE VIEW lab.servers AS
SELECT s.oid AS server_oid,
       s.srvname::text AS node_name,
       s.srvtype AS role,
       max(o.option_value) FILTER (WHERE o.option_name = 'host') AS host,
       max(o.option_value) FILTER (WHERE o.option_name = 'port')::integer AS port,
       max(o.option_value) FILTER (WHERE o.option_name = 'dbname') AS dbname,
       -- One name for replication slot, subscription and standby; a slot's name allows no more than this.
       'lab_' || regexp_replace(lower(s.srvname), '[^a-z0-9]', '_', 'g') AS subscription
  FROM pg_catalog.pg_foreign_server s
  LEFT JOIN LATERAL pg_catalog.pg_options_to_table(s.srvoptions) o ON true
 WHERE s.srvtype IN ('coordinator', 'worker')
 GROUP BY s.oid, s.srvname, s.srvtype;

CREATE OR REPLACE VIEW lab.workers AS
SELECT * FROM lab.servers WHERE role = 'worker';

-- Every foreign partition with its node: which part of which table is where.
CREATE OR REPLACE VIEW lab.partitions AS
SELECT i.inhparent::regclass AS table_name,
       c.oid AS partition_oid,
       c.relname::text AS shard_name,
       s.node_name,
       substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM 'modulus (\d+)')::integer AS modulus,
       substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM 'remainder (\d+)')::integer AS remainder
  FROM lab.distribution d
  JOIN pg_catalog.pg_inherits i ON i.inhparent = d.table_name
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = c.oid
  JOIN lab.servers s ON s.server_oid = f.ftserver
 WHERE d.kind = 'distributed';
