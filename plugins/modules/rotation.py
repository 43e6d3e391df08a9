#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Change the passwords and keys of a lab that is in use."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation
short_description: Change the passwords and keys of a lab that is in use
description:
  - The secrets that take the others' place lie beside them, in the directory C(next), before any server learns of one (module
    M(aula.historia_clinica.credentials)). So a run that was killed is finished by the next, whatever it had got to.
  - Needs the functions C(lab.rotate_login) and C(lab.end_rotation) of the lab's database, and the package psycopg.
options:
  directory:
    description: Absolute path of the directory with the lab's credentials.
    type: path
    required: true
  connection:
    description: Where the database is, as libpq's variables (the fact C(lab), C(libpq)).
    type: dict
    required: true
  logins:
    description: Names of the logins. The administrator's, as whom this module comes, is changed last.
    type: list
    elements: str
    required: true
  keys:
    description: Names of the kinds of keys.
    type: list
    elements: str
    default: []
  keep_seconds:
    description: How long what an older key has signed is believed; 0 ends it at once.
    type: int
    default: 900
  nodes:
    description: Whether the servers log in to each other with these passwords (C(nodes.pgpass)).
    type: bool
    default: true
  state:
    description:
      - V(possible) looks whether every node answers, and changes nothing.
      - V(changed) lets the servers learn the secrets of C(next), and puts each in its place.
      - V(finished) changes what the servers alone know, sees that every node answers, and forgets C(next).
    type: str
    choices: [possible, changed, finished]
    required: true
  owner:
    description: Owner of the files.
    type: str
  group:
    description: Group of the files.
    type: str
attributes:
  check_mode:
    support: full
    description: Says that there is something to change, and changes nothing.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Let the servers learn the new passwords
  aula.historia_clinica.rotation:
    directory: /var/lib/historia-clinica/labs/lab/credentials
    connection: "{{ ansible_facts['lab']['libpq'] }}"
    logins: [admin, middleware]
    keys: [signing]
    state: changed
  no_log: true
"""

RETURN = r"""
resumed:
  description: Whether a rotation that has not ended was found.
  returned: always
  type: bool
until:
  description: Until when what an older key has signed is believed, in seconds since 1970.
  returned: always
  type: int
