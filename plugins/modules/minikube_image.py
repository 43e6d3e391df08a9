#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Build a container image in a Minikube profile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minikube_image
short_description: Build a container image in a Minikube profile
description:
  - Builds the image of a directory with C(minikube image build), where the nodes of the profile find it without a registry.
  - The image's tag is a digest of what the build can see (the files that C(.dockerignore) leaves, and the build arguments), so
    that it is built only when that changed.
  - C(minikube image build) ends with exit code 0 even when it fails. That an image was built is known by its id in the list of
    the cluster's images.
  - Older images of the same name are left alone; pods may run from them, and Kubernetes removes them when it needs room.
options:
  profile:
    description: The profile, which has to run.
    type: str
    default: historia-clinica
  repository:
    description: The image's name without a tag, with the registry's before it, such as V(localhost/historia-clinica/middleware).
    type: str
    required: true
  context:
    description: Absolute path of the directory with the C(Dockerfile).
    type: path
    required: true
  build_args:
    description: Build arguments. They are seen in the image's history, so none may be secret.
    type: dict
    default: {}
  timeout:
    description: Seconds that the build may take, and that it may wait for another run's.
    type: int
    default: 1800
attributes:
  check_mode:
    support: full
    description: Says whether it would be built.
  diff_mode:
    support: full
    description: Shows the images of this name before and after.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Build the middleware's image
  aula.historia_clinica.minikube_image:
    repository: localhost/historia-clinica/middleware
    context: /var/lib/historia-clinica/labs/lab/middleware
    build_args:
      BASE_IMAGE: docker.io/library/python:3.11-slim
  register: middleware_image
"""

RETURN = r"""
image:
  description: The image's name with its tag, as pods name it.
  returned: success
  type: str
id:
  description: The image's id; empty in check mode where it would be built.
  returned: success
  type: str
output:
  description: What the build printed, its last lines.
  returned: when it was built, or failed
  type: list
  elements: str
"""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.client import Minikube
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import MinikubeError
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.images import (
    build_options,
    content_digest,
    stage_context,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.lock import locked
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import program_environment

#: A registry (a name with a dot or a port, or localhost), then the path, in lower case.
NAME = re.compile(r"(localhost|[a-z0-9.-]+\.[a-z0-9.-]+|[a-z0-9.-]+:[0-9]+)(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
LINES = 40


class BuildError(Exception):
    """There is no image; ``output`` has what the build printed."""

    def __init__(self, message: str, output: list[str]) -> None:
        super().__init__("\n".join([message, *output]))
        self.output = output


def build(minikube: Minikube, image: str, context: Path, arguments: dict[str, str], timeout: float) -> list[str]:
    """Build an image.

    Returns:
        The last lines that the build printed. Whether there is an image is another question.
    """
    profile = minikube.saved()[1]
    runtime = profile.container_runtime if profile else ""
    with tempfile.TemporaryDirectory(prefix="historia-clinica-") as folder:
        stage = Path(folder, "context")
        stage.mkdir()
        stage_context(context, stage)
        # Minikube leaves an archive of the directory in the folder for temporary files.
        builder = Minikube(minikube.program, minikube.profile, {**minikube.environment, "TMPDIR": folder})
        options = build_options(runtime, arguments)
        command = ("image", "build", f"--profile={minikube.profile}", f"--tag={image}", *options, str(stage))
        output = builder.run(*command, seconds=timeout)
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", f"{output.stdout}\n{output.stderr}")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if output.late:
        lines.append(f"It did not end within {output.late:g} s (timeout) and was stopped.")
    return lines[-LINES:]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "profile": {"type": "str", "default": "historia-clinica"},
            "repository": {"type": "str", "required": True},
            "context": {"type": "path", "required": True},
            "build_args": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    name, profile, timeout = parameters["repository"], parameters["profile"], parameters["timeout"]
    context = Path(parameters["context"])
    arguments = {key: str(value) for key, value in parameters["build_args"].items()}
    if not NAME.fullmatch(name):
        module.fail_json(
            msg=f"The image's name is {name!r}; needed is a registry, a path in lower case and no tag,"
            " such as localhost/historia-clinica/middleware."
        )
    if not (context / "Dockerfile").is_file():
        module.fail_json(msg=f"There is no Dockerfile in {context}: name the directory that has it as context.")
    program = shutil.which("minikube", path=program_environment(os.environ)["PATH"])
    if not program:
        module.fail_json(
            msg="There is no program minikube on the PATH: run the role aula.historia_clinica.minikube first."
        )
    minikube = Minikube(str(program), profile, os.environ)
    output: list[str] = []
    try:
        image = f"{name}:{content_digest(context, arguments)}"
        with contextlib.ExitStack() as stack:
            if not module.check_mode:
                stack.enter_context(locked(minikube.home, profile, timeout))
            before = after = minikube.images()
            changed = image not in before
            if changed and not module.check_mode:
                output = build(minikube, image, context, arguments, timeout)
                after = minikube.images()
                if image not in after:
                    raise BuildError(
                        f"The image {image} was not built from {context}. The build's last lines:",
                        output or ["(it printed nothing: see minikube status)"],
                    )
    except BuildError as error:
        module.fail_json(msg=str(error), output=error.output)
    except (MinikubeError, OSError) as error:
        module.fail_json(msg=str(error))
    tags = [sorted(tag for tag in images if tag.startswith(f"{name}:")) for images in (before, after)]
    if changed and module.check_mode:
        tags[1] = sorted([*tags[1], image])
    texts = ["".join(f"{tag}\n" for tag in names) for names in tags]
    module.exit_json(
        changed=changed,
        image=image,
        id=after.get(image, ""),
        output=output,
        diff={"before": texts[0], "after": texts[1]},
    )


if __name__ == "__main__":
    main()
