"""The module ``minikube_profile``, with a Minikube that says what was recorded."""

from __future__ import annotations

import os
import re

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import INSTALL_MINIKUBE
from support.minikube import DOWN, IS_ABSENT, IS_STOPPED, RUNS, STARTS, Replay, Script
from support.modules import RunModule


def test_profile_that_runs_costs_one_look(replay: Replay) -> None:
    """Two short commands, nothing changed, and what a later task needs to know."""
    replay.says(**RUNS)
    result = replay.profile()
    assert result["changed"] is False
    assert (result["context"], result["status"], result["differences"]) == ("minikube", "running", [])
    assert result["notes"] == []
    assert result["kubeconfig"] == str(replay.folder / "kubeconfig")
    assert result["profile"]["memory"] == 4096
    assert replay.steps == ["look"]


def test_profile_that_is_not_there_is_created(replay: Replay) -> None:
    """With every setting; who has no current context gets this one."""
    replay.says(**STARTS)
    result = replay.profile(memory="20g", diff=True)
    assert result["changed"] is True
    assert result["diff"] == {"before": "minikube: absent\n", "after": "minikube: running\n"}
    (start,) = replay.called("start")
    assert {"--memory=8192m", "--container-runtime=containerd", "--keep-context=false", "--force=false"} <= set(start)
    assert any("8192m: the profile gets 8192m" in note for note in result["notes"])


def test_profile_leaves_a_persons_current_context_alone(replay: Replay) -> None:
    """Another cluster may be in it."""
    (replay.folder / "kubeconfig").write_text("current-context: produccion\n", encoding="utf-8")
    replay.says(**STARTS)
    replay.profile()
    assert "--keep-context=true" in replay.called("start")[0]


