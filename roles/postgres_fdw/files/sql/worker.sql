-- What a worker has of the schema lab, beside definitions.sql. Run on each worker, by lab.join_nodes.

-- A copy that somebody writes to is no copy any more, and what he locks keeps the coordinator's rows out. The copying itself is not
-- stopped: it runs no trigger of this kind (session_replication_role).
CREATE OR REPLACE FUNCTION lab.refuse_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'table % is a copy on this node, it is written at the coordinator', TG_TABLE_NAME
    USING ERRCODE = 'read_only_sql_transaction', HINT = 'Connect to the coordinator and write there: every node gets the row.';
END
$$;

-- Changes of tables that the coordinator carried here. One that it does not know of itself ended half-way: this node had
-- committed it when another one died.
CREATE TABLE IF NOT EXISTS lab.statements (
  id uuid NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  search_path text NOT NULL,
  statement text NOT NULL,
  CONSTRAINT statements_pkey PRIMARY KEY (id)
);

-- What the coordinator inserts here is run here, in its own transaction (postgres_fdw's), and answered: so it commits or not
-- together with what it is part of.
CREATE OR REPLACE VIEW lab.run AS
SELECT NULL::uuid AS id, NULL::text AS search_path, NULL::text AS statement, NULL::text AS question, NULL::text AS answer WHERE false;
CREATE OR REPLACE FUNCTION lab.run_here() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  before text := pg_catalog.current_setting('search_path');
BEGIN
  PERFORM pg_catalog.set_config('search_path', NEW.search_path, true);
  IF NEW.statement IS NOT NULL THEN
    EXECUTE NEW.statement;
  END IF;
  IF NEW.id IS NOT NULL THEN
    INSERT INTO lab.statements (id, search_path, statement) VALUES (NEW.id, NEW.search_path, NEW.statement);
  END IF;
  IF NEW.question IS NOT NULL THEN
    EXECUTE NEW.question INTO NEW.answer;
  END IF;
  PERFORM pg_catalog.set_config('search_path', before, true);
  RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER run_here INSTEAD OF INSERT ON lab.run FOR EACH ROW EXECUTE FUNCTION lab.run_here();

-- What policies of the coordinator compare by (row_security.sql) costs nothing, so that it is computed before every condition of whoever asks: each
-- that can fail costs something, and what costs less comes first.
ALTER FUNCTION pg_catalog.texteq(text, text) COST 0.0001;
ALTER FUNCTION pg_catalog.starts_with(text, text) COST 0.0001;
