"""What is said of pods that do not come up, on objects as a cluster gives them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.rotation import ANNOUNCED_UNTIL
from ansible_collections.aula.historia_clinica.plugins.module_utils.workloads import (
    APPLIED,
    OBJECTS,
    Trouble,
    changed_by_hand,
    event_lines,
    explain_log,
    failed,
    find_refusals,
    find_troubles,
    lacking_pods,
    mounted_files,
    network_verdict,
    secret_credentials,
    secret_data,
    takes_next_password,
    unfinished,
)


def workload(kind: str, generation: int = 1, **status: Any) -> dict[str, Any]:
    """A StatefulSet or a Deployment."""
    return {
        "kind": kind,
        "metadata": {"name": "some", "generation": generation},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": generation, **status},
    }


def pod(name: str = "citus-worker-1", **status: Any) -> dict[str, Any]:
    """A pod."""
    return {"metadata": {"name": name}, "status": status}


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod's containers, of which there is one."""
    return {"containerStatuses": [{"name": "postgresql", "image": "docker.io/x:1", "state": state, **more}]}


def event(
    reason: str, message: str, name: str = "citus-worker-1", kind: str = "Pod", when: str = "1"
) -> dict[str, Any]:
    """An event."""
    about = {"kind": kind, "name": name}
    return {
        "type": "Warning",
        "reason": reason,
        "message": message,
        "involvedObject": about,
        "metadata": {},
        "lastTimestamp": when,
    }


def only(pods: list[dict[str, Any]], events: list[dict[str, Any]] | None = None) -> Trouble:
    """The one trouble that there is."""
    [trouble] = find_troubles(pods, events or [])
    return trouble


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, ""),
        ({"replicas": 2, "updatedReplicas": 1, "readyReplicas": 2}, "1 of 2 pods are up to date"),
        ({"replicas": 3, "updatedReplicas": 2, "readyReplicas": 2}, "2 of 2 pods are up to date"),
        ({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 1}, "1 of 2 pods are ready"),
        ({}, "0 of 2 pods are up to date"),
    ],
)
def test_unfinished_counts_a_deployments_pods(status: dict[str, Any], text: str) -> None:
    """A Deployment is done when all its pods are new, ready, and no others are left."""
    assert unfinished(workload("Deployment", **status)).endswith(text)
    assert bool(unfinished(workload("Deployment", **status))) == bool(text)


def test_unfinished_waits_until_a_change_was_taken_up() -> None:
    """The counts of the generation before say nothing."""
    ready = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "observedGeneration": 3}
    assert "taken up" in unfinished(workload("StatefulSet", generation=4, **ready))


def test_unfinished_takes_a_statefulset_whose_revision_is_current() -> None:
    """A StatefulSet that has nothing to update may count no pods as updated."""
    same: dict[str, Any] = {"currentRevision": "a", "updateRevision": "a", "replicas": 2, "readyReplicas": 2}
    assert unfinished(workload("StatefulSet", **same)) == ""
    assert unfinished(workload("StatefulSet", **same | {"updateRevision": "b"})) != ""


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_unfinished_counts_none_where_the_cluster_counts_nothing(kind: str) -> None:
    """The cluster leaves out a count of nothing, and how many are wanted where it is one."""
    one = workload(kind, currentRevision="a", updateRevision="a", replicas=1, updatedReplicas=1)
    del one["spec"]["replicas"]
    assert unfinished(one) == f"{kind} some: 0 of 1 pods are ready"


def test_a_failed_job_is_done_and_says_why() -> None:
    """Waiting for a Job ends with its failure."""
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "limit"}
    job = {"kind": "Job", "metadata": {"name": "schema-init-job"}, "status": {"conditions": [condition]}}
    assert unfinished(job) == ""
    assert failed(job) == "BackoffLimitExceeded: limit"
    assert failed({**job, "status": {}}) == ""
    assert "has not finished" in unfinished({**job, "status": {}})


