# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Problems of the record: there is no such lab, it is another one, its record is lost, or a choice contradicts it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import command
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import COPY_NAME, RECORD_NAME, Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import GOES
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.values import shown
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import Run


def problems(case: Case) -> Iterator[Problem]:
    """Yield the first problem that makes the record unusable; otherwise every option that conflicts with it."""
    choices, machine, record, directory = case.choices, case.machine, case.record, case.choices.directory
    file, goes = os.path.join(directory, RECORD_NAME), choices.purpose in GOES
    if not directory:
        return
    if machine.folder.kind == "foreign":
        yield Problem(
            "directory-foreign",
            f"{directory} {machine.folder.holds}",
            "a directory of the lab's own: a lab's, an empty one, or one that is not there yet",
            f"look: {case.there('ls', '-la', directory)}; then choose another lab_directory",
        )
    elif case.record_error and machine.folder.obstacle and choices.builds:
        return  # the directory's problem
    elif goes and machine.forwards and choices.target in (None, "host"):
        yield _pods_without_record(case)
    elif case.record_error and not goes:
        yield Problem(
            "record-unreadable",
            f"{file}: {case.record_error}",
            "the record that the lab wrote when it was made",
            f"look: {case.there('ls', '-l', file)}; {_put_back(case)}",
        )
    elif choices.builds and machine.namesake:
        another = case.run("lab", lab_name=f"{choices.name[:26].rstrip('-')}-2")
        yield Problem(
            "name-taken",
            f"the lab {_called(choices.name)}is in {machine.namesake}; this run would make another one in {directory}",
            "a name for each lab of a host",
            f"to work on that one, leave lab_directory out: {case.run('lab', 'lab_directory')}; to have another one beside it: {another}; "
            f"to remove that one: {case.run('teardown', 'lab_directory')}",
        )
    elif record is None:
        yield from _without_record(case)
    elif choices.name and record.name != choices.name:
        yield Problem(
            "record-name",
            f"{file} says the lab is {shown(record.name)}, not {shown(choices.name)}",
            "a directory for each lab",
            f"set lab_name: {record.name}, or another lab_directory for {choices.name}",
        )
    else:
        yield from _with_record(case, record)


def _pods_without_record(case: Case) -> Problem:
    """A lab in a cluster whose record is gone: its pods would stay, and nobody would know of them."""
    kubeconfig, context, namespace = case.machine.forwards
    named = {"lab_kubeconfig": kubeconfig, "lab_context": context, "lab_namespace": namespace}
    remove = command(case.choices.invocation, "teardown", lab_target="kubernetes", **named)
    return Problem(
        "record-missing",
        f"{case.choices.directory} holds what is left of a lab in the namespace {namespace} of the context {context}, and no lab.json",
        "the cluster by name, so that the pods are removed too",
        f"put it back: {_copy_back(case)}; or say it: {remove}",
    )


def _without_record(case: Case) -> Iterator[Problem]:
    directory, goes = case.choices.directory, case.choices.purpose in GOES
    if case.machine.gone and not goes:
        yield Problem(
            "directory-gone",
            f"the lab {_called(case.choices.name)}is in {directory}, which is not there",
            "the directory of the lab, with its data",
            "bring it back (is its disk mounted?); or, where it is gone for good, let the host forget the lab: "
            + case.run("teardown"),
        )
    elif case.machine.folder.kind == "remains" and not goes:
        yield Problem(
            "record-missing",
            f"{directory} holds a lab's files, but no lab.json",
            "the record that the lab wrote when it was made",
            _put_back(case),
        )
    elif case.choices.purpose in ("use", "scale"):
        yield Problem("lab-missing", f"there is {_no_lab(case)}", "a lab that was made", case.run("lab"))


def _with_record(case: Case, record: Record) -> Iterator[Problem]:
    plan, purpose = case.plan, case.choices.purpose
    if record.user != plan.user:
        this = case.run("lab" if case.choices.builds else "status")
        whose = ("root", "sudo") if record.user == f"hc-{record.name}" else (record.user, f"sudo -u {record.user}")
        yield Problem(
            "record-user",
            f"the lab in {case.choices.directory} runs as {record.user}; this run would use {plan.user}",
            "the user that made the lab",
            f"run it as {whose[0]}, e.g. {whose[1]} {this}; or choose another lab_directory",
        )
    if purpose == "build":
        yield from _contradictions(case, record)
    if purpose == "use" and not case.machine.runtime_made:
        yield Problem(
            "runtime-missing",
            f"{plan.runtime} is not there, or not whole",
            "the runtime, from which the lab's programs run",
            f"{case.run('lab')} (it makes the runtime anew, and keeps the lab's data)",
        )
    if purpose == "scale" and not any(each.own for each in case.machine.listeners.values()):
        yield Problem(
            "lab-stopped",
            f"nothing of the lab listens on port {plan.database_port}",
            "a lab that runs: its data move from node to node",
            case.run("start"),
        )


