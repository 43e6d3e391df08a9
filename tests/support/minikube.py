"""Minikube as it was recorded: its answers, and a program that gives them again."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.profiles import Profile, parse_profiles
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from support.modules import RunModule

RECORDED = Path(__file__).parents[1] / "unit/minikube/recorded"
GIB = 1024**3


def recorded(name: str) -> Output:
    """A command that was recorded."""
    run = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return Output(run["command"], run["rc"], run["stdout"], run["stderr"])


def profile_of(name: str, profile: str = "minikube") -> Profile:
    """A profile in a recorded list."""
    profiles = parse_profiles(recorded(name))
    assert profiles is not None
    found = profiles[profile]
    assert found is not None
    return found


RUNNING = profile_of("running-profile-list-json")
VERSION = recorded("version-json").stdout
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
Script = Callable[..., None]
REPLAY = """\
#!{python} -IS
import fcntl, json, sys
arguments = sys.argv[1:]
name = " ".join(word for word in arguments[:2] if not word.startswith("-"))
log = open({calls!r}, "a")
fcntl.flock(log, fcntl.LOCK_EX)
log.write(json.dumps(arguments) + "\\n")
with open({replies!r}) as file:
    replies = json.load(file)
left = replies.get(name) or sys.exit("minikube " + name + ": nothing is recorded")
reply = left[0] if len(left) == 1 else left.pop(0)
with open({replies!r}, "w") as file:
    json.dump(replies, file)
with open({recorded!r} + "/" + reply + ".json") as file:
    run = json.load(file)
sys.stdout.write(run["stdout"])
sys.stderr.write(run["stderr"])
sys.exit(run["rc"])
"""


class Replay:
    """A Minikube whose every command has recorded answers, given one after the other; the last one stays."""

    def __init__(self, folder: Path, put: Script, run: RunModule) -> None:
        self.folder = folder
        self._run = run
        put("docker", json.dumps({"NCPU": 2, "MemTotal": 8 * GIB}))
        text = REPLAY.format(
            python=sys.executable,
            calls=str(folder / "calls"),
            replies=str(folder / "replies.json"),
            recorded=str(RECORDED),
        )
        program = folder / "bin/minikube"
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)

    def says(self, **replies: str | list[str]) -> None:
        """What a command (``image_ls`` is ``image ls``) answers."""
        lists = {
            name.replace("_", " "): [reply] if isinstance(reply, str) else reply for name, reply in replies.items()
        }
        (self.folder / "replies.json").write_text(json.dumps({"version": ["version-json"], **lists}), encoding="utf-8")

    def profile(self, **arguments: Any) -> dict[str, Any]:
        """Run the module ``minikube_profile``."""
        return self._run(
            "minikube_profile", **{"profile": "minikube", "cpus": 2, "memory": "4g", "timeout": 20, **arguments}
        )

    def image(self, **arguments: Any) -> dict[str, Any]:
        """Run the module ``minikube_image``."""
        return self._run("minikube_image", **{"profile": "minikube", "timeout": 20, **arguments})

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each command that was run."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    @property
    def steps(self) -> list[str]:
        """The commands that were run; "look" for the two that are asked at once, in whatever order they arrived."""
        names = " ".join(call[0] for call in self.calls)
        return re.sub(r"status profile|profile status", "look", names).split()

    def called(self, name: str) -> list[list[str]]:
        """The arguments of each run of a command."""
        return [call for call in self.calls if call[0] == name]


RUNS = {"status": "running-status-json", "profile_list": "running-profile-list-json"}
IS_STOPPED = {"status": "stopped-status-json", "profile_list": "stopped-profile-list-json"}
IS_ABSENT = {"status": "none-status-json", "profile_list": "none-profile-list-json"}
STARTS: dict[str, str | list[str]] = {
    "status": ["none-status-json", "running-status-json"],
    "profile_list": ["none-profile-list-json", "running-profile-list-json"],
    "start": "start-json",
}
