"""A student's kubeconfig: a token with an end, renewed in time, and nothing of the teacher's."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aula.historia_clinica.plugins.module_utils.kubeconfigs import (
    DAY,
    Token,
    is_of_this_machine,
    kept_token,
    read_token,
)
from support.modules import RunModule

ACCOUNT = "/api/v1/namespaces/hc-ana/serviceaccounts/student"
SECRET = "what-the-teacher-has"


def written(uid: str, begun: float, end: float) -> str:
    """A token as a cluster gives it, signed by nobody."""
    said = {"iat": int(begun), "exp": int(end), "kubernetes.io": {"serviceaccount": {"name": "student", "uid": uid}}}
    parts = [{"alg": "none"}, said]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*texts, "signature"])


class FakeCluster(ThreadingHTTPServer):
    """As much of a cluster's API as gives tokens.

    Attributes:
        uid: of the account; empty where there is none.
        grants: the longest time that it grants, in seconds.
        given: for how many seconds tokens were asked, one after the other.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.uid, self.grants = "first", 10**9
        self.given: list[int] = []


class Answers(BaseHTTPRequestHandler):
    """What it answers."""

    server: FakeCluster

    def do_GET(self) -> None:
        """The account."""
        self._say({"metadata": {"uid": self.server.uid}} if self.server.uid and self.path == ACCOUNT else None)

    def do_POST(self) -> None:
        """A token."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != f"{ACCOUNT}/token" or not self.server.uid:
            self._say(None)
            return
        seconds = asked["spec"]["expirationSeconds"]
        self.server.given.append(seconds)
        now = time.time()
        self._say({"status": {"token": written(self.server.uid, now, now + min(seconds, self.server.grants))}})

    def _say(self, answer: dict[str, Any] | None) -> None:
        text = json.dumps(answer or {"message": "not found"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A cluster that gives tokens."""
    with FakeCluster() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def keep(run_module: RunModule, tmp_path: Path, cluster: FakeCluster) -> Any:
    """Keep a student's kubeconfig, asked for with a teacher's."""
    teacher = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{cluster.server_port}"}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [{"name": "aula", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "aula",
    }
    asked_with = tmp_path / "teacher"
    asked_with.write_text(yaml.safe_dump(teacher), encoding="utf-8")

    def run(check: bool = False, **changes: Any) -> dict[str, Any]:
        given = {"path": str(tmp_path / "kubeconfig"), "namespace": "hc-ana", "kubeconfig": str(asked_with)}
        return run_module("student_kubeconfig", check, **{**given, "context": "aula", **changes})

    return run


def kept(tmp_path: Path, token: str) -> None:
    """Write down what an earlier run kept."""
    text = yaml.safe_dump({"users": [{"name": "student", "user": {"token": token}}]})
    (tmp_path / "kubeconfig").write_text(text, encoding="utf-8")


def test_a_kubeconfig_opens_one_namespace_until_its_end(keep: Any, cluster: FakeCluster, tmp_path: Path) -> None:
    """For its owner alone; of the teacher's it has the cluster and nothing else."""
    given = keep(days=150)
    assert (given["changed"], given["local"], given["said"]) == (True, True, [])
    assert cluster.given == [150 * DAY]
    path = tmp_path / "kubeconfig"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert found["contexts"] == [
        {"name": "hc-ana", "context": {"cluster": "cluster", "namespace": "hc-ana", "user": "student"}}
    ]
    assert (
        found["clusters"][0]["cluster"]
        == {"server": given["server"]}
        == {"server": f"http://127.0.0.1:{cluster.server_port}"}
    )
    token = kept_token(found)
    assert token is not None
    assert (token.uid, token.days, token.until) == ("first", 150, given["until"])
    assert given["text"] == text
    assert SECRET not in text


def test_a_second_run_asks_for_nothing(keep: Any, cluster: FakeCluster, tmp_path: Path) -> None:
    """The token stays; a mode that was changed is set again."""
    first = keep()
    assert keep() == {**first, "changed": False}
    (tmp_path / "kubeconfig").chmod(0o644)
    assert keep()["changed"]
    assert len(cluster.given) == 1


