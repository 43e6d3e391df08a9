#!/bin/sh
# Run a server, whose log loses on its way what may be a person's data:
#   server.sh RULES PIPE COMMAND...
# LAB_MEMORY_MB bounds what each of its processes may have: a query that wants more is an error, and whoever else is on the machine goes on.
# RULES are sed's; PIPE is a name for a pipe, which is gone once both ends have it. Signals go on to the server, and its exit code is
# this program's, which ends when the log has the server's last word.
set -u
rules=$1 pipe=$2
shift 2
if [ -n "${LAB_MEMORY_MB-}" ]; then
  memory=$((LAB_MEMORY_MB * 1024))
  # Tried in a shell of its own: one that does not know the option (macOS) may end by it.
  # shellcheck disable=SC3045
  if (ulimit -v $memory) 2>/dev/null; then ulimit -v $memory; else echo "This system bounds no process's memory." >&2; fi
fi
rm -f "$pipe"
mkfifo -m 600 "$pipe" || exit 1
case $(uname) in Darwin) at_once=-l ;; *) at_once=-u ;; esac
server=
for signal in HUP INT QUIT TERM; do
  # shellcheck disable=SC2064  # of the loop
  trap "kill -$signal \$server" "$signal"
done
env -i PATH="$PATH" sed "$at_once" -E -f "$rules" <"$pipe" &
"$@" 2>"$pipe" &
server=$!
while
  code=0
  wait "$server" || code=$?
  kill -0 "$server" 2>/dev/null # a signal came, and the server goes on
do :; done
wait
rm -f "$pipe"
exit "$code"