def test_pods_that_are_ready_finished_or_leaving_are_no_trouble() -> None:
    """Only what should serve and does not is shown."""
    leaving = {"metadata": {"name": "c", "deletionTimestamp": "now"}, "status": {"phase": "Running"}}
    ready = pod("a", phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    assert find_troubles([ready, pod("b", phase="Succeeded"), leaving], []) == []


def test_a_pod_that_says_it_is_not_ready_is_trouble() -> None:
    """As one that does not say."""
    assert only([pod(phase="Running", conditions=[{"type": "Ready", "status": "False"}])]).pod == "citus-worker-1"


def test_events_of_something_else_with_the_pods_name_are_not_the_pods() -> None:
    """A node's Service is called like its pod."""
    mine, service = event("Killing", "mine"), event("Updated", "the Service's", kind="Endpoints")
    assert only([pod()], [mine, service]).events == ["Warning Killing (x1): mine"]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("0/1 nodes are available: 1 Insufficient memory.", "no room"),
        ("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "volume not bound"),
        ('persistentvolumeclaim "data-citus-worker-1" not found', "volume not bound"),
        ("0/1 nodes are available: 1 node(s) had untolerated taint.", "no node takes it"),
    ],
)
def test_a_pod_without_a_node_says_what_it_lacks(message: str, cause: str) -> None:
    """The scheduler's message tells room from volumes."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    trouble = only([pod(phase="Pending", conditions=[condition])])
    assert trouble.cause.startswith(cause)
    assert message in trouble.state


@pytest.mark.parametrize(
    ("reason", "message", "hopeless"),
    [
        ("ImagePullBackOff", 'failed to pull: "docker.io/x:1": not found', True),
        ("ErrImagePull", "dial tcp: i/o timeout", False),
        ("ErrImageNeverPull", "", True),
        ("InvalidImageName", "", True),
    ],
)
def test_an_image_that_cannot_be_pulled_is_named(reason: str, message: str, hopeless: bool) -> None:
    """Waiting goes on only where the network may come back."""
    trouble = only([pod(phase="Pending", **container({"waiting": {"reason": reason, "message": message}}))])
    assert "image not pulled: docker.io/x:1" in trouble.cause
    assert trouble.hopeless is hopeless


def test_a_missing_image_may_be_told_by_an_event_only() -> None:
    """A pod in back-off says less than the event of its first attempt."""
    waiting = container({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}})
    assert only([pod(**waiting)], [event("Failed", "docker.io/x:1: not found")]).hopeless


@pytest.mark.parametrize(("restarts", "hopeless"), [(1, False), (3, True)])
def test_a_program_that_keeps_ending_is_given_up(restarts: int, hopeless: bool) -> None:
    """One failed start may be an accident, three are not."""
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    trouble = only(
        [pod(**container({"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended, restartCount=restarts))]
    )
    assert trouble.hopeless is hopeless
    assert trouble.container == "postgresql"
    assert f"exit code 1 (Error), {restarts} restarts" in trouble.state


@pytest.mark.parametrize(
    "status",
    [
        container({"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 1}}),
        container({"terminated": {"exitCode": 1}}),
        container({"running": {}}, lastState={"terminated": {"exitCode": 1}}, restartCount=1),
    ],
    ids=["waits to be started again", "has just ended", "was started again"],
)
def test_a_program_that_has_ended_is_told_by_its_exit_code(status: dict[str, Any]) -> None:
    """Whatever it does at this moment."""
    assert "ended with exit code 1" in only([pod(**status)]).state


def test_a_container_that_is_made_anew_has_not_ended() -> None:
    """What its last state was belongs to another one."""
    status = container({"waiting": {"reason": "ContainerCreating"}}, lastState={"terminated": {"exitCode": 1}})
    assert only([pod(**status)]).cause == "its container is still being made"


@pytest.mark.parametrize("code", [126, 127])
def test_an_image_without_the_program_is_named(code: int) -> None:
    """The shell's codes for what cannot be run, and for what is not there."""
    trouble = only([pod(**container({"terminated": {"exitCode": code, "reason": "Error"}}))])
    assert trouble.cause == "the image lacks the program that it should run"
    assert "docker.io/x:1" in trouble.remedy


