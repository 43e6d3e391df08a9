#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Make the data directories of a lab's PostgreSQL servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: data_directories
short_description: Make the data directories of a lab's PostgreSQL servers
description:
  - Runs C(initdb) for each server that has no data directory yet, all of them at once, and creates the lab's database and
    its extensions in it (single-user mode, no server needs to run).
  - A data directory gets its name when it is complete, so that an interrupted run leaves nothing that looks like one.
  - A data directory that is there is never touched.
  - One that was there once and is not any more, while others are, is refused; an empty one in its place would hide that its rows are
    gone.
options:
  directory:
    description: Absolute path of the directory that holds one data directory for each server.
    type: path
    required: true
  names:
    description: Names of the servers.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) makes what is not there.
      - V(absent) removes the data directories of O(names), whose servers have ended; V(kept) sets them aside, as C(NAME.kept), where
        nothing uses them.
    type: str
    choices: [present, absent, kept]
    default: present
  config_directory:
    description: Directory of the servers' settings; C(NAME.conf) in it is included by the server's own configuration.
    type: path
  postgres_bin:
    description: Folder with C(initdb) and C(postgres).
    type: path
  superuser:
    description: The database superuser.
    type: str
  password_file:
    description: The superuser's password file (libpq's format).
    type: path
  database:
    description: The database to create.
    type: str
  extensions:
    description: Extensions to create in O(database). Each is loaded as a shared library for that.
    type: list
    elements: str
    default: []
  owner:
    description: Owner of the data; PostgreSQL's programs run as it (they refuse root).
    type: str
  group:
    description: Group of the data.
    type: str
  commands:
    description: The commands that stop the lab (C(stop)) and make it anew (C(reset)), for whoever has lost a part of the data.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Says which would be made.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Make the data directories
  aula.historia_clinica.data_directories:
    directory: /var/lib/historia-clinica/labs/lab/data
    config_directory: /var/lib/historia-clinica/labs/lab/config
    names: [citus-coordinator, citus-worker-1]
    postgres_bin: /usr/lib/postgresql/18/bin
    superuser: admin
    password_file: /var/lib/historia-clinica/labs/lab/credentials/admin.pgpass
    database: historia_clinica
"""

RETURN = r"""
created:
  description: Names of the servers whose data directory was made.
  returned: always
  type: list
  elements: str
