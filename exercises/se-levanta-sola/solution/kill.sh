# shellcheck shell=bash
# The process is killed; the supervisor sees it.
# shellcheck source=exercises/se-levanta-sola/logbook.sh
. ../logbook.sh
kill_worker
count_rows
