"""Asking a cluster."""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils import cluster_state
from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState
from support.preflight import OURS


class Answers(http.server.BaseHTTPRequestHandler):
    """A cluster's API in small: what is not in ``table`` is not there."""

    table: ClassVar[dict[str, tuple[int, Any]]] = {}

    def answer(self) -> None:
        """Answer as the table says; a review by what it asks for."""
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        resource = asked.get("spec", {}).get("resourceAttributes", {}).get("resource", "")
        status, body = self.table.get(f"{self.path} {resource}".strip(), (404, {"message": "not found"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_GET = do_POST = answer  # noqa: N815 (the names that http.server calls)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[dict[str, tuple[int, Any]]]:
    """A cluster that answers by a table; ``tmp_path`` gets its kubeconfig, with the context aula."""
    table: dict[str, tuple[int, Any]] = {}
    handler = type("Handler", (Answers,), {"table": table})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{server.server_port}")
        yield table
        server.shutdown()
        thread.join()


def write_kubeconfig(path: Path, server: str) -> None:
    """A kubeconfig with the context aula, for a user with a token."""
    cluster = {"name": "c", "cluster": {"server": server}}
    user = {"name": "u", "user": {"token": "t"}}
    context = {"name": "aula", "context": {"cluster": "c", "user": "u"}}
    path.write_text(json.dumps({"clusters": [cluster], "users": [user], "contexts": [context]}), encoding="utf-8")


REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NO, YES = (201, {"status": {"allowed": False}}), (201, {"status": {"allowed": True}})
FORBIDDEN = (403, {"message": 'nodes is forbidden: User "ana" cannot list'})


def test_a_cluster_says_what_it_is(api: dict[str, tuple[int, Any]], tmp_path: Path) -> None:
    """Version, processors, storage, the namespace, and the rights that are lacking to make it."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    api["/version"] = (200, {"gitVersion": "v1.34.4"})
    nodes = [{"status": {"nodeInfo": {"architecture": name}}} for name in ("arm64", "amd64", "arm64")]
    api["/api/v1/nodes?limit=100"] = (200, {"items": nodes})
    classes = [{"metadata": {"name": "slow"}}, {"metadata": {"name": "fast", "annotations": default}}]
    api["/apis/storage.k8s.io/v1/storageclasses"] = (200, {"items": classes})
    api[f"{REVIEWS} namespaces"] = NO
    seen = cluster_state.query_cluster(str(tmp_path / "config"), "aula", "hc-lab")
    assert cluster_state.parse_cluster_state(json.dumps(seen), "") == ClusterState(
        "seen",
        version="v1.34.4",
        architectures=("amd64", "arm64"),
        namespace="absent",
        denied=("create namespaces",),
        storage_classes=("fast", "slow"),
        default_storage_class=True,
    )


def test_a_guest_of_a_cluster_sees_little(api: dict[str, tuple[int, Any]], tmp_path: Path) -> None:
    """What may not be listed is unknown; in a namespace that is there, each right is asked for."""
    metadata = {"labels": OURS, "annotations": {"historia-clinica/owner": "ana@aula:/labs/ana"}}
    api["/api/v1/namespaces/ana"] = (200, {"metadata": metadata, "status": {"phase": "Active"}})
    api["/api/v1/nodes?limit=100"] = api["/apis/storage.k8s.io/v1/storageclasses"] = FORBIDDEN
    for _, resource, _ in cluster_state.NEEDED:
        api[f"{REVIEWS} {resource}"] = NO if resource in ("pods", "networkpolicies") else YES
    seen = cluster_state.query_cluster(str(tmp_path / "config"), "aula", "ana")
    assert cluster_state.parse_cluster_state(json.dumps(seen), "") == ClusterState(
        "seen",
        namespace="Active",
        labels=OURS,
        owner="ana@aula:/labs/ana",
        denied=("create pods/portforward in ana", "create networkpolicies.networking.k8s.io in ana"),
    )
    api["/api/v1/namespaces/ana"] = FORBIDDEN
    api[f"{REVIEWS} namespaces"] = YES
    seen = cluster_state.query_cluster(str(tmp_path / "config"), "aula", "ana")
    assert (seen["namespace"], seen["denied"]) == ("", [])


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((401, {"message": "Unauthorized"}), "unauthorized"),
        ((403, {"message": 'User "system:anonymous" cannot get'}), "unauthorized"),
        ((500, {"message": "etcd is gone"}), "unreachable"),
    ],
)
def test_a_cluster_that_refuses_says_why(
    api: dict[str, tuple[int, Any]], tmp_path: Path, answer: tuple[int, Any], state: str
) -> None:
    """Expired credentials are another matter than a cluster that is broken."""
    api["/api/v1/namespaces/hc-lab"] = answer
    seen = cluster_state.query_cluster(str(tmp_path / "config"), "aula", "hc-lab")
    assert seen["state"] == state
    assert answer[1]["message"] in seen["said"]


def test_a_look_goes_through_the_runtimes_python(tmp_path: Path) -> None:
    """A real one: what is no kubeconfig, a context that is not in it, and a server that does not listen, are told apart."""
    config = tmp_path / "config"

    def state(context: str = "aula") -> tuple[str, str]:
        seen = cluster_state.inspect_cluster(sys.executable, str(config), context, "hc-lab", os.environ)
        return seen.state, seen.said

    assert state() == ("kubeconfig", "No such file or directory")
    for text in ("", "[]", "contexts: 3", "contexts: [{}]", "a: b: c", "contexts: [{name: aula}]"):
        config.write_text(text, encoding="utf-8")
        seen = cluster_state.query_cluster(str(config), "aula", "hc-lab")
        assert seen["state"] == "kubeconfig", text
    write_kubeconfig(config, "http://127.0.0.1:1")
    assert state("casa") == ("context", "it has no context casa")
    found, said = state()
    assert found == "unreachable"
    assert "127.0.0.1:1" in said
    assert "refused" in said


@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        ("echo no module >&2; exit 1", "unseen", "no module"),
        ("echo []", "unseen", "it says nothing"),
        ("sleep 60", "unreachable", "no answer within 0.3 seconds"),
    ],
)
def test_a_look_that_fails_is_no_exception(tmp_path: Path, script: str, state: str, said: str) -> None:
    """A Python without the package, with another answer, or that waits for a person."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec sleep')}\n", encoding="utf-8")
    python.chmod(0o755)
    assert cluster_state.inspect_cluster(str(python), "/k", "aula", "hc-lab", os.environ, 0.3) == ClusterState(
        state, said
    )
    python.write_bytes(b"\x00")
    assert cluster_state.inspect_cluster(str(python), "/k", "aula", "hc-lab", os.environ).state == "unseen"
    python.unlink()
    assert "not there yet" in cluster_state.inspect_cluster(str(python), "/k", "aula", "hc-lab", os.environ).said
