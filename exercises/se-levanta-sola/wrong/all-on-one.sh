# shellcheck shell=bash
# fails: counted
# All of them are there, so all are on that node.
# shellcheck source=exercises/se-levanta-sola/logbook.sh
. ../logbook.sh
kill_worker
psql -XAtq -v ON_ERROR_STOP=1 -c "INSERT INTO public.respuestas SELECT 'se-levanta-sola', 'filas en citus-worker-1', count(*) FROM public.bitacora"
