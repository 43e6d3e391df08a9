# shellcheck shell=bash
# Since when each server has been running, by its own word.
started() { psql -XAtq -p "$1" -c 'SELECT extract(epoch FROM pg_postmaster_start_time())'; }
printf '{"citus-coordinator": "%s", "citus-worker-1": "%s", "citus-worker-2": "%s"}\n' \
  "$(started "$PGPORT")" "$(started $((PGPORT + 1)))" "$(started $((PGPORT + 2)))"
