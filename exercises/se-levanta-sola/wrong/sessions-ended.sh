# shellcheck shell=bash
# fails: came_back
# Sessions are ended, and the server goes on.
psql -XAtq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE public.bitacora (id integer PRIMARY KEY, nota text);
SELECT lab.create_distributed_table('public.bitacora', 'id');
INSERT INTO public.bitacora SELECT n, 'nota' FROM generate_series(1, 100) AS n;
SQL
psql -XAtq -p $((PGPORT + 1)) -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'" >/dev/null
psql -XAtq -v ON_ERROR_STOP=1 -c "INSERT INTO public.respuestas SELECT 'se-levanta-sola', 'filas en citus-worker-1', sum(rows) FROM lab.shards
  WHERE table_name = 'bitacora' AND node_name = 'citus-worker-1'"
