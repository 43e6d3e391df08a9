# shellcheck shell=bash
# What the answers share: the table with its rows, and a server that is killed and comes back.
psql -XAtq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE public.bitacora (paciente_id text PRIMARY KEY, nota text);
SELECT lab.create_distributed_table('public.bitacora', 'paciente_id');
INSERT INTO public.bitacora SELECT cedula, 'nota' FROM public.pacientes;
SQL
worker=$((PGPORT + 1)) # the port of citus-worker-1

kill_worker() { # kill_worker: until it has started again and all nodes answer, 20 s at most
  local before answer started
  before=$(psql -XAtq -p "$worker" -c 'SELECT pg_postmaster_start_time()')
  kill -9 "$(head -1 "$LAB_DIRECTORY/data/citus-worker-1/postmaster.pid")"
  for _ in $(seq 100); do
    # While the server is away psql fails, and that is waited for.
    answer=$(psql -XAtq -c 'SELECT bool_and(responds) FROM lab.nodes' 2>/dev/null) || answer=
    started=$(psql -XAtq -p "$worker" -c 'SELECT pg_postmaster_start_time()' 2>/dev/null) || started=$before
    if [[ $answer == t && $started != "$before" ]]; then return; fi
    sleep 0.2 # a server does not tell when it answers again
  done
  echo 'citus-worker-1 was killed and has not come back in 20 s' >&2
  return 1
}

count_rows() { # count_rows: write down how many of them that node has
  psql -XAtq -v ON_ERROR_STOP=1 -c "INSERT INTO public.respuestas SELECT 'se-levanta-sola', 'filas en citus-worker-1', sum(rows) FROM lab.shards
    WHERE table_name = 'bitacora' AND node_name = 'citus-worker-1'"
}
