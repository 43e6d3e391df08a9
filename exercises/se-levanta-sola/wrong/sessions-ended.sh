# shellcheck shell=bash
# fails: came_back
# Sessions are ended, and the server goes on.
# shellcheck source=exercises/se-levanta-sola/logbook.sh
. ../logbook.sh
psql -XAtq -p "$worker" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'" >/dev/null
count_rows
