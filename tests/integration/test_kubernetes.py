"""The whole lab in pods, on a real cluster, as a person uses it: made, asked, broken, healed, stopped and removed.

What hangs on the engine is tried with both; what does not, with one, so that all of it takes minutes.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from ansible_collections.aula.historia_clinica.plugins.module_utils.workloads import OBJECTS
from support.changes import CHANGES_OF_PODS
from support.chaos import broken, goes_on_alone, noticed, rows
from support.exported import EXPORTED, everything_works, together
from support.failing import DOCUMENT, NAME, fail_all
from support.labs import ENGINES, ROOT, isolated, processes_of
from support.pods import CLUSTER_ENGINES, CONTEXT, KUBECONFIG, PodLab, PodWorkshop, missing
from support.rotation import generated, placed, rotated, secrets_of
from support.steady import steady
from support.stream import stream_on

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
once = pytest.mark.parametrize("lab", ["postgres_fdw"], indirect=True, scope="module")
#: What the host's suite or molecule/kubernetes asks of Citus, and the pods' own machinery does alike with each engine.
engines_alike = pytest.mark.parametrize(
    "lab", ["postgres_fdw", pytest.param("citus", marks=pytest.mark.long)], indirect=True, scope="module"
)
#: Citus is the lab on the target minikube, where there is one.
once_with_citus = pytest.mark.parametrize("lab", ["citus"], indirect=True, scope="module")

NODES = ["citus-coordinator", "citus-worker-1", "citus-worker-2"]
#: The original's data: of the sample as the lab's defaults load it, and its two users.
ROWS = {
    "pacientes": 1000,
    "consultas": 3000,
    "medicos": 40,
    "municipios": 1122,
    "cie10": 185,
    "usuario": 2,
    "solicitudes": 0,
}
ROWS |= dict.fromkeys(("accesos", "accesos_paginas", "cambios"), 0)


@pytest.fixture(scope="module")
def pods() -> Iterator[PodWorkshop]:
    """A place for labs in pods."""
    place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    place.chmod(0o755)
    workshop = PodWorkshop(place)
    yield workshop
    workshop.clean()


@pytest.fixture(scope="module", params=ENGINES)
def lab(request: pytest.FixtureRequest, pods: PodWorkshop) -> Iterator[PodLab]:
    """A lab that site.yml made in an empty namespace, with each engine."""
    engine: str = request.param
    if engine not in CLUSTER_ENGINES:
        pytest.skip(f"the cluster has no image of {engine} (LAB_TEST_CLUSTER_ENGINES names those that it has)")
    lab = pods.lab(f"test-pods-{engine.replace('_', '-')}", engine)
    lab.made = lab.play("site.yml", "-vvv", "--diff")
    try:
        assert lab.made.rc == 0, lab.made.stdout + lab.made.stderr
        yield lab
    finally:
        if lab.directory.exists():
            lab.play("teardown.yml")


def changed(lab: PodLab, *arguments: str) -> int:
    """How many tasks of a run of site.yml changed something."""
    run = lab.play("site.yml", *arguments)
    assert run.rc == 0, run.stdout + run.stderr
    return run.recap[lab.name]["changed"]


@engines_alike
def test_a_second_run_changes_nothing(lab: PodLab) -> None:
    """changed=0; the aim is fifteen seconds on a quiet machine, which is printed, not held."""
    run = lab.play("site.yml")
    assert run.rc == 0, run.stdout
    assert run.recap[lab.name]["changed"] == 0, run.stdout
    print(f"\n{lab.engine} in pods: second run {run.seconds:.1f} s, {run.recap[lab.name]['ok']} tasks")


@once_with_citus
def test_a_check_of_a_finished_lab_reports_no_change(lab: PodLab) -> None:
    """--check asks the cluster's API and finds nothing to do."""
    assert changed(lab, "--check", "--diff") == 0


def test_every_promise_is_kept_and_the_network_has_its_own_verdict(lab: PodLab) -> None:
    """verify.yml; a pod that is neither node nor middleware tries a connection, and the verdict is one of the two."""
    run = lab.play("verify.yml")
    assert run.rc == 0, run.stdout
    assert re.search(r"(\d+) of \1 checks passed", run.stdout)
    assert re.search("Network policies: (enforced|not enforced by this cluster's network)", run.stdout)


