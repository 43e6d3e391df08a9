"""Environment variables that users set for other tools; add a case with one line.

Each value would break something of the lab's, or lead it elsewhere, if it came there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from support.labs import Lab

#: An address that nobody has (RFC 5737), and a port where nobody listens.
NOWHERE, CLOSED = "192.0.2.1", "http://127.0.0.1:9"
#: Kept out wherever a lab is made, asked or removed: by `make`, by ansible-playbook itself, by a lab's psql.
EXPORTED: dict[str, dict[str, str]] = {
    "another server": {"PGHOST": NOWHERE, "PGPORT": "1", "PGDATABASE": "ventas"},
    "another server's address": {"PGHOSTADDR": NOWHERE},
    "another login": {"PGUSER": "ana", "PGPASSWORD": "of-ana", "PGPASSFILE": "/dev/null"},
    "a service": {"PGSERVICE": "ventas"},
    "a service of a file": {"PGSERVICE": "ventas", "PGSERVICEFILE": "/dev/null"},
    "options of a session": {"PGOPTIONS": "-c search_path=ventas -c default_transaction_read_only=on"},
    "how dates are written": {"PGDATESTYLE": "SQL, DMY", "PGTZ": "America/Bogota"},
    "another encoding": {"PGCLIENTENCODING": "LATIN1"},
    "TLS": {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system", "PGSSLMINPROTOCOLVERSION": "TLSv1.3"},
    "TLS from the first byte": {"PGSSLNEGOTIATION": "direct"},
    "channel binding": {"PGCHANNELBINDING": "require"},
    "Kerberos": {"PGGSSENCMODE": "require", "PGKRBSRVNAME": "ventas"},
    "one way to log in": {"PGREQUIREAUTH": "gss"},
    "a standby": {"PGTARGETSESSIONATTRS": "standby"},
    "a version of the protocol": {"PGMINPROTOCOLVERSION": "3.2", "PGMAXPROTOCOLVERSION": "3.2"},
    "another psycopg": {"PSYCOPG_IMPL": "c"},
    "a proxy": dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), CLOSED),
    "a proxy for all": {"all_proxy": CLOSED, "ALL_PROXY": CLOSED},
    "a proxy but for some": {"http_proxy": CLOSED, "https_proxy": CLOSED, "no_proxy": "intranet.example"},
    "another cluster": {"K8S_AUTH_HOST": f"https://{NOWHERE}:6443", "K8S_AUTH_API_KEY": "somebody-elses"},
    "another cluster's login": {"K8S_AUTH_USERNAME": "ana", "K8S_AUTH_PASSWORD": "of-ana", "K8S_AUTH_VERIFY_SSL": "no"},
    "another kubeconfig": {"K8S_AUTH_KUBECONFIG": "/dev/null", "K8S_AUTH_CONTEXT": "nobodys"},
    "no such folder": {"TMPDIR": "/nowhere"},
    "an environment of Python": {"VIRTUAL_ENV": "/nowhere", "PYTHONSTARTUP": "/nowhere"},
    "where pip installs": {"PIP_USER": "1", "PIP_TARGET": "/nowhere", "PIP_NO_BINARY": ":all:"},
    "where uv installs": {"UV_SYSTEM_PYTHON": "1", "UV_PYTHON": "/nowhere", "UV_NO_BINARY": "1"},
}
#: What stops Ansible itself before anything of the lab's begins: kept out where `make` is what is typed.
OF_ANSIBLE: dict[str, dict[str, str]] = {
    "a locale that is not there": {"LANG": "es_CO.UTF-8"},
    "one category that is not there": {"LANG": "C.UTF-8", "LC_TIME": "es_CO.UTF-8"},
    "what a Mac sends along": {"LC_CTYPE": "UTF-8"},
    "no locale": {"LC_ALL": "C"},
    "another Python's library": {"PYTHONHOME": "/nowhere"},
    "warnings that are errors": {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"},
    "another way to write": {"PYTHONIOENCODING": "latin1", "PYTHONUTF8": "0"},
    "another place of collections": {"ANSIBLE_COLLECTIONS_PATH": "/nowhere", "ANSIBLE_ROLES_PATH": "/nowhere"},
    "another way of Ansible": {
        "ANSIBLE_STRATEGY": "of-somebody",
        "ANSIBLE_BECOME": "1",
        "ANSIBLE_INVENTORY_ENABLED": "ini",
    },
    "where cd goes": {"CDPATH": "/usr"},
}


def broken_package(folder: Path, name: str) -> dict[str, str]:
    """A path of Python's on which a package of this name stands before the lab's own, and cannot be imported."""
    folder.mkdir()
    (folder / f"{name}.py").write_text(f"raise ImportError('{name} of somebody else')\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def together(*tables: dict[str, dict[str, str]]) -> dict[str, str]:
    """All cases of the tables at once; of a variable that several have, the last one's value."""
    return {name: value for table in tables for case in table.values() for name, value in case.items()}


#: What a session is like, as the lab's psql sees it.
SESSION = """
SELECT current_user, current_database(), inet_server_port(), name, setting
FROM pg_settings
WHERE name IN ('DateStyle', 'TimeZone', 'client_encoding', 'default_transaction_read_only', 'search_path')
"""


def psql(lab: Lab, exported: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Ask with the lab's psql, as `make psql` does."""
    return subprocess.run(
        [str(lab.directory / "bin/psql"), "-XAtc", SESSION],
        env={**os.environ, **exported},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def everything_works(lab: Lab, exported: Mapping[str, str]) -> None:
    """A second run changes nothing, every check passes, status knows all of it, psql is the administrator's."""
    somebodys = replace(lab, environment={**lab.environment, **exported})
    again = somebodys.play("site.yml")
    assert again.rc == 0, again.stdout + again.stderr
    assert again.recap[lab.name]["changed"] == 0, again.stdout
    verified = somebodys.play("verify.yml")
    assert re.search(r"(\d+) of \1 checks passed", verified.stdout), verified.stdout + verified.stderr
    status = somebodys.play("status.yml")
    assert re.search(r"historia_clinica, answers", status.stdout), status.stdout + status.stderr
    assert re.search(r"API .* ok, ", status.stdout), status.stdout
    asked = psql(lab, exported)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout == psql(lab, {}).stdout != ""