def _contradictions(case: Case, record: Record) -> Iterator[Problem]:
    """What was chosen otherwise than the lab was made."""
    choices = case.choices
    compared: list[tuple[str, str, object, object]] = [
        ("record-target", "lab_target", choices.target, record.target),
        ("record-engine", "lab_engine", choices.engine, record.engine),
        ("record-ports", "lab_database_port", choices.database_port, record.database_port),
        ("record-ports", "lab_api_port", choices.api_port, record.api_port),
    ]
    if record.target != "host" and choices.target in (None, record.target):
        compared += [
            ("record-cluster", "lab_namespace", choices.namespace, record.namespace),
            ("record-cluster", "lab_storage_class", choices.storage_class, record.storage_class),
        ]
        if record.target == "minikube":
            compared.append(("record-cluster", "minikube_profile", choices.profile_name, record.context))
        else:
            compared.append(("record-cluster", "lab_context", choices.context, record.context))
            # A kubeconfig that was moved leads to the same cluster.
            if case.machine.recorded_kubeconfig_there:
                compared.append(("record-cluster", "lab_kubeconfig", choices.kubeconfig, record.kubeconfig))
    for id_, variable, chosen, recorded in compared:
        if chosen and chosen != recorded:
            kept = recorded or "the cluster's default"
            yield Problem(
                id_,
                f"{variable} is {chosen}, but the lab was made with {kept}",
                f"{kept}, as {os.path.join(choices.directory, RECORD_NAME)} remembers",
                f"leave {variable} out ({case.run('lab', variable)}); or, giving up the lab's data: "
                + case.run("reset", **{variable: chosen}),
            )


def warnings(case: Case) -> list[str]:
    """That the lab keeps its number of workers, whatever was chosen."""
    chosen, record = case.choices.workers, case.record
    if case.choices.purpose != "build" or record is None or chosen in (None, record.workers):
        return []
    return [
        f"lab_workers is {chosen}: with so many a lab begins. This one has {record.workers}, as {RECORD_NAME} remembers, and keeps"
        f" them. To change that: {case.run('scale', scale_workers=chosen)}"
    ]


def _put_back(case: Case) -> str:
    """How a lab gets its record back, without its data being given up."""
    return f"put it back: {_copy_back(case)}; or, giving up the lab's data: {case.run('reset')}"


def _copy_back(case: Case) -> str:
    """What makes the record's copy the record."""
    return case.there("cp", *(os.path.join(case.choices.directory, name) for name in (COPY_NAME, RECORD_NAME)))


def absent(case: Case) -> str:
    """What to say where there is nothing of the lab to remove; empty where there is."""
    if case.machine.folder.kind in ("lab", "remains") or case.machine.known_here:
        return ""
    return f"There is {_no_lab(case)}."


def _no_lab(case: Case) -> str:
    """No lab of the name, and which there are instead, as a sentence goes on."""
    labs = [f"{name} in {place}" for name, place in case.machine.labs.items()]
    more = f" and {len(labs) - 5} more" if len(labs) > 5 else ""
    instead = f"{', '.join(labs[:5])}{more}" if labs else "none"
    return f"no lab {_called(case.choices.name)}in {case.choices.directory}; this host has {instead}"


def _called(name: str) -> str:
    """A lab's name as a sentence says it, with a blank behind it: the default one has the name `lab`."""
    return "" if name == "lab" else f"{name} "


def busy(name: str, other: Run, run: Run) -> Problem:
    """That somebody else works on the lab.

    Args:
        name: the lab's name.
        other: the run that does.
        run: this one.
    """
    if other.process == run.process:
        return Problem(
            "name-taken",
            f"the host {other.host} of the inventory makes the lab {name} in this very run",
            "a name for each lab of a host",
            f"give lab_name only to {other.host}, or to each host its own: left out, a lab is called like its host",
        )
    whose = f", run by {other.user} since {other.since}," if other.user and other.since else ""
    return Problem(
        "lab-busy",
        f"{other.playbook or 'another run of Ansible'}{whose} works on the lab: the process {other.pid}",
        "one run at a time",
        f"wait for its end, or end it: ps -p {other.pid}; kill {other.pid}; then run this again",
    )
