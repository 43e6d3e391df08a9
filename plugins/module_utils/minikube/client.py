# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Minikube's own program, run for one profile."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import (
    MinikubeError,
    explain,
    parse_failure,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.images import parse_images
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.kubeconfig import kubeconfig_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.profiles import (
    Profile,
    Status,
    parse_profiles,
    parse_status,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import (
    Output,
    minikube_home,
    program_environment,
    run_command,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings


class Minikube:
    """Runs Minikube for one profile.

    Attributes:
        program: its path.
        profile: the profile's name.
        environment: of every command.
        home: where Minikube keeps its profiles.
        kubeconfig: the file that has the profile's context.
    """

    def __init__(self, program: str, profile: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self.profile = profile
        self.environment = program_environment(environment)
        self.home = minikube_home(self.environment)
        self.kubeconfig = kubeconfig_path(self.environment)

    def run(self, *arguments: str, seconds: float = 120) -> Output:
        """Run a command of Minikube."""
        return run_command([self.program, *arguments], self.environment, seconds)

    def demand(self, *arguments: str, seconds: float = 120) -> Output:
        """Run a command of Minikube that has to succeed.

        Raises:
            MinikubeError: it does not.
        """
        output = self.run(*arguments, seconds=seconds)
        if output.rc != 0 or output.late:
            raise MinikubeError(explain(output, self.profile))
        return output

    def status(self) -> Status:
        """How the profile is."""
        return parse_status(self.run("status", f"--profile={self.profile}", "--output=json"))

    def saved(self) -> tuple[bool, Profile | None]:
        """Whether there is a profile of this name, and what is saved of it if that is more than the name.

        Raises:
            MinikubeError: Minikube does not say.
        """
        output = self.run("profile", "list", "--light", "--output=json")
        found = parse_profiles(output)
        if found is None:
            raise MinikubeError(explain(output, self.profile))
        return self.profile in found, found.get(self.profile)

    def look(self) -> tuple[Status, bool, Profile | None]:
        """How the profile is, whether there is one of its name, and what is saved of it: two questions, asked at once.

        Raises:
            MinikubeError: Minikube does not say.
        """
        with ThreadPoolExecutor() as threads:
            status = threads.submit(self.status)
            there, profile = self.saved()
            return status.result(), there, profile

    def images(self) -> dict[str, str]:
        """The images of the profile's cluster, id by name.

        Raises:
            MinikubeError: the cluster does not answer.
        """
        output = self.run("image", "ls", f"--profile={self.profile}", "--format=json")
        images = parse_images(output)
        if images is None:
            raise MinikubeError(
                f"The Minikube profile {self.profile} does not run, so it has no images:"
                f" {parse_failure(output).message or 'minikube image ls says nothing'}."
                f" Fix: minikube status -p {shlex.quote(self.profile)}; the role minikube starts it."
            )
        return images

    def began(self) -> bool:
        """Whether a start of the profile ever came as far as Kubernetes: it makes the certificates first."""
        return (self.home / "profiles" / self.profile / "apiserver.crt").exists()

    def read_kubeconfig(self) -> str:
        """The text of the kubeconfig; empty where it cannot be read."""
        try:
            return self.kubeconfig.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def start_arguments(settings: Settings, create: bool, force: bool, keep_context: bool) -> list[str]:
    """The arguments of ``minikube`` that start a profile, and wait until node, DNS and storage work.

    Args:
        settings: what it shall be.
        create: whether it is new. One that is there keeps what it has: a wrong runtime would be saved and break it.
        force: whether ``--force`` is passed.
        keep_context: whether kubectl's current context stays.
    """
    arguments = [
        "start",
        f"--profile={settings.profile}",
        "--output=json",
        "--interactive=false",
        "--wait=all",
        f"--keep-context={str(keep_context).lower()}",
        # Said either way: Minikube's own configuration may have another default.
        f"--force={str(force).lower()}",
    ]
    if create:
        arguments += [
            f"--container-runtime={settings.container_runtime}",
            f"--cpus={settings.cpus}",
            f"--memory={settings.memory}m",
        ]
        if settings.driver:
            arguments.append(f"--driver={settings.driver}")
        if settings.kubernetes_version:
            arguments.append(f"--kubernetes-version={settings.kubernetes_version}")
    return arguments