"""

import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.data_directories import (
    CREATED,
    find,
    read_names,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
)


class CreationError(Exception):
    """A program that makes a data directory failed; the message says which, and what it said."""


def run(arguments: list[str], statement: str | None = None) -> None:
    """Run one of PostgreSQL's programs.

    Raises:
        CreationError: it cannot be started, or ends with another status than 0.
    """
    try:
        done = subprocess.run(
            arguments,
            input=statement or "",
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            check=False,
        )
    except OSError as error:
        raise CreationError(f"{arguments[0]}: {error}") from error
    # In single-user mode a statement that fails is only a line of the log.
    if done.returncode != 0 or (statement and "ERROR:" in done.stderr):
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise CreationError(f"{' '.join(arguments[:2])} failed: " + " / ".join(said))


def create(name: str, parameters: dict[str, Any], password_file: str) -> None:
    """Make the data directory of one server, under a temporary name until it is complete.

    Raises:
        CreationError: one of PostgreSQL's programs failed.
        OSError: the files cannot be written.
    """
    final = os.path.join(parameters["directory"], name)
    new = os.path.join(parameters["directory"], f".{name}.new")
    shutil.rmtree(new, ignore_errors=True)  # an earlier run that was interrupted
    programs = parameters["postgres_bin"]
    initdb = [os.path.join(programs, "initdb"), "--pgdata", new]
    initdb += ["--username", parameters["superuser"], "--pwfile", password_file]
    # Never trust, not on the socket and not on loopback: a forwarded port arrives there.
    initdb += ["--auth", "scram-sha-256", "--encoding", "UTF8"]
    # The built-in provider needs nothing of the system, so every machine sorts alike.
    initdb += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
    run([*initdb, "--no-instructions", "--no-sync"])
    # -F: a directory that has not got its name yet need not survive a power cut.
    single = [os.path.join(programs, "postgres"), "--single", "-F", "-D", new]
    run([*single, "postgres"], f'CREATE DATABASE "{parameters["database"]}"\n')
    for extension in parameters["extensions"]:
        library = ["-c", f"shared_preload_libraries={extension}"]
        statement = f'CREATE EXTENSION "{extension}"\n'
        run([*single, *library, parameters["database"]], statement)
    include = os.path.join(parameters["config_directory"], f"{name}.conf").replace("'", "''")
    with open(os.path.join(new, "postgresql.conf"), "a", encoding="utf-8") as file:
        file.write(f"\n# The lab's settings: edit them through Ansible.\ninclude = '{include}'\n")
    os.rename(new, final)


def create_all(names: list[str], parameters: dict[str, Any]) -> None:
    """Make data directories, as many at once as there are processors.

    Raises:
        CreationError: one of PostgreSQL's programs failed.
        OSError: the files cannot be read or written.
    """
    with open(parameters["password_file"], encoding="utf-8") as file:
        password = file.readline().rstrip("\n").rpartition(":")[2]
    # initdb takes the password from a file that holds nothing else; never from its arguments.
    with tempfile.TemporaryDirectory(dir=parameters["directory"], prefix=".initdb.") as private:
        password_file = os.path.join(private, "password")
        ensure_text(password_file, password + "\n", 0o600, Ownership())
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda name: create(name, parameters, password_file), names))


def remember(path: str, names: set[str]) -> None:
    """Write down which data directories have been made.

    Raises:
        OSError: the file cannot be written.
    """
    ensure_text(path, "".join(f"{name}\n" for name in sorted(names)), 0o600, Ownership())


def take_away(directory: str, names: list[str], keep: bool) -> None:
    """Remove data directories, or set them aside, and forget that they were made.

    Raises:
        CreationError: a server still works on one.
        OSError: the files cannot be removed.
    """
    for name in names:
        path = os.path.join(directory, name)
        if os.path.exists(os.path.join(path, "postmaster.pid")):
            raise CreationError(f"the server {name} has not ended: {path} stays")
    made = os.path.join(directory, CREATED)
    remember(made, read_names(made).difference(names))
    for name in names:
        path = os.path.join(directory, name)
        away = os.path.join(directory, f"{name}.kept" if keep else f".{name}.gone")
        number = 1
        while keep and os.path.lexists(away):
            number += 1
            away = os.path.join(directory, f"{name}.kept-{number}")
        if os.path.lexists(away):  # what a removal that was killed has left
            shutil.rmtree(away)
        os.rename(path, away)
        if not keep:
            shutil.rmtree(away)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"choices": ["present", "absent", "kept"], "default": "present"},
            "config_directory": {"type": "path"},
            "postgres_bin": {"type": "path"},
            "superuser": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "database": {"type": "str"},
            "extensions": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "commands": {"type": "dict", "default": {}},
        },
        required_if=[
            ("state", "present", ("config_directory", "postgres_bin", "superuser", "password_file", "database"))
        ],
        supports_check_mode=True,
    )
    parameters = module.params
    directory: str = parameters["directory"]
    try:
        owner = Ownership.of(parameters["owner"], parameters["group"])
        found = find(directory, parameters["names"], owner)
    except (OSError, KeyError) as error:
        module.fail_json(msg=f"{directory}: {error}")
    if parameters["state"] != "present":
        keep = parameters["state"] == "kept"
        names = [name for name in parameters["names"] if name in found.there]
        try:
            if names and not module.check_mode:
                owner.act(lambda: take_away(directory, names, keep))
        except (CreationError, OSError) as error:
            module.fail_json(msg=f"{directory}: {error}")
        module.exit_json(changed=bool(names), created=[])
    missing = [name for name in parameters["names"] if name not in found.there]
    lost = sorted(found.known.intersection(missing)) if found.there else []
    if lost:
        stop, reset = (parameters["commands"].get(verb) for verb in ("stop", "reset"))
        module.fail_json(
            msg=f"The data of {', '.join(lost)} are gone from {directory}, with the rows that lay there; those of"
            f" {', '.join(sorted(found.there))} are there. Put the folder back from a copy, with the lab stopped"
            f"{f' ({stop})' if stop else ''}; or, giving up what the others still hold, make it anew{f': {reset}' if reset else ''}"
        )
    if module.check_mode:
        module.exit_json(changed=bool(missing), created=missing)
    try:
        if missing:
            ensure_directory(directory, 0o700, owner)
            owner.act(lambda: create_all(missing, parameters))
        if not found.known.issuperset(parameters["names"]):
            owner.act(lambda: remember(os.path.join(directory, CREATED), {*found.known, *parameters["names"]}))
    except (CreationError, OSError) as error:
        module.fail_json(msg=f"{directory}: {error}")
    module.exit_json(changed=bool(missing), created=missing)


if __name__ == "__main__":
    main()