@engines_alike
def test_whatever_is_exported_the_lab_is_the_same(lab: PodLab) -> None:
    """Another cluster, another server, a proxy: a second run, verify, status and psql are as without them."""
    everything_works(lab, together(EXPORTED))


def test_rows_lie_on_the_workers_pods(lab: PodLab) -> None:
    """Each worker's own psql counts a part of the patients, both together all of them."""
    assert lab.rows() == ROWS
    shards = "SELECT shard_name FROM lab.shards WHERE table_name = 'pacientes' AND node_name = %s"
    counted = []
    for worker in NODES[1:]:
        with lab.connect() as connection:
            names = [row[0] for row in connection.execute(shards, [worker]).fetchall()]
        query = " UNION ALL ".join(f"SELECT count(*) AS n FROM public.{name}" for name in names)
        counted.append(int(lab.psql(worker, f"SELECT sum(n) FROM ({query}) AS parts")))
    assert min(counted) > 0
    assert sum(counted) == ROWS["pacientes"]


def test_verify_looks_at_every_object_that_was_made(lab: PodLab) -> None:
    """What the roles' manifests make in the namespace is what `objects-as-applied` compares, by kind and name; a Job only runs once."""
    made = {
        (thing["kind"], thing["metadata"]["name"])
        for thing in lab.manifests()
        if thing["kind"] not in ("Namespace", "Job")
    }
    assert made == {*OBJECTS, *(("Service", node) for node in NODES)}


def test_every_node_answers_under_its_name(lab: PodLab) -> None:
    """The nodes reach each other by the original's names."""
    with lab.connect() as connection:
        rows = connection.execute("SELECT node_name, host, responds FROM lab.nodes ORDER BY 1").fetchall()
    assert rows == [(name, name, True) for name in NODES]


def test_psql_in_a_pod_needs_no_password_of_the_person(lab: PodLab) -> None:
    """The original's `kubectl exec ... psql` works as written there."""
    assert lab.psql("citus-coordinator-0", "SELECT current_user") == "admin"


def test_fifty_connections_at_once(lab: PodLab) -> None:
    """Fifty sessions are open at the same moment through one local port, and each is answered."""
    connections = [lab.connect() for _ in range(50)]
    try:
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for connection in connections}
    finally:
        for connection in connections:
            connection.close()
    assert len(pids) == 50


def test_a_deleted_coordinator_comes_back_with_its_rows_and_still_wants_the_password(lab: PodLab) -> None:
    """By itself, through the same local port, which arrives on loopback, where the images trust everybody by default."""

    def refuses_a_wrong_password() -> bool:
        with pytest.raises(psycopg.OperationalError) as refusal:
            psycopg.connect(
                f"host=127.0.0.1 port={lab.database_port} user=admin dbname=historia_clinica password=wrong"
            )
        return "password authentication failed" in str(refusal.value)

    assert refuses_a_wrong_password()
    lab.kubectl("delete", "pod", "citus-coordinator-0", "--wait=false")
    seconds = lab.seconds_until(lambda: lab.rows() == ROWS)
    print(f"\n{lab.engine}: the coordinator's pod was deleted, all rows were there again after {seconds:.1f} s")
    assert refuses_a_wrong_password()


def test_a_deleted_worker_comes_back_with_its_rows(lab: PodLab) -> None:
    """By itself; what lies on the other nodes answers meanwhile."""
    lab.kubectl("delete", "pod", "citus-worker-1", "--wait=false")
    assert lab.ask("SELECT count(*) FROM medicos") == ROWS["medicos"]
    seconds = lab.seconds_until(lambda: lab.rows() == ROWS)
    print(f"\n{lab.engine}: a worker's pod was deleted, all rows were there again after {seconds:.1f} s")


