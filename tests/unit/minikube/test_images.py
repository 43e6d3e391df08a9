"""A cluster's images, and what a build would see."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.images import (
    build_options,
    content_digest,
    ignored,
    parse_images,
    stage_context,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from support.minikube import recorded


def test_images_are_read_by_name() -> None:
    """The id proves that one was built."""
    images = parse_images(recorded("running-image-ls-json"))
    assert images is not None
    assert images["registry.k8s.io/pause:3.10.1"].startswith("sha256:95089d97")


def test_images_of_a_stopped_cluster_are_not_no_images() -> None:
    """Minikube prints an empty line or, asked for JSON, an empty list, and ends with 0."""
    for output in (recorded("stopped-image-ls"), recorded("docker-down-image-ls"), Output("", 0, "[]\n")):
        assert output.rc == 0
        assert parse_images(output) is None


@pytest.mark.parametrize(
    ("path", "patterns", "out"),
    [
        ("src/a.py", ["**", "!src"], False),
        ("tests/a.py", ["**", "!src"], True),
        ("src/p/__pycache__/a.pyc", ["**", "!src", "**/__pycache__"], True),
        ("__pycache__/a.pyc", ["**/__pycache__"], True),
        ("a.txt", ["*.txt"], True),
        ("b/a.txt", ["*.txt"], False),
        ("b/a.txt", ["**/*.txt"], True),
        ("b/a.txt", ["/b"], True),
        ("b/a.txt", ["b/", "!b/a.txt"], False),
        ("bc", ["b?"], True),
        ("b.c", ["bxc"], False),
        ("b", [], False),
    ],
)
def test_ignored_as_docker_does(path: str, patterns: list[str], out: bool) -> None:
    """The last pattern that fits decides."""
    assert ignored(path, patterns) is out


def test_digest_is_of_what_a_build_sees(context: Path, tmp_path: Path) -> None:
    """It changes with content, mode, names and arguments; not with place, umask or what is ignored."""
    first = content_digest(context, {"BASE": "x"})
    assert re.fullmatch("[0-9a-f]{16}", first)
    (context / "src/__pycache__").mkdir()
    (context / "src/__pycache__/a.pyc").touch()
    (context / "notes.txt").write_text("mine", encoding="utf-8")
    (context / "src/a.py").chmod(0o600)
    elsewhere = shutil.copytree(context, tmp_path / "elsewhere", symlinks=True)
    assert content_digest(context, {"BASE": "x"}) == content_digest(elsewhere, {"BASE": "x"}) == first
    seen = {first, content_digest(context, {"BASE": "y"}), content_digest(context, {})}
    changes: list[Callable[[], object]] = [
        lambda: (context / "src/run").chmod(0o755),
        lambda: (context / "src/a.py").write_text("a = 2\n", encoding="utf-8"),
        lambda: (context / "src/a.py").rename(context / "src/b.py"),
        lambda: (context / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8"),
        lambda: (context / "src/link").unlink(),
    ]
    for change in changes:
        change()
        seen.add(content_digest(context, {"BASE": "x"}))
    assert len(seen) == 3 + len(changes)


def test_stage_holds_what_a_build_sees_and_every_user_can_read_it(context: Path, tmp_path: Path) -> None:
    """Without the .dockerignore: Minikube would leave out the Dockerfile where it names all files."""
    (context / "src/a.py").chmod(0o600)
    (context / "src/run").chmod(0o700)
    (context / "src").chmod(0o700)
    stage = tmp_path / "stage"
    stage.mkdir()
    stage_context(context, stage)
    modes = {path.relative_to(stage).as_posix(): path.lstat().st_mode & 0o777 for path in stage.rglob("*")}
    assert modes.pop("src/link") is not None
    assert modes == {"src": 0o755, "src/a.py": 0o644, "src/run": 0o755, "Dockerfile": 0o644}
    assert os.readlink(stage / "src/link") == "a.py"


def test_build_arguments_have_the_form_of_the_runtime() -> None:
    """The other one's form fails, with exit code 0."""
    assert build_options("containerd", {"B": "1", "A": "2"}) == [
        "--build-opt=opt=build-arg:A=2",
        "--build-opt=opt=build-arg:B=1",
    ]
    assert build_options("docker", {"A": "2"}) == ["--build-opt=build-arg=A=2"]
