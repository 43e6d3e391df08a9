#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Write what a student is handed out: a folder, and the same as a zip file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: handout
short_description: Write what a student is handed out
description:
  - Writes a folder for a student (mode 0700) with a page, a service file and a password file for psql, and the log-in to the API; with a key, and
    a kubeconfig, where the student has them; and the same as C(LAB.zip) beside it. All files have the mode 0600, in the zip file too.
  - What else lies in the folder goes, so that it holds what the student needs and nothing else.
  - The password of the API is kept from an earlier handout where O(api) is left out.
options:
  directory:
    description: Where the folders of a class lie. It is made, with the mode 0700.
    type: path
    required: true
  lab:
    description: The fact C(lab).
    type: dict
    required: true
  student:
    description: The student's C(name), and C(account) on the server; both may be empty.
    type: dict
    required: true
  server:
    description: The machine that the student logs in to by SSH.
    type: str
    required: true
  language:
    description: Of the page.
    type: str
    choices: [es, en]
    default: es
  login:
    description: Who the student is in the database.
    type: str
    required: true
  password:
    description: The password of that login.
    type: str
    required: true
  document:
    description: Who the student is in the API.
    type: str
    required: true
  api:
    description: What C(historia_clinica.first_login) has just printed for that document.
    type: str
  key:
    description: The private key of the student's account; left out where the student has a way in already.
    type: str
    default: ""
  kubeconfig:
    description: The student's kubeconfig, where the lab is in a cluster.
    type: str
    default: ""
  cluster:
    description: How that cluster is reached; left out of a lab that is in none.
    type: dict
    suboptions:
      until:
        description: When the kubeconfig ends.
        type: str
        required: true
      address:
        description: Of the cluster's API.
        type: str
        required: true
      near:
        description: Whether that address answers on the server alone.
        type: bool
        required: true
attributes:
  check_mode:
    support: full
    description: Says what would change.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Write the handout
  aula.historia_clinica.handout:
    directory: /home/profe/roster.handouts
    lab: "{{ ansible_facts['lab'] }}"
    student: {name: Ana Soto, account: asoto}
    server: aula.uni.edu.co
    login: admin
    password: "{{ handout_credentials['passwords']['admin'] }}"
    document: "1000000001"
  delegate_to: localhost
  no_log: true
"""

RETURN = r"""
folder:
  description: The student's folder.
  returned: always
  type: str
"""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
    read_text,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.handout import (
    API,
    LANGUAGES,
    Cluster,
    Handout,
)


def api_password(printed: str | None, kept: Path, write: bool) -> str:
    """The password of the API: of what was printed just now, else of an earlier handout; in a check there may be none yet.

    Raises:
        ValueError: there is none in either.
        OSError: the earlier one cannot be read.
    """
    said = json.loads(printed if printed else read_text(str(kept)) or "{}")
    password = said.get("clave") if isinstance(said, dict) else None
    if not password and write:
        raise ValueError(f"there is no password of the API in {'what was printed' if printed else kept}")
    return str(password or "")


def packed(folder: str, files: dict[str, str]) -> bytes:
    """A zip file, the same for the same files; who unpacks it alone reads them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # of 1980: nothing of it says when
            entry.external_attr = 0o600 << 16
            entry.create_system = 3  # Unix, else the mode means nothing
            archive.writestr(entry, text)
    return content.getvalue()


def write_bytes(path: Path, content: bytes, write: bool) -> bool:
    """Write a file that only its owner reads, whole or not at all; whether it was another one."""
    if path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o777 == 0o600:
        return False
    if write:
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        new.rename(path)
    return True


def hand_out(parameters: dict[str, Any], write: bool) -> bool:
    """Write folder and zip file; whether something changed.

    Raises:
        OSError: something cannot be read or written.
        ValueError: there is no password of the API.
    """
    lab, student, cluster = parameters["lab"], parameters["student"], parameters["cluster"]
    place = Path(parameters["directory"])
    folder = place / lab["name"]
    files = Handout(
        lab=lab["name"],
        name=student.get("name") or "",
        server=parameters["server"],
        account=student.get("account") or "",
        database_port=lab["database_port"],
        api_port=lab["api_port"],
        login=parameters["login"],
        password=parameters["password"],
        document=parameters["document"],
        api_password=api_password(parameters["api"], folder / API, write),
        key=parameters["key"],
        cluster=Cluster(parameters["kubeconfig"], lab["namespace"], **cluster) if cluster else None,
    ).files(parameters["language"])
    changed = [ensure_directory(str(path), 0o700, Ownership(), write) for path in (place, folder)]
    changed += [ensure_text(str(folder / name), text, 0o600, Ownership(), write) for name, text in files.items()]
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in files and not path.is_dir():
            changed.append(True)
            if write:
                path.unlink()
    changed.append(write_bytes(place / f"{lab['name']}.zip", packed(lab["name"], files), write))
    return any(changed)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "lab": {"type": "dict", "required": True},
            "student": {"type": "dict", "required": True},
            "server": {"type": "str", "required": True},
            "language": {"type": "str", "choices": list(LANGUAGES), "default": "es"},
            "login": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "document": {"type": "str", "required": True},
            "api": {"type": "str", "no_log": True},
            "key": {"type": "str", "default": "", "no_log": True},
            "kubeconfig": {"type": "str", "default": "", "no_log": True},
            "cluster": {
                "type": "dict",
                "options": {
                    "until": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "near": {"type": "bool", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["directory"], module.params["lab"]["name"])
    try:
        changed = hand_out(module.params, not module.check_mode)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{folder}: {error}")
    module.exit_json(changed=changed, folder=str(folder))


if __name__ == "__main__":
    main()