def test_profile_started_by_root_says_that_it_passes_force(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minikube leaves out checks of its own then."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    replay.says(**STARTS)
    result = replay.profile()
    assert "--force=true" in replay.called("start")[0]
    assert any("Root starts Minikube with --force" in note for note in result["notes"])


def test_profile_refuses_root_that_may_not_force(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started, whatever Minikube is configured for."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    replay.says(**STARTS)
    result = replay.profile(force=False)
    assert result["failed"] is True
    assert [obstacle["id"] for obstacle in result["obstacles"]] == ["minikube-root"]
    assert "minikube_force: auto" in result["msg"]
    assert replay.called("start") == []


def test_profile_that_is_stopped_is_started_as_it_is(replay: Replay) -> None:
    """Though other settings are wanted, which are reported."""
    replay.says(
        status=["stopped-status-json", "running-status-json"],
        profile_list=["stopped-profile-list-json", "running-profile-list-json"],
        start="start-stopped-json",
    )
    result = replay.profile(memory="5g", container_runtime="docker")
    assert result["changed"] is True
    assert not any(re.match("--(memory|cpus|container-runtime)", word) for word in replay.called("start")[0])
    assert [entry["setting"] for entry in result["differences"]] == ["minikube_container_runtime", "minikube_memory"]


def test_profile_with_other_settings_is_reported_and_left_alone(replay: Replay) -> None:
    """Smaller than wanted is no difference where the machine has no more."""
    replay.says(**RUNS)
    result = replay.profile(cpus=4, memory="3g")
    assert result["changed"] is False
    assert result["differences"] == [{"setting": "minikube_memory", "wanted": "3072m", "found": "4096m"}]
    assert any("Two ways out" in note for note in result["notes"])
    assert {call[0] for call in replay.calls} == {"status", "profile", "version"}


def test_profile_whose_start_was_interrupted_is_taken_up(replay: Replay) -> None:
    """Kubernetes had begun: it is started as it is."""
    replay.says(
        status=["interrupted-status-json", "running-status-json"],
        profile_list="interrupted-profile-list-json",
        start="interrupted-start-again-json",
    )
    certificate = replay.folder / "minikube/.minikube/profiles/third/apiserver.crt"
    certificate.parent.mkdir(parents=True)
    certificate.touch()
    assert replay.profile(profile="third", memory="2g")["changed"] is True
    assert replay.steps == ["look", "version", "start", "look"]
    assert "--container-runtime=containerd" not in replay.called("start")[0]


@pytest.mark.parametrize("status", ["container-removed-status-json", "interrupted-status-json"])
def test_profile_whose_start_ended_before_kubernetes_began_is_made_anew(replay: Replay, status: str) -> None:
    """What it left stands in the way of the next start, with or without a node: it is deleted, nobody can have used it."""
    replay.says(
        status=[status, "running-status-json"],
        profile_list="interrupted-profile-list-json",
        delete="other-delete",
        start="start-json",
    )
    assert replay.profile(profile="third", memory="2g")["changed"] is True
    assert replay.steps[:4] == ["look", "version", "delete", "start"]
    assert "--container-runtime=containerd" in replay.called("start")[0]


def test_profile_whose_start_was_killed_while_it_wrote_is_made_anew(replay: Replay) -> None:
    """Half of its settings are there, and Minikube starts nothing that it cannot read."""
    replay.says(
        status=["torn-status-json", "running-status-json"],
        profile_list=["none-profile-list-json", "running-profile-list-json"],
        delete="other-delete",
        start="start-json",
    )
    assert replay.profile()["changed"] is True
    assert replay.steps[:4] == ["look", "version", "delete", "start"]


def test_profile_whose_node_was_removed_is_not_touched(replay: Replay) -> None:
    """A start would hang for minutes; what helps is a person's decision."""
    replay.says(status="container-removed-status-json", profile_list="running-profile-list-json")
    result = replay.profile()
    assert result["failed"] is True
    assert "was removed" in result["msg"]
    kept, _, given_up = result["msg"].partition("giving up")
    assert "docker run --rm -v minikube:/from:ro" in kept  # where its data are
    assert "minikube delete -p minikube" in given_up
    assert {call[0] for call in replay.calls} == {"status", "profile"}


def test_profile_that_cannot_be_started_says_why(replay: Replay) -> None:
    """In Minikube's own words, and with what to do."""
    replay.says(**{**STARTS, "start": "no-base-image-json"})
    result = replay.profile()
    assert result["failed"] is True
    assert "exit code 80 (GUEST_PROVISION)" in result["msg"]
    assert "Fix: " in result["msg"]


def test_profile_that_does_not_run_after_its_start_is_a_failure(replay: Replay) -> None:
    """An exit code of 0 is not believed."""
    replay.says(**{**STARTS, "status": ["none-status-json", "kubelet-stopped-status-json"]})
    result = replay.profile()
    assert result["failed"] is True
    assert "but the profile is partial" in result["msg"]


def test_profile_on_a_machine_without_a_driver_lists_what_is_missing(replay: Replay, programs: Script) -> None:
    """In check mode, too: the run would fail."""
    programs("docker", "{}", DOWN, 1)
    replay.says(**IS_ABSENT)
    for check in (True, False):
        result = replay.profile(check=check)
        assert result["failed"] is True
        assert [obstacle["id"] for obstacle in result["obstacles"]] == ["driver-stopped"]


def test_profile_with_wrong_values_is_refused_with_all_of_them(replay: Replay) -> None:
    """Before Minikube is asked anything."""
    replay.says(**RUNS)
    result = replay.profile(cpus="two", memory="1g", profile="a_b")
    ids = [obstacle["id"] for obstacle in result["obstacles"]]
    assert sorted(ids) == ["minikube-memory", "minikube-setting", "minikube-setting"]
    assert replay.calls == []


def test_profile_list_that_cannot_be_read_is_a_failure(replay: Replay) -> None:
    """Never taken for no profile: that would be created."""
    replay.says(status="running-status-json", profile_list="start-flag-unknown-json")
    assert "unknown flag: --nonsense" in replay.profile()["msg"]
    assert replay.called("start") == []


def test_profile_whose_disk_is_full_is_told(replay: Replay) -> None:
    """It runs, and will soon evict pods."""
    replay.says(**{**RUNS, "status": "disk-full-status-json"})
    result = replay.profile()
    assert result["changed"] is False
    assert any("almost full" in note for note in result["notes"])


def test_profile_gets_the_addons_that_it_lacks(replay: Replay) -> None:
    """And only these."""
    replay.says(**RUNS, addons_enable="addons-enable-metrics-server")
    result = replay.profile(addons=["storage-provisioner", "metrics-server"])
    assert result["changed"] is True
    assert replay.called("addons") == [["addons", "enable", "metrics-server", "--profile=minikube"]]


def test_profile_with_an_addon_that_does_not_exist_says_so(replay: Replay) -> None:
    """And where the list of them is."""
    replay.says(**RUNS, addons_enable="addons-enable-unknown")
    result = replay.profile(addons=["nonsense"])
    assert "nonsense is not a valid addon" in result["msg"]
    assert "minikube addons list -p minikube" in result["msg"]


@pytest.mark.parametrize(
    ("state", "replies", "changed"),
    [
        ("present", IS_ABSENT, True),
        ("present", IS_STOPPED, True),
        ("present", RUNS, False),
        ("stopped", RUNS, True),
        ("stopped", IS_STOPPED, False),
        ("stopped", IS_ABSENT, False),
        ("absent", RUNS, True),
        ("absent", IS_ABSENT, False),
        ("absent", {"status": "none-status-json", "profile_list": "none-profile-list-json-after-refusals"}, True),
    ],
)
def test_profile_check_mode_says_what_a_run_does(
    replay: Replay, state: str, replies: dict[str, str], changed: bool
) -> None:
    """And only looks: no lock, and no command that changes something."""
    replay.says(**replies)
    assert replay.profile(check=True, state=state)["changed"] is changed
    assert {call[0] for call in replay.calls} <= {"status", "profile", "version"}
    assert not (replay.folder / "minikube").exists()


def test_profile_is_stopped_once(replay: Replay) -> None:
    """What is stopped, or not there, needs nothing."""
    replay.says(**RUNS, stop="stop-json")
    assert replay.profile(state="stopped")["status"] == "stopped"
    assert len(replay.called("stop")) == 1
    replay.says(**IS_STOPPED)
    assert replay.profile(state="stopped")["changed"] is False
    replay.says(**IS_ABSENT)
    assert replay.profile(state="stopped")["status"] == "absent"
    assert len(replay.called("stop")) == 1


def test_profile_is_deleted_with_its_lock(replay: Replay) -> None:
    """Nothing of the lab stays in Minikube's folder."""
    replay.says(
        status="running-status-json",
        profile_list=["running-profile-list-json", "none-profile-list-json"],
        delete="first-delete",
    )
    result = replay.profile(state="absent")
    assert (result["changed"], result["status"], result["profile"]) == (True, "absent", {})
    assert list((replay.folder / "minikube/.minikube").iterdir()) == []


def test_profile_that_is_still_there_after_its_deletion_is_a_failure(replay: Replay) -> None:
    """An exit code of 0 is not believed."""
    replay.says(**RUNS, delete="first-delete")
    assert "is still there" in replay.profile(state="absent")["msg"]


def test_profile_is_not_deleted_where_its_node_cannot_be_reached(replay: Replay, programs: Script) -> None:
    """Minikube would forget it, and leave the node."""
    programs("docker", "{}", DOWN, 1)
    replay.says(status="docker-down-status-json", profile_list="docker-down-profile-list-json", delete="first-delete")
    result = replay.profile(state="absent")
    assert [obstacle["id"] for obstacle in result["obstacles"]] == ["driver-stopped"]
    assert replay.called("delete") == []


def test_profile_without_minikube(run_module: RunModule, programs: Script) -> None:
    """There is nothing to stop or delete; to start one is refused with where it comes from."""
    for state in ("stopped", "absent"):
        assert run_module("minikube_profile", state=state)["changed"] is False
    result = run_module("minikube_profile")
    assert [obstacle["id"] for obstacle in result["obstacles"]] == ["minikube-missing"]
    assert INSTALL_MINIKUBE in result["msg"]