#: What was kept (uid, days since it was given, days until its end), and whether it is renewed 30 days before that: the next case is a line.
KEPT = [
    pytest.param("first", 110, 40, False, id="far from its end"),
    pytest.param("first", 121, 29, True, id="near its end"),
    pytest.param("first", 200, -50, True, id="ended"),
    pytest.param("first", 0.4, 0.6, False, id="granted for a day, in its first half"),
    pytest.param("first", 0.6, 0.4, True, id="granted for a day, in its second half"),
    pytest.param("other", 0, 150, True, id="of an account that was made anew"),
]


@pytest.mark.parametrize(("uid", "since", "until", "renewed"), KEPT)
def test_a_token_is_renewed_when_it_is_due(
    keep: Any, cluster: FakeCluster, tmp_path: Path, uid: str, since: float, until: float, renewed: bool
) -> None:
    """And the teacher is told, since the student still has the other one; where the account is another, that one opens nothing."""
    now = time.time()
    kept(tmp_path, written(uid, now - since * DAY, now + until * DAY))
    again = keep()
    assert bool(cluster.given) == renewed
    assert ["make handout" in text for text in again["said"]] == ([True] if renewed and uid == "first" else [])


def test_a_check_asks_for_no_token(keep: Any, cluster: FakeCluster, tmp_path: Path) -> None:
    """It says that there would be one; of one that is kept, that nothing changes."""
    checked = keep(check=True)
    assert (checked["changed"], checked["text"], checked["until"]) == (True, "", "")
    assert not (tmp_path / "kubeconfig").exists()
    assert cluster.given == []
    keep()
    assert not keep(check=True)["changed"]
    now = time.time()
    kept(tmp_path, written("first", now - 149 * DAY, now + DAY))
    before = (tmp_path / "kubeconfig").read_bytes()
    assert keep(check=True)["changed"]
    assert (tmp_path / "kubeconfig").read_bytes() == before


def test_what_the_cluster_grants_is_said(keep: Any, cluster: FakeCluster) -> None:
    """Where it is less than was asked for; and it is no reason to ask again at once."""
    cluster.grants = 2 * DAY
    given = keep(days=150)
    assert given["said"] == [
        f"The cluster grants a kubeconfig for 2.0 days, not for 150: until {given['until']}. Type make class and make handout again before that."
    ]
    assert not keep(days=150)["changed"]


def test_without_the_account_there_is_no_kubeconfig(keep: Any, cluster: FakeCluster, tmp_path: Path) -> None:
    """It says what is missing, and what to type."""
    cluster.uid = ""
    failed = keep()
    assert failed["failed"]
    assert "hc-ana has no account student" in failed["msg"]
    assert "make class" in failed["msg"]
    assert not (tmp_path / "kubeconfig").exists()


@pytest.mark.parametrize("text", ["", "one", "a.b.c", "a.e30.c", "a.W10.c"])
def test_what_is_no_token_is_none(text: str) -> None:
    """Half a file, or another kind of token."""
    assert read_token(text) is None
    assert kept_token({"users": [{"user": {"token": text}}]}) is None


@pytest.mark.parametrize("found", [None, "text", [], {}, {"users": []}, {"users": [{"user": {}}]}])
def test_what_is_no_kubeconfig_has_none(found: Any) -> None:
    """Whatever lies there is written anew."""
    assert kept_token(found) is None


def test_a_token_ends_when_it_says() -> None:
    """In days, and as a date."""
    token = Token("x", "first", 0, 2 * DAY)
    assert (token.days, token.until) == (2, "1970-01-03 00:00 UTC")


@pytest.mark.parametrize(
    ("server", "here"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://localhost:6443", True),
        ("https://[::1]:6443", True),
        ("https://192.168.49.2:8443", False),
        ("https://kube.uni.edu.co", False),
    ],
)
def test_an_address_of_this_machine_is_known(server: str, here: bool) -> None:
    """What no other machine can use as it is."""
    assert is_of_this_machine(server) is here
