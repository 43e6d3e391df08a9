#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Collect the current state of a lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_info
short_description: Ask everything that a lab has how it is
description:
  - Asks the lab's processes, its database, its API and, where it has pods, its namespace, all at the same time.
  - Components that do not answer are reported; the module does not fail.
  - Runs with the interpreter of the runtime environment, which has the packages for it.
options:
  lab:
    description: The fact C(lab), which M(aula.historia_clinica.preflight) gives.
    type: dict
    required: true
  details:
    description: Whether more of the namespace than its pods is wanted.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Ask all of it
  aula.historia_clinica.lab_info:
    lab: "{{ ansible_facts['lab'] }}"
  register: status_lab
"""

RETURN = r"""
processes:
  description: >-
    One entry for the supervisor and one for each program, with C(name), C(state), C(pid), C(uptime_seconds) and
    C(memory_bytes) (its share of the memory, children included). Empty when the supervisor does not run.
  returned: always
  type: list
  elements: dict
logs:
  description: The last lines of each log on this machine, below its name, with O(details).
  returned: always
  type: str
replaceable:
  description: What root runs or reads of the lab, or the lab's maker, and another user could replace; nothing in a lab that is in order.
  returned: always
  type: list
  elements: str
database:
  description: What the coordinator says.
  returned: always
  type: dict
  contains:
    nodes:
      description: The rows of C(lab.nodes).
      type: list
      elements: dict
    tables:
      description: The rows of C(lab.tables).
      type: list
      elements: dict
    shards:
      description: The rows of C(lab.shards).
      type: list
      elements: dict
    waits:
      description: The rows of C(lab.waits), with O(details).
      type: list
      elements: dict
    error:
      description: Why it says nothing; empty where it does.
      type: str
api:
  description: What the API says at C(/status).
  returned: always
  type: dict
  contains:
    status:
      description: The status of HTTP; 0 where there is no answer.
      type: int
    body:
      description: The answer; empty where there is none.
      type: dict
cluster_report:
  description: What the namespace holds, for C(status_page) and C(diagnosis_page); empty on the target host.
  returned: always
  type: dict
  contains:
    error:
      description: Why the cluster cannot be asked; empty where it can.
      type: str
    pods:
      description: C(name), C(state), C(ready), C(restarts), C(seconds) of each; C(cpu) (CPUs) and C(memory_bytes) where metrics are.
      type: list
      elements: dict
    changed:
      description: What somebody deleted, scaled or edited of what a run made, a sentence each.
      type: list
      elements: str
    lacking:
      description: The StatefulSets that have fewer pods than they were asked for, a sentence each.
      type: list
      elements: str
    objects:
      description: C(kind), C(name) and what it C(says), with O(details).
      type: list
      elements: dict
    troubles:
      description: Why each pod that is not ready is not, and what to do, with O(details).
      type: list
      elements: str
    events:
      description: The last events, with O(details).
      type: list
      elements: str
    logs:
      description: The last lines of each pod's log by its name, with O(details).
      type: dict
"""

import http.client
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import replaceable

try:
    import psycopg

    from ansible_collections.aula.historia_clinica.plugins.module_utils.supervision import Places, Supervisor, tail
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None

QUESTIONS = {
    "nodes": "SELECT coalesce(json_agg(to_json(r)), '[]') FROM lab.nodes AS r",
    "tables": "SELECT coalesce(json_agg(to_json(r)), '[]') FROM lab.tables AS r",
    "shards": "SELECT coalesce(json_agg(to_json(r)), '[]') FROM lab.shards AS r",
}


# Without their statements, which may name people.
DETAILS = {
    "waits": "SELECT coalesce(json_agg(to_jsonb(r) - 'waiting_query' - 'blocking_query'), '[]') FROM lab.waits AS r"
}


#: Of the end of each log.
LINES = 8


def ask_database(lab: dict[str, Any], details: bool) -> dict[str, Any]:
    """What the views of the schema lab show, as its administrator sees them."""
    libpq = lab["libpq"]
    questions = QUESTIONS | DETAILS if details else QUESTIONS
    answer: dict[str, Any] = {**{name: [] for name in questions}, "error": ""}
    try:
        with psycopg.connect(
            host=libpq["PGHOST"],
            port=libpq["PGPORT"],
            user=libpq["PGUSER"],
            dbname=libpq["PGDATABASE"],
            passfile=libpq["PGPASSFILE"],
            connect_timeout=int(libpq["PGCONNECT_TIMEOUT"]),
        ) as connection:
            for name, question in questions.items():
                answer[name] = next(connection.execute(question))[0]
    except psycopg.Error as error:
        answer["error"] = str(error)
    return answer


def processes(lab: dict[str, Any], owner: Ownership) -> list[dict[str, Any]]:
    """What the lab's supervisor and its programs are, as their user sees them."""
    supervisor = Supervisor(Places(lab["directory"]), owner)
    return owner.act(supervisor.report)


def last_lines(lab: dict[str, Any], owner: Ownership) -> str:
    """The end of each log on this machine, below its name, as the lab's user reads it."""

    def read() -> str:
        lines = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if os.path.isfile(os.path.join(folder, name)):
                said = tail(os.path.join(folder, name), LINES).splitlines()
                lines += [f"logs/{name}", *(f"  {line}" for line in said)]
        return "\n".join(lines)

    folder = os.path.dirname(Places(lab["directory"]).log)
    return owner.act(read)


def ask_api(lab: dict[str, Any]) -> dict[str, Any]:
    """What `/status` says, an error too."""
    connection = http.client.HTTPConnection("127.0.0.1", lab["api_port"], timeout=3)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException):
        return {"status": 0, "body": {}}
    finally:
        connection.close()
    try:
        return {"status": answer.status, "body": json.loads(text)}
    except ValueError:
        return {"status": answer.status, "body": {}}


def cluster_report(lab: dict[str, Any], details: bool) -> dict[str, Any]:
    """What the namespace holds, where the lab has one."""
    if lab["target"] == "host":
        return {}
    # Only here: it brings the package kubernetes, which takes its time.
    from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster import Cluster, ClusterError

    try:
        cluster = Cluster(lab["kubeconfig"], lab["context"], lab["namespace"])
        changed = cluster.changed([node["name"] for node in lab["nodes"]])
        return {**cluster.report(details), "changed": changed}
    except ClusterError as error:
        return {"error": str(error), "pods": [], "lacking": [], "changed": []}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "dict", "required": True},
            "details": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(
            msg=missing_required_lib(str(MISSING.name)) + " Run the role aula.historia_clinica.runtime first."
        )
    lab, details = module.params["lab"], module.params["details"]
    try:
        owner = Ownership.of(lab.get("user"), lab.get("group"))
        # Before there are threads: where root asks, the lab's user answers, in a process of its own.
        here = {
            "processes": processes(lab, owner),
            "logs": last_lines(lab, owner) if details else "",
            "replaceable": replaceable(lab["directory"]),
        }
    except KeyError:
        module.fail_json(msg=f"The lab's user {lab['user']} is not there any more.")
    except OSError as error:
        module.fail_json(msg=f"{lab['directory']}: {error}")
    with ThreadPoolExecutor() as threads:
        answers: dict[str, Future[Any]] = {
            "cluster_report": threads.submit(cluster_report, lab, details),
            "database": threads.submit(ask_database, lab, details),
            "api": threads.submit(ask_api, lab),
        }
    module.exit_json(changed=False, **here, **{name: answer.result() for name, answer in answers.items()})


if __name__ == "__main__":
    main()
