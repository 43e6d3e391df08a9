"""A lab in pods beside the same by hand: how long it takes, how many fit, what it weighs, how fast it heals.

    LAB_TEST_KUBECONFIG=.. LAB_TEST_CONTEXT=.. LAB_TEST_MINIKUBE=1 .venv/bin/python benchmarks/pods.py [PART ...]

On the cluster of the tests, with Citus. Each part prints one line of JSON; without names all are run:

- ``make``: site.yml from an empty namespace with the image there, beside the original's steps with the same manifests, the
  same SQL and the same waits, by kubectl and psql; and a second run.
- ``five``: a class of five at once beside one of one.
- ``memory``: what a lab's pods take at rest.
- ``heal``: a worker's pod is deleted under a steady stream of reads; seconds until all succeed again, beside the same with a
  headless Service, as a StatefulSet has by itself.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psycopg
import yaml
from by_hand import DISTRIBUTE, LOGINS, RIGHTS, SQL, TABLES, checked

from support.labs import run_playbook
from support.pods import APPLIED, CONTEXT, KUBECONFIG, PodLab, PodWorkshop, missing


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Run kubectl and return what it prints."""
    command = ["kubectl", "--kubeconfig", KUBECONFIG, "--context", CONTEXT, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def made(workshop: PodWorkshop, name: str) -> Iterator[PodLab]:
    """A lab, removed afterwards."""
    lab = workshop.lab(name, "citus")
    checked(lab.play("site.yml"))
    try:
        yield lab
    finally:
        checked(lab.play("teardown.yml"))


class ByHand:
    """The original's steps in the lab's namespace, with what the lab itself applied."""

    def __init__(self, lab: PodLab) -> None:
        self.namespace, self.port = lab.namespace, lab.api_port
        *self.manifests, self.job = lab.manifests()
        passwords = (lab.directory / "credentials").glob("*.pgpass")
        self.passwords = {path.stem: path.read_text(encoding="utf-8").strip().rpartition(":")[2] for path in passwords}

    def apply(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """kubectl apply -f."""
        kubectl("apply", "-f", "-", text=yaml.safe_dump_all([thing for thing in self.manifests if wanted(thing)]))

    def psql(self, statement: str) -> None:
        """kubectl exec ... psql, once more where a Service has not heard yet that its pod is ready."""
        psql = ["psql", "-q", "-U", "admin", "-d", "historia_clinica", "-v", "ON_ERROR_STOP=1"]
        for remaining in reversed(range(3)):
            try:
                kubectl("-n", self.namespace, "exec", "-i", "citus-coordinator-0", "--", *psql, text=statement)
                return
            except subprocess.CalledProcessError as error:
                if not remaining:
                    sys.exit(error.stderr)

    def run(self) -> float:
        """All of it; how many seconds."""
        started = time.monotonic()
        database = {"citus-coordinator", "citus-worker", "citus-worker-1", "citus-worker-2", "database-settings"}
        worker = {"citus-worker", "citus-worker-1", "citus-worker-2"}

        def name(thing: dict[str, Any]) -> str:
            return str(thing["metadata"]["name"])

        self.apply(lambda thing: name(thing) not in database and not name(thing).startswith("middleware-"))
        self.apply(lambda thing: name(thing) in database - worker)
        self.rollout("statefulset/citus-coordinator")
        self.apply(lambda thing: name(thing) in worker)
        self.rollout("statefulset/citus-worker")
        self.psql((SQL / "citus/files/sql/lab.sql").read_text(encoding="utf-8"))
        nodes = [{"name": "citus-coordinator", "role": "coordinator", "host": "citus-coordinator", "port": 5432}]
        for number in (1, 2):
            nodes.append(
                {"name": f"citus-worker-{number}", "role": "worker", "host": f"citus-worker-{number}", "port": 5432}
            )
            self.psql(f"SELECT lab.register_nodes('{json.dumps(nodes)}')")  # names of this file
        self.psql("SELECT * FROM master_get_active_worker_nodes()")
        schema = SQL / "clinical_schema/files/sql"
        for login in LOGINS:
            self.psql(f"SELECT lab.create_login('{login}', '{self.passwords[login]}')")  # letters and digits
        for file in TABLES:
            self.psql((schema / file).read_text(encoding="utf-8"))
        for statement in DISTRIBUTE:
            self.psql(statement)
        for file in RIGHTS:
            self.psql((schema / file).read_text(encoding="utf-8"))
        kubectl("apply", "-f", "-", text=yaml.safe_dump(self.job))
        kubectl("-n", self.namespace, "wait", "--for=condition=complete", "job/schema-init-job", "--timeout=300s")
        self.apply(lambda thing: name(thing) in ("middleware-citus", "middleware-service"))
        self.rollout("deployment/middleware-citus")
        self.reach()
        return time.monotonic() - started

    def rollout(self, workload: str) -> None:
        """The same wait that the lab has: until every pod is ready."""
        kubectl("-n", self.namespace, "rollout", "status", workload, "--timeout=300s")

    def reach(self) -> None:
        """kubectl port-forward, and curl until the API answers with the database behind it."""
        command = ["kubectl", "--kubeconfig", KUBECONFIG, "--context", CONTEXT, "-n", self.namespace, "port-forward"]
        with subprocess.Popen(
            [*command, "service/middleware-service", f"{self.port}:8080"], stdout=subprocess.DEVNULL
        ) as invocation:
            try:
                while True:
                    try:
                        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5).close()
                        return
                    except OSError:
                        time.sleep(0.1)
            finally:
                invocation.kill()

    def remove(self) -> None:
        """kubectl delete namespace."""
        kubectl("delete", "namespace", self.namespace)


def measure_make(workshop: PodWorkshop) -> dict[str, Any]:
    """One lab, made twice each way, turn about."""
    lab = workshop.lab("bench-make", "citus")
    checked(lab.play("site.yml"))  # builds the image
    again = checked(lab.play("site.yml"))
    by_hand = ByHand(lab)
    ours, theirs = [], []
    for _ in range(2):
        checked(lab.play("teardown.yml"))
        theirs.append(by_hand.run())
        by_hand.remove()
        ours.append(checked(lab.play("site.yml")).seconds)
    checked(lab.play("teardown.yml"))
    return {
        "site_seconds": round(min(ours), 1),
        "by_hand_seconds": round(min(theirs), 1),
        "ratio": round(min(ours) / min(theirs), 2),
        "second_run_seconds": round(again.seconds, 1),
        "second_run_tasks": again.recap[lab.name]["ok"],
        "second_run_changed": again.recap[lab.name]["changed"],
    }


def measure_five(workshop: PodWorkshop) -> dict[str, Any]:
    """One lab, then five of them in one inventory, as `make class` makes them."""
    labs = [workshop.lab(f"bench-{number}", "citus") for number in range(1, 6)]
    environment = {**labs[0].environment, "ANSIBLE_STRATEGY": "ansible.builtin.host_pinned"}  # as the Makefile sets it
    labs[0].environment = environment
    first = checked(labs[0].play("class.yml"))  # builds the image
    checked(labs[0].play("teardown.yml"))
    one = checked(labs[0].play("class.yml"))
    checked(labs[0].play("teardown.yml"))
    inventory = workshop.place / "five.json"
    inventory.write_text(json.dumps({"all": {"hosts": {lab.name: lab.variables for lab in labs}}}), encoding="utf-8")
    five = checked(run_playbook("-i", str(inventory), "playbooks/class.yml", environment=environment))
    checked(run_playbook("-i", str(inventory), "playbooks/teardown.yml", environment=environment))
    return {
        "with_the_image_to_build_seconds": round(first.seconds, 1),
        "one_seconds": round(one.seconds, 1),
        "five_seconds": round(five.seconds, 1),
        "ratio": round(five.seconds / one.seconds, 2),
    }


def measure_memory(workshop: PodWorkshop) -> dict[str, Any]:
    """What the node's kubelet counts for the lab's pods, half a minute after they were made."""
    with made(workshop, "bench-memory") as lab:
        time.sleep(30)
        node = json.loads(kubectl("get", "nodes", "-o", "json"))["items"][0]["metadata"]["name"]
        pods = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))["pods"]
        sizes = {
            pod["podRef"]["name"]: pod["memory"]["workingSetBytes"] / 2**20
            for pod in pods
            if pod["podRef"]["namespace"] == lab.namespace and pod.get("memory", {}).get("workingSetBytes")
        }
    return {"MiB": {name: round(size) for name, size in sorted(sizes.items())}, "total_MiB": round(sum(sizes.values()))}


