# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Why a command of Minikube failed, in its own words, and what to do."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from dataclasses import dataclass

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output


class MinikubeError(Exception):
    """Minikube cannot do it; the message says why, in its own words, and what to do."""


INSTALL_DOCKER = "https://docs.docker.com/engine/install/"
START_DOCKER = (
    "start Docker (Linux: sudo systemctl start docker; macOS, Windows: open Docker Desktop), then run this again"
)
DOCKER_GROUP = "sudo usermod -aG docker $USER, then log out and in (or: newgrp docker)"
ASK_DRIVER = "see docker info; install or start Docker, or name another driver with minikube_driver"
ANEW = "the last resort, which loses all that every lab has in it: minikube delete -p {profile}, then run this again"
LOGS = "look at minikube logs -p {profile}; " + ANEW
#: What helps after an exit code; a reason's name goes before a code, a code before its family of ten.
HELP: dict[str | int, str] = {
    "RSRC_OVER_ALLOC_MEM": "set minikube_memory to what the machine has, such as 2g",
    "MK_ADDON_ENABLE": "take minikube_addons from the list of: minikube addons list -p {profile}",
    "PROVIDER_DOCKER_NOT_FOUND": f"install Docker: {INSTALL_DOCKER}",
    "DRV_DOCKER_NOT_RUNNING": START_DOCKER,
    "GUEST_SSH_CERT_NOT_FOUND": "see whether its node is there: docker ps -a --filter name={profile}; if it was removed, "
    + ANEW,
    10: LOGS,
    14: "correct the setting that it names (minikube_profile, minikube_memory, minikube_kubernetes_version)",
    23: "set minikube_memory to at least 1800m; Docker Desktop has its own limit in Settings, Resources",
    29: "set minikube_cpus to at least 2, and to no more than the machine has (Docker Desktop: Settings, Resources)",
    48: "check the network and HTTPS_PROXY, and that minikube_kubernetes_version exists; then run this again",
    50: "another start of the profile was under way: run this again",
    55: ASK_DRIVER,
    56: "set minikube_driver to docker, podman, or another that https://minikube.sigs.k8s.io/docs/drivers/ has for this system",
    57: "work as another user, or let root pass --force: minikube_force: auto",
    63: START_DOCKER,
    65: "install the driver's program, or name another one with minikube_driver",
    69: DOCKER_GROUP,
    80: "run this again; " + ANEW,
    81: "set minikube_driver to the one that the profile has; " + ANEW,
    82: "see that the driver runs (docker info), then run this again",
    90: "if its container runtime was changed by hand, minikube start -p {profile} --container-runtime=containerd (or what it was"
    " made with) repairs it; " + ANEW,
    106: "set minikube_kubernetes_version to the profile's, or to nothing; " + ANEW,
}
FAMILIES: dict[int, str] = {
    2: "give the profile less or the machine more: minikube_cpus, minikube_memory, or free disk space",
    4: HELP[48],
    5: ASK_DRIVER,
    6: ASK_DRIVER,
}


@dataclass(frozen=True)
class Failure:
    """Why a command of Minikube failed, in its own words.

    Attributes:
        name: its name for the reason, such as ``PROVIDER_DOCKER_NOT_RUNNING``; may be empty.
        message: the reason.
        advice: what it advises; may be empty.
        step: the last step that a start came to.
    """

    name: str = ""
    message: str = ""
    advice: str = ""
    step: str = ""


def explain(output: Output, profile: str) -> str:
    """A failed command as a person wants to read it: what ended how, why, what Minikube advises, and what to do."""
    failure = parse_failure(output)
    helps = HELP.get(failure.name) or HELP.get(output.rc) or FAMILIES.get(output.rc // 10, LOGS)
    end = f"ended with exit code {output.rc}"
    if output.late:
        end = f"did not end within {output.late:g} s and was stopped"
        helps = "if it only was slow (a first start downloads up to 1 GB), set minikube_timeout higher; " + ANEW
    elif output.rc < 0:
        end, helps = f"was ended by signal {-output.rc}", "run this again: a start that was interrupted is taken up"
    reason = failure.message or (f"its last step was: {failure.step}" if failure.step else "it gave no reason")
    lines = [f"{output.command} {end}{f' ({failure.name})' if failure.name else ''}: {reason}"]
    if failure.advice:
        lines.append(f"Minikube advises: {failure.advice}")
    lines.append(f"Fix: {helps.format(profile=shlex.quote(profile))}")
    return "\n".join(lines)


def parse_failure(output: Output) -> Failure:
    """Why a command failed.

    Errors occur in events of runs that succeed, and after the one that ended a run: that one is the last with an exit
    code. What fails before the events begin, or has none, is plain text on stderr.
    """
    events = parse_events(output.stdout)
    steps = [event.get("message", "") for event in events if event["type"] == "step"]
    step = steps[-1].rstrip(" .") if steps else ""
    ends = [event for event in events if event["type"] == "error" and event.get("exitcode")]
    if output.rc > 0 and ends:
        end = ends[-1]
        message = end.get("message", "")
        if end["exitcode"] == "55":  # the reasons are in what was said of each driver
            said = [event.get("message", "") for event in events if event["type"] == "info"]
            message = " ".join([message, *(text for text in said if ": Not healthy: " in text)])
        advice = end.get("advice", "")
        # An advice may be a template that was never filled in.
        advice = "" if "{{" in advice else " ".join(filter(None, [advice, end.get("url", "")]))
        return Failure(end.get("name", ""), shortened(message), shortened(advice), step)
    plain = re.search(r"Exiting due to ([A-Z0-9_]+): (.*)", output.stderr)
    if plain:
        return Failure(plain[1], shortened(plain[2]), "", step)
    if not events and output.stdout.strip() and not output.stderr.strip():
        return Failure("", shortened(output.stdout), "", step)
    return Failure("", last_line(output.stderr), "", step)


def parse_events(stdout: str) -> list[dict[str, str]]:
    """The events of ``-o json``: the data of each, with its ``type`` (``step``, ``info``, ``warning``, ``error``)."""
    events = []
    for line in stdout.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            event = json.loads(line)
            events.append({**event["data"], "type": event["type"].rsplit(".", 1)[-1]})
    return events


def shortened(text: str, limit: int = 500) -> str:
    """A text in one line, without what is no news to a person; its beginning and its end where it is long."""
    text = re.sub(r" --\w+[ =](?:(?:<no value>|\{\{[^}]*\}\})[-:]?)+", "", text)  # Go's templates, filled in or not
    text = re.sub(r"(stdout:|stderr:|Run 'docker run --help' for more information)", " ", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit // 3]} ... {text[-limit * 2 // 3 :]}"


def last_line(text: str) -> str:
    """The last line that says something: no log line of Go's, no frame of a box, no headline of another one's output."""
    noise = re.compile(r"[EWIF]\d{4} |\W*$|stdout:|stderr:|See '|\W*(╭|│|╰)")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not noise.match(line.strip())]
    return shortened(lines[-1]) if lines else ""