@once
def test_what_a_student_scaled_away_or_deleted_is_healed_by_the_next_run(lab: PodLab) -> None:
    """Pods, Services, settings, credentials, policies and the middleware: `verify` names each, the run heals it with all rows."""
    for change in CHANGES_OF_PODS:
        change.how(lab)
    verified = lab.play("verify.yml")
    assert verified.rc != 0
    said = " ".join(verified.stdout.split())
    assert [change.name for change in CHANGES_OF_PODS if change.found not in said] == [], verified.stdout
    assert changed(lab) > 0
    assert lab.rows() == ROWS
    assert lab.play("verify.yml").rc == 0
    assert urllib.request.urlopen(f"http://127.0.0.1:{lab.api_port}/status", timeout=10).status == 200


@once_with_citus
def test_stop_keeps_the_rows_and_start_brings_them_back(lab: PodLab) -> None:
    """Stopped, no pod and no process of the lab is left, and status says so; started, it answers with the same rows."""
    stopped = lab.play("stop.yml")
    assert stopped.rc == 0, stopped.stdout
    assert stopped.recap[lab.name]["changed"] == 2
    assert processes_of(lab.directory) == []
    # The Job's pod has succeeded; the middleware's finish what is in flight.
    lab.seconds_until(lambda: {pod["status"]["phase"] for pod in lab.objects("pods")} <= {"Succeeded"})
    assert "the lab is stopped, its data lie in its volumes" in " ".join(lab.play("status.yml").stdout.split())
    started = lab.play("start.yml")
    assert started.rc == 0, started.stdout
    assert lab.rows() == ROWS


@once
def test_status_and_diagnosis_show_pods_beside_nodes(lab: PodLab) -> None:
    """Pods, nodes, tables on one page; workloads, volumes, what is not ready, events and logs on the other."""
    status = lab.play("status.yml")
    assert status.rc == 0, status.stdout
    for text in ("citus-coordinator-0", "middleware-citus-", "forwarder", "citus-worker-2", "pacientes", "Shards"):
        assert text in status.stdout
    diagnosis = lab.play("diagnose.yml")
    assert diagnosis.rc == 0, diagnosis.stdout
    texts = (
        "StatefulSet",
        "PersistentVolumeClaim",
        "Bound, 2Gi",
        "Events, the newest last",
        "ready to accept connections",
    )
    for text in (*texts, "Last lines of citus-worker-2", "logs/forwarder.log"):
        assert text in diagnosis.stdout


def test_psql_of_the_lab_connects_as_administrator(lab: PodLab) -> None:
    """What `make psql` runs."""
    psql = [str(lab.directory / "bin/psql"), "-Atc", "SELECT current_user, count(*) FROM pacientes"]
    assert subprocess.run(psql, capture_output=True, text=True, check=True).stdout == "admin|1000\n"