def seconds_to_heal(lab: PodLab) -> float:
    """Seconds from the deletion of a worker's pod until the end of the last read that failed, or took more than a second."""
    with lab.connect() as connection:
        found = connection.execute(
            "SELECT p.cedula FROM (SELECT cedula FROM pacientes ORDER BY cedula LIMIT 50) AS p,"
            " lab.where('pacientes', p.cedula) AS w WHERE w.node_name = 'citus-worker-1' LIMIT 1"
        ).fetchone()
    if found is None:
        sys.exit("no patient lies on citus-worker-1")
    reads: list[tuple[float, float, bool]] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                with lab.connect() as connection:
                    while not ended.is_set():
                        started = time.monotonic()
                        try:
                            connection.execute("SELECT count(*) FROM consultas WHERE paciente_id = %s", found)
                            reads.append((started, time.monotonic(), True))
                        except psycopg.Error:
                            reads.append((started, time.monotonic(), False))
                            if connection.closed:
                                break
                        time.sleep(0.05)
            except psycopg.OperationalError:
                reads.append((time.monotonic(), time.monotonic(), False))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    deleted = time.monotonic()
    lab.kubectl("delete", "pod", "citus-worker-1", "--wait=false")
    # Quiet for ten seconds: it has healed. A headless Service's silence lasts thirty.
    while True:
        time.sleep(1)
        last = max(
            (end for start, end, good in reads if end > deleted and (not good or end - start > 1)), default=deleted
        )
        recent = [end for _, end, _ in reads[-8:]]
        if (
            time.monotonic() - last > 10
            and recent
            and time.monotonic() - min(recent) < 5
            and time.monotonic() - deleted > 20
        ):
            break
    ended.set()
    for thread in threads:
        thread.join()
    return last - deleted