"""

import os
import shutil
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_text,
    read_text,
    see_that_nobody_else_writes,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.rotation import (
    NEXT,
    password_file,
    password_line,
    read_password,
    rotated_keys,
)

try:
    import psycopg
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None

#: Seconds that a server is given for one step: a worker that hangs is waited for no longer.
STEP_SECONDS = 120
SILENT = "SELECT node_name, error FROM lab.nodes WHERE NOT responds ORDER BY node_name"


class RotationError(Exception):
    """The passwords cannot be changed; the message says why, and what was changed."""


class Rotation:
    """A lab's secrets, and those that take their place."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.directory: str = parameters["directory"]
        self.next = os.path.join(self.directory, NEXT)
        self.owner = Ownership.of(parameters["owner"], parameters["group"])
        self.parameters = parameters
        self.under_way = os.path.isdir(self.next)

    def password(self, login: str, folder: str) -> str:
        """The password of a login in a folder; empty where there is none."""
        return read_password(read_text(os.path.join(folder, f"{login}.pgpass")) or "", login)

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as the administrator, whom the server knows by the old password or by the new one.

        Raises:
            RotationError: the server does not answer, or knows neither.
        """
        where = self.parameters["connection"]
        login = where["PGUSER"]
        said = ""
        for folder in (self.directory, self.next):
            password = self.password(login, folder)
            if not password:
                continue
            try:
                return psycopg.connect(
                    host=where["PGHOST"],
                    port=where["PGPORT"],
                    user=login,
                    dbname=where["PGDATABASE"],
                    password=password,
                    passfile="/dev/null",
                    connect_timeout=10,
                    application_name="rotate",
                    options=f"-c statement_timeout={STEP_SECONDS}s",
                    autocommit=True,
                )
            except psycopg.OperationalError as error:
                said = said or str(error).strip().splitlines()[-1]
        if "authentication failed" not in said:
            raise RotationError(f"the coordinator does not answer: start the lab first ({said})")
        raise RotationError(f"the coordinator does not let {login} in: {said}")

    def look(self) -> None:
        """See that all nodes can learn another password.

        Raises:
            RotationError: one cannot; nothing was changed.
        """
        with self.connect() as connection:
            known = connection.execute(
                "SELECT to_regprocedure('lab.rotate_login(name,text)') IS NOT NULL"
                " AND to_regprocedure('lab.end_rotation()') IS NOT NULL"
            ).fetchone()
            if known != (True,):
                raise RotationError("this lab was made by an older version, which cannot: make the lab again first")
            strangers = connection.execute(
                "SELECT string_agg(l, ', ') FROM unnest(%s::text[]) AS l WHERE to_regrole(quote_ident(l)) IS NULL AND l <> 'replication'",
                [self.parameters["logins"]],
            ).fetchone()
            if strangers and strangers[0]:
                raise RotationError(f"there is no login {strangers[0]}")
            if not self.under_way:  # what was begun and not finished may keep nodes from each other
                self.require_nodes(connection, "Every node has to learn the new passwords: start the lab first.")

    def require_nodes(self, connection: psycopg.Connection[Any], hint: str) -> None:
        """See that every node answers the coordinator.

        Raises:
            RotationError: one does not.
        """
        silent = connection.execute(SILENT).fetchall()
        if silent:
            names = "; ".join(f"{name}: {(error or 'no answer').splitlines()[0]}" for name, error in silent)
            raise RotationError(f"not every node answers ({names}). {hint}")

    def change(self) -> int:
        """Let the servers learn the new passwords, the administrator's last, and put each in its place; then the keys.

        Returns:
            Until when what the older keys have signed is believed.
        """
        own = self.parameters["connection"]["PGUSER"]
        logins: list[str] = self.parameters["logins"]
        for login in sorted(logins, key=lambda each: each == own):
            password = self.password(login, self.next)
            if not password:
                raise RotationError(f"{self.next} has no password for {login}")
            with self.connect() as connection:
                connection.execute("SELECT lab.rotate_login(%s, %s)", [login, password])
            self.put(f"{login}.pgpass", password_line(login, password))
            if login == own and self.parameters["nodes"]:
                self.put("nodes.pgpass", password_file({each: self.password(each, self.directory) for each in logins}))
        now = int(time.time())
        until: int = now + self.parameters["keep_seconds"]
        for name in self.parameters["keys"]:
            new = (read_text(os.path.join(self.next, f"{name}.keys"), "ascii") or "").strip()
            if not new:
                raise RotationError(f"{self.next} has no key {name}")
            old = read_text(os.path.join(self.directory, f"{name}.keys"), "ascii") or ""
            self.put(f"{name}.keys", rotated_keys(old, new, until, now))
        return until

    def put(self, name: str, text: str) -> None:
        """Put a text in the place of a file, whole."""
        ensure_text(os.path.join(self.directory, name), text, 0o600, self.owner)

    def finish(self) -> None:
        """Change what the servers alone know, see that every node answers, and forget what a next run would go on with.

        Raises:
            RotationError: a node does not answer.
        """
        if self.parameters["nodes"]:
            with self.connect() as connection:
                connection.execute("SELECT lab.end_rotation()")
            with self.connect() as connection:
                self.require_nodes(connection, "Start the lab, then run this again: it goes on from here.")
        see_that_nobody_else_writes(self.directory)
        shutil.rmtree(self.next)


def fail(module: AnsibleModule, error: Exception) -> None:
    """End with what went wrong; what a database says may quote what it was asked, so only its first line is told."""
    text = str(error).strip().splitlines()
    module.fail_json(msg=text[0] if text else type(error).__name__)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "connection": {"type": "dict", "required": True},
            "logins": {"type": "list", "elements": "str", "required": True},
            "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},  # names, not keys
            "keep_seconds": {"type": "int", "default": 900},
            "nodes": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["possible", "changed", "finished"], "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib("psycopg"), exception=str(MISSING))
    state = module.params["state"]
    until = 0
    try:
        rotation = Rotation(module.params)
        if state == "possible":
            rotation.look()
        elif not module.check_mode:
            if state == "changed":
                until = rotation.change()
            else:
                rotation.finish()
    except (RotationError, OSError, KeyError, ValueError, psycopg.Error) as error:
        fail(module, error)
    module.exit_json(changed=state != "possible", resumed=rotation.under_way, until=until)


if __name__ == "__main__":
    main()