@engines_alike
def test_a_person_gets_a_login_and_a_copy_of_the_history(lab: PodLab, tmp_path: Path) -> None:
    """`make login` and `make dump`, as of a lab without pods: the login reads from all nodes, every patient is in the copy."""
    made = lab.play("login.yml", "-e", "clinical_schema_login=ana")
    assert made.rc == 0, made.stdout + made.stderr
    with lab.connect("ana") as ana:
        assert ana.execute("SELECT count(*) FROM pacientes").fetchall() == [(ROWS["pacientes"],)]
    file = tmp_path / "historia.sql"
    copied = lab.play("dump.yml", "-e", f"clinical_schema_dump_file={file}")
    assert copied.rc == 0, copied.stdout + copied.stderr
    parts = re.findall(
        r"^COPY public\.pacientes .*?;\n(.*?)^\\\.$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    with lab.connect() as admin:
        patients = {cedula for (cedula,) in admin.execute("SELECT cedula FROM pacientes").fetchall()}
    assert {line.partition("\t")[0] for part in parts for line in part.splitlines()} == patients
    gone = lab.play("login.yml", "-e", "clinical_schema_login=ana", "-e", "clinical_schema_login_kind=none")
    assert gone.rc == 0, gone.stdout + gone.stderr
    assert not (lab.directory / "credentials/ana.pgpass").exists()


@once
def test_a_server_that_crashes_or_ends_is_started_again_in_its_pod(lab: PodLab) -> None:
    """It recovers and serves, and its probes leave it the time; the files of the container before it are no hindrance."""
    kill = "for p in /proc/[0-9]*; do if grep -q [c]heckpointer $p/cmdline; then kill -9 ${p#/proc/}; fi; done"
    lab.kubectl("exec", "citus-worker-1", "--", "sh", "-c", kill)
    lab.seconds_until(lab.all_respond)
    lab.kubectl("exec", "citus-worker-1", "--", "sh", "-c", "kill -INT $(head -1 $PGDATA/postmaster.pid)")
    restarts = ("get", "pod", "citus-worker-1", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
    lab.seconds_until(lambda: lab.kubectl(*restarts) != "0")
    lab.seconds_until(lab.all_respond)


@pytest.mark.long
@once
def test_a_server_that_waits_for_its_clients_to_leave_is_started_again_in_its_pod(lab: PodLab) -> None:
    """SIGTERM lets nobody in and ends nobody; its liveness probe does."""
    count = ("get", "pod", "citus-worker-1", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
    before = lab.kubectl(*count)
    sleep = "psql -U admin -d historia_clinica -c 'SELECT pg_sleep(900)' >/dev/null 2>&1 &"
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(%'"
    lab.kubectl("exec", "citus-worker-1", "-c", "postgresql", "--", "sh", "-c", sleep)
    lab.seconds_until(lambda: lab.psql("citus-worker-1", asleep) == "1")
    lab.kubectl(
        "exec", "citus-worker-1", "-c", "postgresql", "--", "sh", "-c", "kill -TERM $(head -1 $PGDATA/postmaster.pid)"
    )
    lab.seconds_until(lambda: lab.kubectl(*count) != before, 240)
    lab.seconds_until(lab.all_respond)


@once
def test_an_image_or_a_setting_that_cannot_be_is_named_and_healed_by_the_next_run(lab: PodLab) -> None:
    """The run fails with the pod, the likely cause, and the image's name or the server's own words."""
    image = json.dumps({"lab_database_image": "docker.io/library/postgres:18-nada", "database_pods_timeout": 15})
    run = lab.play("site.yml", "--tags", "database", "-e", image)
    assert run.rc != 0
    assert "image not pulled: docker.io/library/postgres:18-nada" in run.stdout
    settings = json.dumps({"database_pods_settings": {"work_mem": "much"}, "database_pods_timeout": 60})
    run = lab.play("site.yml", "--tags", "database", "-e", settings)
    assert run.rc != 0
    assert "bad settings" in run.stdout
    assert 'invalid value for parameter "work_mem"' in run.stdout
    assert changed(lab, "--tags", "database") > 0
    lab.seconds_until(lambda: lab.rows() == ROWS)


@once
def test_credentials_are_recovered_from_the_secret(lab: PodLab) -> None:
    """Files that were lost are written again from the cluster, and no password is generated anew."""
    credentials = lab.directory / "credentials"
    before = {path.name: path.read_text(encoding="utf-8") for path in credentials.iterdir()}
    shutil.rmtree(credentials)
    assert lab.play("site.yml", "--tags", "workspace").rc == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in credentials.iterdir()} == before


def test_no_secret_is_in_any_output(lab: PodLab) -> None:
    """Not when the lab was made, with -vvv --diff; not in its logs; not in what kubectl describes."""
    secrets = [
        line.rpartition(":")[2].strip()
        for file in (lab.directory / "credentials").glob("*.pgpass")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert len(set(secrets)) == 5
    assert lab.made is not None
    # The probe's pod goes away a minute after it ended, maybe between two questions; -vvv shows what it printed.
    staying = "app.kubernetes.io/component!=network-probe"
    texts = {
        "site.yml -vvv --diff": lab.made.stdout + lab.made.stderr,
        "get": lab.kubectl("get", "all", "-o", "yaml"),
        "describe": lab.kubectl("describe", "all", "-l", staying),
    }
    for log in (lab.directory / "logs").iterdir():
        texts[str(log)] = log.read_text(encoding="utf-8", errors="replace")
    pods = lab.kubectl("get", "pods", "-l", staying, "-o", "name").split()
    assert len(pods) >= 4
    texts |= {pod: lab.kubectl("logs", pod) for pod in pods}
    assert [name for name, text in texts.items() if any(secret in text for secret in secrets)] == []


def test_what_fails_is_logged_without_the_person_it_is_about(lab: PodLab) -> None:
    """No pod's log and no diagnosis names the person: of statements that fail, those who sent them are told."""
    with lab.connect() as admin:
        fail_all(admin, without=["function that logs"])  # on purpose, and nothing goes over a pod's log
    pods = lab.kubectl("get", "pods", "-l", "app.kubernetes.io/part-of=historia-clinica", "-o", "name").split()
    texts = {pod: lab.kubectl("logs", pod) for pod in pods}
    texts["diagnose"] = lab.play("diagnose.yml", "-vvv").stdout
    named = [name for name, text in texts.items() if any(word in text for word in (DOCUMENT, *NAME.split()))]
    assert named == []
    assert "database system is ready" in texts["pod/citus-coordinator-0"]


def pods_with_secrets(lab: PodLab) -> list[str]:
    """The servers' pods and the service's: what else there is has run a Job and ended."""
    pods = [pod["metadata"]["name"] for pod in lab.objects("pods") if not pod["metadata"].get("deletionTimestamp")]
    return [pod for pod in pods if pod.startswith(("citus-", "middleware-citus-"))]


def secrets_in_pods(lab: PodLab) -> str:
    """The files with secrets as every pod that has some holds them, and the servers' own copies."""
    show = 'cat /etc/historia-clinica/credentials/* ${PGPASSFILE:+"$PGPASSFILE"}'
    return "".join(lab.kubectl("exec", pod, "--", "sh", "-c", show) for pod in pods_with_secrets(lab))


@pytest.mark.parametrize(
    "lab",
    [pytest.param(each, marks=[] if each == CLUSTER_ENGINES[0] else pytest.mark.long) for each in ENGINES],
    indirect=True,
    scope="module",
)
def test_no_request_fails_while_every_secret_is_changed(lab: PodLab) -> None:
    """The Secret, every pod that has a part of it, and every server; afterwards the old ones are refused, and nothing is left to do."""
    stream = stream_on(lab)
    before = secrets_of(lab)
    with stream.flowing():
        run = lab.play("rotate.yml", "-vvv", "--diff")
    print(f"\n{lab.engine} in pods: {dict(stream.answers)} in {run.seconds:.1f} s")
    assert run.rc == 0, run.stdout + run.stderr
    assert stream.failures == []
    assert min(stream.answers[kind] for kind in ("read", "write", "search", "doctor")) >= 10
    assert stream.lost() == []
    rotated(lab, before)
    everywhere = secrets_in_pods(lab)
    old, new = (
        {line.rpartition(":")[2].split()[0] for name, text in files.items() for line in text.splitlines()}
        for files in (before, secrets_of(lab))
    )
    kept = (
        (lab.directory / "credentials" / "signing.keys").read_text(encoding="utf-8").split()[1]
    )  # believed for a while
    assert [secret for secret in old - {kept} if secret in everywhere] == []
    assert "historia-clinica-next" not in everywhere
    assert [secret for secret in old | new if secret in run.stdout + run.stderr] == []
    assert changed(lab) == 0
    assert lab.play("verify.yml").rc == 0


def announced(lab: PodLab) -> bool:
    """Whether the Secret tells the service of the password to try where the other is refused."""
    text = lab.kubectl("get", "secret", "credentials", "-o", "jsonpath={.data.api\\.service}")
    return b"historia-clinica-next" in base64.b64decode(text)


#: When a run is killed in pods: what is reached then.
MOMENTS: dict[str, Callable[[PodLab], bool]] = {
    "generated": lambda lab: generated(lab, "signing.keys"),
    "the Secret has both": announced,
    "the administrator's is in its place": lambda lab: placed(lab, "admin.pgpass"),
    "the Secret has the new ones alone": lambda lab: placed(lab, "admin.pgpass") and not announced(lab),
}


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
@once
def test_a_rotation_that_was_killed_is_finished_by_the_next(lab: PodLab, moment: str) -> None:
    """It takes the secrets that the killed one had generated, and `make lab` has nothing to do afterwards."""
    before = secrets_of(lab)
    lab.kill_while("rotate.yml", lambda: MOMENTS[moment](lab))
    assert (lab.directory / "credentials" / "next").exists()
    run = lab.play("rotate.yml")
    assert run.rc == 0, run.stdout + run.stderr
    assert "It goes on with what an earlier run began" in run.stdout
    rotated(lab, before)
    assert changed(lab) == 0
    assert lab.play("verify.yml").rc == 0


WORKERS = {"citus-worker-1", "citus-worker-2"}
#: What is broken in pods, and whose rows are not answered meanwhile: the next case is a line.
FAULTS = [
    pytest.param("freeze", "citus-worker-1", {"citus-worker-1"}, id="frozen-worker"),
    pytest.param("kill", "citus-coordinator", WORKERS, id="killed-coordinator", marks=pytest.mark.long),
    pytest.param("kill", "citus-worker-1", {"citus-worker-1"}, id="killed-worker", marks=pytest.mark.long),
    pytest.param("cut", "citus-worker-1", {"citus-worker-1"}, id="cut-worker", marks=pytest.mark.long),
    pytest.param("fill", "citus-worker-1", set(), id="filled-volume", marks=pytest.mark.long),
    # Who is connected waits, and is not refused.
    pytest.param("freeze", "citus-coordinator", set(), id="frozen-coordinator", marks=pytest.mark.long),
    pytest.param("cut", "citus-coordinator", WORKERS, id="cut-coordinator", marks=pytest.mark.long),
    pytest.param("fill", "citus-coordinator", set(), id="filled-volume-of-the-coordinator", marks=pytest.mark.long),
    pytest.param("kill", "middleware", set(), id="killed-middleware", marks=pytest.mark.long),
    pytest.param("freeze", "middleware", set(), id="frozen-middleware", marks=pytest.mark.long),
    pytest.param("cut", "middleware", set(), id="cut-middleware", marks=pytest.mark.long),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "node", "missed"), FAULTS)
@once
def test_what_is_noticed_of_a_fault_is_what_the_node_had(lab: PodLab, fault: str, node: str, missed: set[str]) -> None:
    """Rows of other workers are answered all the while; afterwards everything is, and nothing of the fault is left."""
    noticed(lab, fault, node, missed)
    assert [pod for pod in pods_with_secrets(lab) if lab.frozen(pod)] == []
    assert "cut" not in lab.kubectl("get", "services", "-o", "jsonpath={.items[*].spec.selector}")
    look = ("--", "ls", "-A", "/var/lib/postgresql")
    left = [lab.kubectl("exec", pod, *look) for pod in pods_with_secrets(lab) if pod.startswith("citus-")]
    assert [files for files in left if ".ballast" in files] == []


@pytest.mark.long
@once
def test_a_fault_is_put_right_where_the_run_is_killed(lab: PodLab) -> None:
    """What broke the node goes on by itself; where that is killed too, the next word finds what it left."""
    service = ("get", "service", "citus-worker-1", "-o", "jsonpath={.spec.selector}")

    def frozen() -> bool:
        return lab.frozen("citus-worker-1") and goes_on_alone(lab)

    def cut() -> bool:
        return "cut" in lab.kubectl(*service) and goes_on_alone(lab)

    fault = ("-e", "chaos_fault=freeze chaos_node=citus-worker-1 chaos_seconds=25")
    assert lab.kill_while("chaos.yml", frozen, *fault) == -signal.SIGKILL
    assert frozen()
    lab.seconds_until(lambda: not lab.frozen("citus-worker-1") and lab.all_respond())
    lab.kill_while("chaos.yml", cut, "-e", "chaos_fault=cut chaos_node=citus-worker-1 chaos_seconds=600")
    os.kill(json.loads((lab.directory / "run" / "fault.json").read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
    run = lab.play("start.yml")
    assert run.rc == 0, run.stdout + run.stderr
    lab.seconds_until(lab.all_respond)
    assert not cut()
    assert changed(lab) == 0


@once
def test_a_fault_that_cannot_be_is_refused_before_anything_is_changed(lab: PodLab) -> None:
    """A node that is not there, a disk that it has not, a lab that is not well: in one clear message each."""
    run = broken(lab, "explode", "citus-worker-9", 601)
    assert run.rc != 0
    for said in ("FAULT=explode is none of kill", "NODE=citus-worker-9 is none of", "DURATION=601 is no whole number"):
        assert said in run.stdout, run.stdout
    run = broken(lab, "fill", "middleware", 3)
    assert run.rc != 0
    assert "FAULT=fill needs a node with a volume" in " ".join(run.stdout.split())
    check = broken(lab, "kill", "citus-worker-1", 3, "--check")
    assert (check.rc, rows(check)) == (0, {}), check.stdout + check.stderr
    assert lab.all_respond()


@once
def test_the_services_image_has_neither_root_nor_a_compiler(lab: PodLab) -> None:
    """And its size is printed, as the node has it."""
    # What is not there makes `command` fail, and that is as it should be.
    look = "id -u; for each in cc gcc clang make; do command -v $each || true; done"
    assert lab.kubectl("exec", "deployment/middleware-citus", "--", "sh", "-c", look).split() == ["10001"]
    images = [image for node in lab.objects("nodes") for image in node["status"]["images"]]
    mine = lab.objects("deployment")[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    sizes = [image["sizeBytes"] for image in images if any(mine in name for name in image.get("names", []))]
    print(f"\nthe middleware's image: {max(sizes, default=0) / 2**20:.0f} MiB")


@once
def test_a_rollout_fails_no_request(lab: PodLab) -> None:
    """A stream of requests through the forwarder meets no error while every pod of the middleware is replaced."""
    answers: list[int] = []
    failures: list[str] = []
    rolled = threading.Event()

    def stream() -> None:
        while not rolled.is_set():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{lab.api_port}/", timeout=10) as answer:
                    answers.append(answer.status)
            except OSError as error:
                failures.append(str(error))
            time.sleep(0.02)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        lab.kubectl("rollout", "restart", "deployment/middleware-citus")
        lab.kubectl("rollout", "status", "deployment/middleware-citus", "--timeout=120s")
    finally:
        rolled.set()
        thread.join()
    assert len(answers) > 20
    assert failures == []


@once
def test_manifests_are_accepted_by_the_server_and_clean_in_checkov(lab: PodLab, tmp_path: Path) -> None:
    """A server-side dry run warns of nothing; .checkov.yaml explains each exception."""
    things = lab.manifests()
    assert len(things) > 20
    for thing in things:
        if thing["kind"] == "Secret":
            thing["data"] = thing["stringData"] = {}
        if thing["kind"] == "Job":  # cannot be changed: another of its kind
            thing["metadata"]["name"] = "another"
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(things), encoding="utf-8")
    kubectl = [
        "kubectl",
        "--kubeconfig",
        KUBECONFIG,
        "--context",
        CONTEXT,
        "apply",
        "--dry-run=server",
        "-f",
        str(file),
    ]
    dry = subprocess.run(kubectl, capture_output=True, text=True, check=False)
    assert (dry.returncode, dry.stderr) == (0, "")
    checkov = [
        *isolated("requirements/checkov.txt"),
        *("checkov", "--config-file", ".checkov.yaml", "--file", str(file)),
    ]
    done = subprocess.run(checkov, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@once
def test_a_statefulset_that_stays_a_pod_short_is_named_and_woken(lab: PodLab) -> None:
    """Here a quota keeps it short; `make start` touches it all the same, and a touch harms nothing."""
    quota = json.loads(lab.kubectl("get", "resourcequota", "lab", "-o", "json"))["spec"]["hard"]

    def allow(pods: str) -> None:
        lab.kubectl(
            "patch", "resourcequota", "lab", "--type=merge", f'--patch={{"spec": {{"hard": {{"pods": "{pods}"}}}}}}'
        )

    def woken() -> bool:
        workers = lab.objects("statefulsets")
        return any("historia-clinica/woken" in (one["metadata"].get("annotations") or {}) for one in workers)

    allow("1")
    try:
        lab.kubectl("delete", "pod", "citus-worker-1")
        assert "StatefulSet citus-worker has 1 of 2 pods" in lab.play("status.yml").stdout
        assert not woken()
        start = lab.start("start.yml")
        lab.seconds_until(woken, 120)
    finally:
        allow(quota["pods"])
    assert start.wait(300) == 0
    lab.seconds_until(lab.all_respond)
    assert changed(lab) == 0


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_a_lab_is_scaled_out_and_in_while_it_is_used(pods: PodWorkshop, engine: str) -> None:
    """A pod with a volume of its own comes and goes; no client sees an error; a volume that was kept is given to nobody."""
    if engine not in CLUSTER_ENGINES:
        pytest.skip(f"the cluster has no image of {engine} (LAB_TEST_CLUSTER_ENGINES names those that it has)")
    lab = pods.lab("test-pods-scaled", engine, clinical_schema_patients=100)
    assert changed(lab) > 0
    keep = ("-e", "scale_keep=true")
    for workers, more in ((3, ()), (2, keep)):
        with steady(lambda: lab.connect("middleware"), pause=0.05, first=10**8 * workers) as seen:
            run = lab.play("scale.yml", "-e", f"scale_workers={workers}", *more)
        print(f"\n{engine}, {workers} workers in {run.seconds:.0f} s: {seen.report()}")
        assert run.rc == 0, run.stdout
        assert seen.errors == []
        with lab.connect() as admin:
            assert seen.lost(admin) == []
            held = admin.execute("SELECT count(*) FROM lab.nodes WHERE role = 'worker' AND shards > 20").fetchone()
        assert held == (workers,)
        assert changed(lab) == 0
        assert lab.play("verify.yml").rc == 0
    assert "citus-worker-3" not in lab.kubectl("get", "pods,services", "-o", "name")
    assert "data-citus-worker-3" in lab.kubectl("get", "pvc", "-o", "name")
    refused = lab.play("scale.yml", "-e", "scale_workers=3")
    assert refused.rc != 0
    assert "delete pvc data-citus-worker-3" in " ".join(refused.stdout.split())
    assert lab.record["workers"] == 2
    assert lab.play("teardown.yml").rc == 0


def test_teardown_leaves_nothing_and_may_be_run_twice(lab: PodLab) -> None:
    """No namespace, no volume, no forwarder, no directory, no entry in the host's list of labs."""
    run = lab.play("teardown.yml")
    assert run.rc == 0, run.stdout
    assert not lab.directory.exists()
    assert processes_of(lab.directory) == []
    assert lab.kubectl("get", "namespace", lab.namespace, "--ignore-not-found") == ""
    volumes = json.loads(lab.kubectl("get", "persistentvolumes", "-o", "json"))["items"]
    assert [volume for volume in volumes if volume["spec"]["claimRef"]["namespace"] == lab.namespace] == []
    again = lab.play("teardown.yml")
    assert again.rc == 0, again.stdout
    assert again.recap[lab.name]["changed"] == 0


def test_a_first_start_that_was_interrupted_converges(pods: PodWorkshop) -> None:
    """The run is killed and the pods are deleted while the servers make their databases; the next run makes them whole."""
    lab = pods.lab("test-pods-killed", CLUSTER_ENGINES[0], lab_workers=1)
    stages = ("--tags", "database")

    def begun() -> bool:
        try:
            lab.kubectl("exec", "citus-coordinator-0", "--", "sh", "-c", 'test -e "$PGDATA/PG_VERSION"')
        except subprocess.CalledProcessError:
            return False
        return True

    assert lab.kill_while("site.yml", begun, *stages) != 0
    # Not waited for: kubectl may never hear that a pod is gone whose successor has its name at once.
    lab.kubectl("delete", "pods", "-l", "app.kubernetes.io/component=database", "--grace-period=1", "--wait=false")
    assert changed(lab, *stages) > 0
    assert lab.psql("citus-coordinator-0", "SELECT current_database()") == "historia_clinica"