def measure_heal(workshop: PodWorkshop) -> dict[str, Any]:
    """With the lab's Service that has an address, then with one that has none."""
    with made(workshop, "bench-heal") as lab:
        ours = seconds_to_heal(lab)
        [service] = [one for one in lab.objects("service") if one["metadata"]["name"] == "citus-worker-1"]
        applied = json.loads(service["metadata"]["annotations"][APPLIED])
        applied["spec"]["clusterIP"] = "None"
        lab.kubectl("delete", "service", "citus-worker-1")
        kubectl("apply", "-f", "-", text=json.dumps(applied))
        # Names are kept for half a minute at most; then the coordinator's pod asks anew.
        time.sleep(31)
        pod = ("get", "pod", "citus-coordinator-0", "-o", "jsonpath={.metadata.uid}")
        before = lab.kubectl(*pod)
        lab.kill("citus-coordinator")
        lab.seconds_until(lambda: lab.kubectl(*pod) != before)
        lab.seconds_until(lab.all_respond)
        headless = seconds_to_heal(lab)
    return {"seconds": round(ours, 1), "headless_seconds": round(headless, 1)}


PARTS: dict[str, Callable[[PodWorkshop], dict[str, Any]]] = {
    "make": measure_make,
    "five": measure_five,
    "memory": measure_memory,
    "heal": measure_heal,
}


def main(names: list[str]) -> int:
    """Run the parts named, or all."""
    if missing() or set(names) - set(PARTS):
        print(missing() or f"There are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    place.chmod(0o755)
    workshop = PodWorkshop(place)
    try:
        for name in names or PARTS:
            print(json.dumps({"part": name, **PARTS[name](workshop)}), flush=True)
    finally:
        workshop.clean()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
