# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Problems of the ports of the database and of the API on this machine, and a warning."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import DEFAULTS
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem


def problems(case: Case) -> Iterator[Problem]:
    """Yield a problem for each port that is out of range, used twice by this lab, or already taken."""
    plan, machine, refused = case.plan, case.machine, case.choices.refused
    # A lab whose record is lost may well have the ports that look taken: nobody is told to end its servers.
    if not case.record and (case.record_error or machine.folder.kind == "remains"):
        return
    scales = case.choices.purpose == "scale"
    database, api = not refused & {"database_port", "workers"}, "api_port" not in refused
    first, last = plan.database_port, plan.database_ports[-1]
    if database and last > 65535:
        yield Problem(
            "port-invalid",
            f"lab_database_port {first} and {plan.workers} workers need ports up to {last}",
            "ports up to 65535: worker N has lab_database_port + N",
            case.run("scale", scale_workers=65535 - first)
            if scales
            else case.run("lab", lab_database_port=DEFAULTS["database_port"]),
        )
    overlap = database and api and plan.api_port in plan.database_ports
    if overlap:
        theirs = "it too" if plan.pods else f"{first} to {last} (coordinator, then one for each worker)"
        free = DEFAULTS["api_port"] if DEFAULTS["api_port"] not in plan.database_ports else 18080
        yield Problem(
            "ports-overlap",
            f"lab_api_port is {plan.api_port}, and the database has {theirs}",
            "a port of its own for the API",
            case.run("scale", scale_workers=plan.api_port - first - 1)
            if scales
            else case.run("lab", lab_api_port=free),
        )
    wanted = {
        "lab_database_port": list(plan.database_ports) if database else [],
        "lab_api_port": [plan.api_port] if api and not overlap else [],
    }
    taken = {variable: found for variable, ports in wanted.items() if (found := _taken(case, ports))}
    spare = {"lab_database_port": machine.free_database_port, "lab_api_port": machine.free_api_port}
    others = {variable: spare[variable] or "ANOTHER" for variable in taken}
    # A lab keeps its ports: what a new lab does by choosing others, one that is there must get back.
    other = case.run(
        "reset" if case.record else "lab", **{**others, **({"lab_workers": plan.workers} if scales else {})}
    )
    if case.record:
        other = f"or, giving up the lab's data: {other}"
    for variable, ports in taken.items():
        yield from _taken_ports(case, variable, ports, other)


def _taken(case: Case, ports: list[int]) -> list[int]:
    """Those of some ports that others have."""
    listeners = case.machine.listeners
    neighbours = {port for lab in case.machine.neighbours for port in lab.ports}
    return [port for port in ports if (not listeners[port].own if port in listeners else port in neighbours)]


def _taken_ports(case: Case, variable: str, ports: list[int], other: str) -> Iterator[Problem]:
    """Who has the ports of one variable that others have; ``other`` is the command with other ports."""
    for neighbour in case.machine.neighbours:
        shared = [port for port in ports if port in neighbour.ports]
        if shared:
            yield Problem(
                "port-of-another-lab",
                f"port {', '.join(map(str, shared))} ({variable}) belongs to the lab {neighbour.name} in {neighbour.directory}",
                "ports of its own for each lab",
                f"{_aside(case, neighbour.directory)}; {other}" if case.record else other,
            )
            ports = [port for port in ports if port not in shared]
    for listener in (case.machine.listeners[port] for port in ports if port in case.machine.listeners):
        look = case.there("sudo", "ss", "-ltnp", "sport", "=", str(listener.port))
        kill = case.there("kill", str(listener.pid))
        end = f"end it: {kill}" if listener.pid else f"see whose it is, and end it: {look}"
        yield Problem(
            "port-busy",
            f"port {listener.port} ({variable}) is in use by {listener}",
            "a port of 127.0.0.1 that nobody uses",
            f"{end}; {other}" if case.record else f"{other}; or {end}",
        )


def _aside(case: Case, directory: str) -> str:
    """Return the fix for two labs with the same ports because one is a copy: move the copy elsewhere, data included."""
    place, name = os.path.split(directory)
    away = os.path.join(os.path.dirname(place), f"{name}.aside")
    return f"if one is a copy of the other, move it out of {place}: {case.there('mv', directory, away)}"


def warnings(case: Case) -> list[str]:
    """That an outgoing connection may get a port of the lab's before the lab does."""
    plan, machine = case.plan, case.machine
    reserved = port_numbers(machine.reserved or "")
    own = {"lab_database_port": plan.database_ports, "lab_api_port": [plan.api_port]}
    inside = {
        variable: found
        for variable, ports in own.items()
        if (found := [port for port in ports if port in machine.outgoing and port not in reserved])
    }
    if not case.choices.builds or not inside:
        return []
    mine = [str(port) for ports in inside.values() for port in ports]
    ways = []
    if case.record is None:  # a lab keeps its ports
        defaults = {f"lab_{name}": DEFAULTS[name] for name in ("database_port", "api_port")}
        lower = case.run("lab", **{variable: defaults[variable] for variable in inside})
        ways.append(f"choose lower ones: {lower}")
    if machine.reserved is not None:
        kept = ",".join(filter(None, [machine.reserved.strip(), *mine]))
        keep = case.there("sudo", "sysctl", "-w", f"net.ipv4.ip_local_reserved_ports={kept}")
        ways.append(f"keep them for the lab: {keep}")
    return [
        f"The lab has the ports {', '.join(mine)}, and this system gives those from {machine.outgoing[0]} to {machine.outgoing[-1]}"
        " to outgoing connections: one of them may be taken at the moment when the lab starts."
        + (f" To prevent that, {'; or '.join(ways)}" if ways else "")
    ]


def port_numbers(text: str) -> set[int]:
    """The ports that a text names as Linux does: ``8080,9000-9005``."""
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers
