#!/bin/sh
# libpq 18.6 (psycopg-binary 3.3.9, PyPI): an empty PG* variable is "not set" for some settings and a wrong value for others.
#
# Guess: empty is like unset, so that Ansible's `environment:`, which can set and not unset, takes an exported variable away by ''.
# Seen:  '' leaves PGHOSTADDR, PGPORT, PGPASSWORD, PGOPTIONS, PGSSLROOTCERT and others as if unset; PGSERVICE, PGSSLMODE and the rest of
#        the second list are refused before anything is connected, with a message each; and of the two bounds of TLS's version the
#        lower one may be empty, of the protocol's version it may not.
# Nothing listens at port 1: what libpq takes ends there.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/v"
"$place/v/bin/pip" install -q --disable-pip-version-check psycopg==3.3.9 psycopg-binary==3.3.9
cat >"$place/ask.py" <<'PY'
import os

import psycopg

UNSET = """PGHOSTADDR PGPORT PGPASSWORD PGOPTIONS PGSSLROOTCERT PGREQUIREAUTH PGAPPNAME PGSERVICEFILE PGCLIENTENCODING
           PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION"""
REFUSED = """PGSERVICE PGSSLMODE PGSSLNEGOTIATION PGTARGETSESSIONATTRS PGCHANNELBINDING PGGSSENCMODE PGCONNECT_TIMEOUT
             PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGLOADBALANCEHOSTS"""
for name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[name]
wrong = 0
for names, refused in ((UNSET, False), (REFUSED, True)):
    for name in names.split():
        os.environ[name] = ""
        try:
            psycopg.connect("host=127.0.0.1 port=1")
        except psycopg.Error as error:
            said = str(error).splitlines()[0].removeprefix("connection is bad: ")
        del os.environ[name]
        taken = "connection to server" in said
        print(f"{name}='':", "as if unset" if taken else said)
        wrong += taken == refused
print("libpq", psycopg.pq.version(), "as expected" if not wrong else f"{wrong} are not as expected")
raise SystemExit(bool(wrong or psycopg.pq.version() != 180006))
PY
"$place/v/bin/python" "$place/ask.py"