def test_a_program_that_used_too_much_memory_says_so() -> None:
    """OOMKilled is a cause, not a word to look up."""
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    trouble = only([pod(**container({"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended, restartCount=1))])
    assert "used more memory than its limit" in trouble.cause


def test_a_running_container_that_does_not_serve_is_told_from_a_broken_one() -> None:
    """It is not hopeless, and its log is asked for."""
    trouble = only([pod(phase="Running", **container({"running": {}}))])
    assert (trouble.state, trouble.hopeless, trouble.container) == ("Running, not ready", False, "postgresql")


def test_a_volume_that_cannot_be_mounted_is_shown() -> None:
    """The kubelet says it in an event only."""
    waiting = container({"waiting": {"reason": "ContainerCreating"}})
    events = [event("FailedMount", "timed out"), event("FailedMount", 'secret "credentials" not found')]
    assert only([pod(**waiting)], events).state == 'ContainerCreating: secret "credentials" not found'


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ('FATAL:  configuration file "/etc/x.conf" contains errors', "bad settings"),
        ("PANIC:  could not write: No space left on device", "no room: the volume is full"),
        ("FATAL:  could not map anonymous shared memory: Cannot allocate memory", "no room: the server"),
        (
            "DETAIL:  The data directory was initialized by PostgreSQL version 17",
            "the volume holds the data of another",
        ),
        ("mkdir: cannot create directory: Permission denied", "the volume belongs to another user"),
        ("exec /usr/bin/x: exec format error", "the image is for another processor"),
    ],
)
def test_the_last_lines_of_a_log_tell_the_cause(log: str, cause: str) -> None:
    """Known messages are translated into what a person can do."""
    trouble = Trouble("a", "b", "unknown", "unknown")
    explain_log(trouble, f"first\n{log}\n")
    assert trouble.cause.startswith(cause)
    assert log in trouble.page()


def test_a_log_that_tells_nothing_leaves_the_cause_as_it_is() -> None:
    """No guess is better than a wrong one."""
    trouble = Trouble("a", "b", "its program ends by itself", "see its log")
    explain_log(trouble, "hello")
    assert trouble.cause == "its program ends by itself"


def test_refusals_to_make_a_pod_are_found_on_its_owner() -> None:
    """Quota and pod security are told by events of the StatefulSet, or of the Deployment's ReplicaSet."""
    events = [
        event("FailedCreate", "exceeded quota: lab", "some", "StatefulSet"),
        event("FailedCreate", "violates PodSecurity", "some-897f4dc57", "ReplicaSet", when="2"),
        event("FailedCreate", "other", "another", "StatefulSet"),
        event("FailedCreate", "no pod makes pods", "some-897f4dc57", "Pod"),
    ]
    assert find_refusals([workload("StatefulSet")], events) == ["exceeded quota: lab", "violates PodSecurity"]


def test_events_are_the_last_ones_oldest_first() -> None:
    """Six lines, in the order in which they happened."""
    lines = event_lines([event(f"R{number}", "m", when=str(number)) for number in (9, 1, 2, 3, 4, 5, 6)])
    assert [line.split()[1] for line in lines] == ["R2", "R3", "R4", "R5", "R6", "R9"]


def test_events_without_a_last_time_are_told_in_order_too() -> None:
    """Newer ones say when they happened, or only when they were made."""
    happened, made_only = event("Second", "m"), event("First", "m")
    for one in (happened, made_only):
        del one["lastTimestamp"]
    happened["eventTime"] = "2026-11-26T12:00:02Z"
    made_only["metadata"]["creationTimestamp"] = "2026-11-26T12:00:01Z"
    assert [line.split()[1] for line in event_lines([happened, made_only])] == ["First", "Second"]


@pytest.mark.parametrize(
    ("exit_code", "verdict"),
    [(0, "not enforced by this cluster's network"), (1, "not enforced by this cluster's network"), (2, "enforced")],
)
def test_network_verdict_is_what_the_forbidden_connection_met(exit_code: int, verdict: str) -> None:
    """An answer means that nothing stood between."""
    assert network_verdict(exit_code) == verdict


def test_network_verdict_needs_an_attempt() -> None:
    """A connection that was not tried proves nothing."""
    with pytest.raises(ValueError, match="not tried"):
        network_verdict(3)


def test_credentials_come_out_of_a_secret_as_password_files() -> None:
    """Each wanted login has its file, with its line ended, and keys are as they were; what else the Secret has stays there."""
    secret = {"data": {"admin": "YWJj", "nodes.pgpass": "eHh4", "signing.keys": "a2V5Cg=="}}
    assert secret_credentials([secret], ["admin", "readonly", "signing.keys"]) == [
        {"path": "admin.pgpass", "content": "*:*:*:admin:abc\n", "mode": "0600"},
        {"path": "signing.keys", "content": "key\n", "mode": "0600"},
    ]
    assert secret_credentials([], ["admin"]) == []


def made(kind: str, name: str, **content: Any) -> dict[str, Any]:
    """An object as a run made it and the cluster has it."""
    return {
        "kind": kind,
        "metadata": {"name": name, "annotations": {APPLIED: json.dumps(content)}},
        **json.loads(json.dumps(content)),
    }


def test_what_a_run_made_and_nobody_changed_is_no_change() -> None:
    """What the cluster adds by itself is nobody's change, nor is an object of the student's own."""
    contents: dict[str, dict[str, Any]] = {
        "StatefulSet": {"spec": {"replicas": 2}},
        "Deployment": {"spec": {"replicas": 2}},
        "Secret": {"data": {"admin": "eA=="}},
        "NetworkPolicy": {"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 5432}]}]}},
        "Service": {"spec": {"ports": [{"port": 5432}]}},
    }
    found = [made(kind, name, **contents.get(kind, {})) for kind, name in (*OBJECTS, ("Service", "citus-worker-1"))]
    for thing in found:
        for port in thing.get("spec", {}).get("ports", []):
            port["protocol"] = "TCP"
    mine = {"kind": "Secret", "metadata": {"name": "mine"}, "data": {"a": "b"}}
    assert changed_by_hand([*found, mine], ["citus-worker-1"]) == []


def test_a_rule_that_was_emptied_is_a_change() -> None:
    """An empty selector is every pod; what the cluster leaves out of one is none."""
    policy = made("NetworkPolicy", "worker", spec={"podSelector": {"matchLabels": {"app": "worker"}}, "egress": [{}]})
    policy["spec"]["podSelector"] = {}
    assert "NetworkPolicy worker has other rules than were written" in changed_by_hand([policy], [])


def test_what_was_deleted_scaled_or_edited_is_named() -> None:
    """Each by its kind and name, and what it was."""
    worker = made("StatefulSet", "citus-worker", spec={"replicas": 2})
    worker["spec"]["replicas"] = 1
    secret = made("Secret", "credentials", data={"admin": "eA=="})
    secret["data"]["admin"] = "eQ=="
    policy = made("NetworkPolicy", "worker", spec={"ingress": [{"ports": [{"port": 5432}]}]})
    policy["spec"]["ingress"] = [{}]
    said = changed_by_hand([worker, secret, policy], ["citus-coordinator"])
    assert (
        "StatefulSet citus-worker has 1 replicas, 2 were made: nobody reaches the rows of citus-worker-2, which stay in volumes;"
        " make scale removes workers"
    ) in said
    worker["spec"]["replicas"] = 4
    assert (
        "StatefulSet citus-worker has 4 replicas, 2 were made: no nodes of the database, and without rows: citus-worker-3, citus-worker-4;"
        " make scale adds and removes workers"
    ) in changed_by_hand([worker], [])
    assert "Secret credentials has other data than were written" in said
    assert "NetworkPolicy worker has other rules than were written" in said
    assert "Service citus-coordinator is not there" in said
    assert len(said) == len(OBJECTS) + 1


CREDENTIALS = {"passwords": {"admin": "a", "middleware": "m", "api": "i"}, "keys": {"signing": "k\n"}}


def test_a_secret_has_each_login_and_the_files_that_hold_it() -> None:
    """What a module gives is what pods mount, and can be recovered from it."""
    data = secret_data(CREDENTIALS)
    assert data == {
        "admin": "a",
        "middleware": "m",
        "api": "i",
        "nodes.pgpass": "*:*:*:admin:a\n*:*:*:middleware:m\n*:*:*:api:i\n",
        "middleware.service": "[historia-clinica]\npassword=m\n",
        "api.service": "[historia-clinica]\npassword=i\n",
        "signing.keys": "k\n",
    }
    secret = {"data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}}
    [file] = secret_credentials([secret], ["signing.keys"])
    assert file["content"] == "k\n"


def test_a_secret_tells_the_service_of_what_comes() -> None:
    """The password to try where the other is refused, and a key that does not sign yet; the rest stays until the servers have learnt."""
    coming = {"passwords": {"admin": "A", "middleware": "M", "api": "I"}, "keys": {"signing": "K\n"}}
    now, announced = secret_data(CREDENTIALS), secret_data(CREDENTIALS, coming)
    assert announced["api.service"] == now["api.service"] + "[historia-clinica-next]\npassword=I\n"
    assert announced["signing.keys"] == f"k\nK\t{ANNOUNCED_UNTIL}\n"
    assert [key for key in now if announced[key] != now[key]] == ["middleware.service", "api.service", "signing.keys"]


def test_files_of_the_secret_are_found_in_a_pod() -> None:
    """By their paths; what another volume holds is none of them."""
    volumes = [
        {"name": "credentials", "secret": {"secretName": "credentials", "items": [{"key": "admin", "path": "administrator"}]}},
        {"name": "settings", "configMap": {"name": "database-settings"}},
        {"name": "others", "secret": {"secretName": "others", "items": [{"key": "x", "path": "x"}]}},
    ]  # fmt: skip
    mounts = [{"name": each["name"], "mountPath": f"/etc/{each['name']}"} for each in volumes]
    pod = {"spec": {"volumes": volumes, "containers": [{"volumeMounts": mounts}]}}
    assert mounted_files(pod) == {"/etc/credentials/administrator": "admin"}


def test_a_service_of_an_older_version_knows_no_next_password() -> None:
    """Servers need none."""
    env: list[dict[str, str]] = []
    deployment = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"env": env}]}}}}
    assert not takes_next_password(deployment)
    env.append({"name": "HISTORIA_CLINICA_NEXT_SERVICE", "value": "historia-clinica-next"})
    assert takes_next_password(deployment)
    assert takes_next_password({"kind": "StatefulSet"})


def test_a_statefulset_says_which_pods_it_lacks() -> None:
    """A Deployment's are counted by its own condition."""
    assert lacking_pods(workload("StatefulSet", replicas=1)) == "StatefulSet some has 1 of 2 pods"
    assert lacking_pods(workload("StatefulSet", replicas=2)) == ""
    assert lacking_pods(workload("Deployment", replicas=1)) == ""
