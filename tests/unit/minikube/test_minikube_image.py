"""The module ``minikube_image``, with a Minikube that says what was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.minikube import Replay, recorded

NAME = "localhost/greeting"


def test_image_that_is_there_is_not_built(replay: Replay, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tag says what it is made of."""
    name = "registry.k8s.io/pause"
    module = "ansible_collections.aula.historia_clinica.plugins.modules.minikube_image"
    monkeypatch.setattr(f"{module}.content_digest", lambda *_: "3.10.1")
    replay.says(image_ls="running-image-ls-json")
    result = replay.image(repository=name, context=str(context))
    assert result["changed"] is False
    assert result["id"].startswith("sha256:95089d97")
    diff = replay.image(repository=name, context=str(context), check=True, diff=True)["diff"]
    assert diff == {"before": f"{name}:3.10.1\n", "after": f"{name}:3.10.1\n"}
    assert [call[:2] for call in replay.calls] == [["image", "ls"]] * 2


@pytest.mark.parametrize(
    "build", ["image-build-broken", "image-build-run-fails", "image-build-no-base", "image-build-missing-context"]
)
def test_image_build_that_fails_is_a_failure(replay: Replay, context: Path, build: str) -> None:
    """Minikube ends with 0; the image is not in the list, and what the build printed says why."""
    assert recorded(build).rc == 0
    replay.says(image_ls="running-image-ls-json", image_build=build, profile_list="running-profile-list-json")
    result = replay.image(repository=NAME, context=str(context), build_args={"BASE": "x"})
    assert result["failed"] is True
    assert "was not built" in result["msg"]
    assert ("failed to solve" if recorded(build).stderr else "it printed nothing") in result["msg"]
    (command,) = [call for call in replay.calls if call[:2] == ["image", "build"]]
    assert "--build-opt=opt=build-arg:BASE=x" in command
    assert any(word.startswith(f"--tag={NAME}:") for word in command)


def test_image_check_mode_says_that_it_would_be_built(replay: Replay, context: Path) -> None:
    """And builds nothing."""
    replay.says(image_ls="running-image-ls-json")
    result = replay.image(repository=NAME, context=str(context), check=True, diff=True)
    assert (result["changed"], result["id"]) == (True, "")
    assert result["diff"] == {"before": "", "after": result["image"] + "\n"}
    assert [call[:2] for call in replay.calls] == [["image", "ls"]]
    assert not (replay.folder / "minikube").exists()


def test_image_of_a_stopped_cluster_is_a_failure(replay: Replay, context: Path) -> None:
    """No image is not the same as no answer."""
    replay.says(image_ls="stopped-image-ls")
    assert "does not run" in replay.image(repository=NAME, context=str(context))["msg"]


@pytest.mark.parametrize(
    "name", ["greeting", "localhost/greeting:1", "localhost/Greeting", "localhost/a b", "library/python"]
)
def test_image_name_is_whole(replay: Replay, context: Path, name: str) -> None:
    """Another form would be listed under another name than it was asked for."""
    assert "a registry, a path in lower case and no tag" in replay.image(repository=name, context=str(context))["msg"]


def test_image_context_has_a_dockerfile(replay: Replay, tmp_path: Path) -> None:
    """A folder that is not there has none."""
    assert "There is no Dockerfile" in replay.image(repository=NAME, context=str(tmp_path / "nothing"))["msg"]
