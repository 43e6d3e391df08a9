"""The whole lab, as a person uses it: run it again, check it, kill it, stop it, change it, remove it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pwd
import random
import re
import signal
from datetime import date
from pathlib import Path

import psutil
import psycopg
import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.directory import LAB_ENTRIES
from support.interrupted import Interrupted, left_on_host
from support.labs import Lab, Workshop, engines_alike, only, processes_of, run_playbook

MIB = 1024 * 1024


def rows(lab: Lab) -> list[tuple[object, ...]]:
    """How many rows each table has, counted on the nodes that hold them."""
    with lab.connect() as connection:
        return connection.execute("SELECT table_name, rows FROM lab.tables ORDER BY 1").fetchall()


@engines_alike  # molecule/default runs it twice with Citus
def test_a_second_run_changes_nothing_and_takes_seconds(lab: Lab, tmp_path: Path) -> None:
    """changed=0; and at most two and a half times as long as Ansible needs for as many commands that do nothing.

    The aim is ten seconds; the machine is shared, so the test holds the ratio, the median of three rounds in turn, and prints the seconds.
    """
    # Half of the tasks that are done are modules; the others (checks of arguments, facts, messages) cost little, and so does one that is skipped:
    # but each is a process, and a class has thirty labs.
    modules, done, skipped = 9, 18, 20
    nothing = {"ansible.builtin.command": "/bin/true", "changed_when": False}
    idle = tmp_path / "idle.yml"
    idle.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [nothing] * modules}]))
    rounds = []
    for _ in range(3):
        run = lab.play("site.yml")
        assert run.rc == 0, run.stdout
        counts = run.recap[lab.name]
        assert counts["changed"] == 0, run.stdout
        assert (counts["ok"] <= done, counts["skipped"] <= skipped) == (True, True), counts
        rounds.append((run.seconds / (baseline := run_playbook(str(idle)).seconds), run.seconds, baseline))
    ratio, seconds, baseline = sorted(rounds)[1]
    print(
        f"\n{lab.engine}: second run {seconds:.1f} s, {run.recap[lab.name]['ok']} tasks, {modules} of them modules:"
        f" {ratio:.2f} times as long as {modules} commands ({baseline:.1f} s)"
    )
    assert ratio <= 2.5


def test_a_lab_is_known_by_what_it_holds(lab: Lab) -> None:
    """Else one that lost its record would be taken for a stranger's folder, and its own servers for somebody's."""
    assert {path.name for path in lab.directory.iterdir()} <= LAB_ENTRIES


@engines_alike  # molecule/default checks one with Citus
def test_a_check_of_a_finished_lab_reports_no_change(lab: Lab) -> None:
    """--check tells the truth."""
    run = lab.play("site.yml", "--check", "--diff")
    assert run.rc == 0, run.stdout
    assert run.recap[lab.name]["changed"] == 0, run.stdout


@engines_alike
def test_a_check_on_an_empty_machine_passes_and_makes_nothing(workshop: Workshop, lab: Lab) -> None:
    """Before there is a lab, or even a runtime, a check says that it would be made."""
    fresh = workshop.lab("test-dry", lab.engine, runtime_directory=str(workshop.place / "dry-runtime"))
    if lab.engine == "postgres_fdw":  # its servers come with the runtime
        run = fresh.play("site.yml", "--check")
        assert run.rc == 0, run.stdout
        assert run.recap[fresh.name]["changed"] >= 1
    with_runtime = fresh.play("site.yml", "--check", "-e", f"runtime_directory={workshop.place}/runtime")
    assert with_runtime.rc == 0, with_runtime.stdout
    assert not fresh.directory.exists()
    assert not (workshop.place / "dry-runtime").exists()


def test_no_secret_is_in_any_output(lab: Lab) -> None:
    """Not when the lab is made, with -vvv --diff; not in its logs; not in a process' arguments or environment."""
    files = list((lab.directory / "credentials").glob("*.pgpass"))
    secrets = [
        line.rpartition(":")[2].strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()
    ]
    # The lab's own; a test before this one may have left a person's. nodes.pgpass has all of the lab's once more.
    logins = {file.stem for file in files} - {"nodes"}
    assert logins >= {"admin", "api", "middleware", "readonly", "replication"}
    assert len(set(secrets)) == len(logins), "a secret for each login"
    assert lab.made is not None
    texts = {"site.yml -vvv --diff": lab.made.stdout + lab.made.stderr}
    again = lab.play("site.yml", "-vvv", "--diff")
    texts["site.yml again"] = again.stdout + again.stderr
    for log in (lab.directory / "logs").iterdir():
        texts[str(log)] = log.read_text(encoding="utf-8", errors="replace")
    for process in processes_of(lab.directory):
        with contextlib.suppress(psutil.NoSuchProcess):  # a server's process of one connection
            texts[f"process {process.pid}"] = " ".join(process.cmdline()) + str(process.environ())
    assert len(texts) > 8
    found = [name for name, text in texts.items() if any(secret in text for secret in secrets)]
    assert found == []


def test_a_killed_server_comes_back_with_its_rows(lab: Lab) -> None:
    """kill -9 of a worker, then of the coordinator: the supervisor starts them again, nothing is lost."""
    before = rows(lab)
    for node in ("citus-worker-1", "citus-coordinator"):
        pid = lab.postmaster(node)
        lab.kill(node)
        lab.wait_until(lambda node=node, pid=pid: lab.postmaster(node) != pid)  # type: ignore[misc]
        lab.wait_until(lambda: rows(lab) == before)


def test_stop_ends_everything_and_start_brings_the_rows_back(lab: Lab) -> None:
    """Stopped, no process of the lab is left; started, it answers with the same rows."""
    before = rows(lab)
    assert lab.play("stop.yml").recap[lab.name]["changed"] == 1
    assert processes_of(lab.directory) == []
    assert lab.play("stop.yml").recap[lab.name]["changed"] == 0
    started = lab.play("start.yml")
    assert started.rc == 0, started.stdout
    assert rows(lab) == before
    assert lab.play("start.yml").recap[lab.name]["changed"] == 0


@only("postgres_fdw")  # the same tasks with every engine
def test_a_killed_supervisor_is_healed_by_the_next_run(lab: Lab) -> None:
    """Its servers run on without it, as status says; the next run ends them and starts its own: ports are free, rows are there."""
    before = rows(lab)
    supervisor = int((lab.directory / "run/supervisord.pid").read_text())
    psutil.Process(supervisor).send_signal(signal.SIGKILL)
    status = lab.play("status.yml").stdout
    assert re.search(r"citus-worker-1 +unsupervised", status), status
    assert re.search(r"citus-worker-1 +worker .* 18\.", status), status  # it answers
    assert "ends it in good order" in " ".join(status.split()), status
    assert re.search(r"make( -C \S+)? start\b", status), status
    run = lab.play("site.yml")
    assert run.rc == 0, run.stdout
    assert rows(lab) == before
    assert lab.play("site.yml").recap[lab.name]["changed"] == 0


def refused(lab: Lab, node: str) -> str:
    """Why a server lets nobody in; empty where it does."""
    try:
        lab.connect(node=node).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@only("postgres_fdw")  # the same module with every engine
@pytest.mark.parametrize("run", [("site.yml", "--tags", "database"), ("start.yml",)], ids=lambda run: run[0])
def test_a_server_that_waits_for_its_clients_to_leave_comes_back(lab: Lab, run: tuple[str, ...]) -> None:
    """SIGTERM, of an operating system that shuts down or of a person, lets nobody in and ends nobody: the run ends it and says so."""
    node = "citus-worker-1"
    with lab.connect(node=node):
        os.kill(lab.postmaster(node), signal.SIGTERM)
        lab.wait_until(lambda: "the database system is shutting down" in refused(lab, node))
        dry = lab.play(*run, "--check")
        assert dry.recap[lab.name]["changed"] == 1, dry.stdout
        assert refused(lab, node)
        done = lab.play(*run)
        assert done.rc == 0, done.stdout
        assert done.recap[lab.name]["changed"] == 1, done.stdout
        lab.wait_until(lambda: not refused(lab, node))
    assert lab.play(*run).recap[lab.name]["changed"] == 0


def test_a_transaction_that_was_left_open_is_named_with_the_command_that_ends_it(lab: Lab) -> None:
    """A run that needs what it holds waits for a few seconds, then says who it is and since when, but not what; the command works."""
    left = lab.connect(autocommit=False)
    with lab.connect() as admin:
        admin.execute("DROP INDEX medicos_especialidad_idx")
        left.execute("UPDATE medicos SET ciudad = ciudad WHERE nombre LIKE 'A%'")
        run = lab.play("site.yml", "--tags", "schema")
        assert run.rc != 0
        said = " ".join(run.stdout.split())
        assert "canceling statement due to lock timeout" in said
        assert re.search(
            rf"- process {left.info.backend_pid} on citus-coordinator: admin, since 20[-0-9:+ ]+,"
            " idle in transaction, last statement UPDATE. To end it:",
            said,
        )
        assert "LIKE" not in said
        ending = re.search(r'echo "(.*)" \| .*psql', run.stdout)
        assert ending, run.stdout
        admin.execute(ending[1].encode())
    left.close()
    again = lab.play("site.yml", "--tags", "schema")
    assert again.rc == 0, again.stdout


@only("postgres_fdw")  # the same tasks with every engine
def test_a_changed_setting_takes_effect_without_a_new_cluster(lab: Lab) -> None:
    """work_mem by a reload, max_connections by a restart; the data are the same ones; taken back, so is the setting."""

    def facts() -> tuple[object, ...]:
        with lab.connect(node="citus-worker-1") as connection:
            row = connection.execute(
                "SELECT current_setting('work_mem'), current_setting('max_connections'), system_identifier,"
                " pg_postmaster_start_time() FROM pg_control_system()"
            ).fetchone()
        assert row is not None
        return row

    before = facts()
    work_mem = '{"database_processes_settings": {"work_mem": "9MB"}}'
    assert lab.play("site.yml", "-e", work_mem).rc == 0
    assert facts() == ("9MB", *before[1:])
    connections = '{"database_processes_settings": {"max_connections": 77}}'
    assert lab.play("site.yml", "-e", connections).rc == 0
    assert facts()[:3] == (before[0], "77", before[2])
    assert lab.play("site.yml").rc == 0
    assert facts()[:3] == before[:3]


def test_a_lab_at_rest_is_small(lab: Lab) -> None:
    """Three servers, middleware and supervisor: at most 175 MB (PSS), after the servers had a fresh start."""
    assert lab.play("stop.yml").rc == 0
    assert lab.play("start.yml").rc == 0
    family = {
        member.pid: member
        for process in processes_of(lab.directory)
        for member in (process, *process.children(recursive=True))
    }
    assert len(family) > 5
    total = sum(getattr(process.memory_full_info(), "pss", 0) for process in family.values())
    print(f"\n{lab.engine}: {total / 1e6:.0f} MB at rest")
    assert 0 < total <= 175e6


def test_status_shows_every_node_and_table(lab: Lab) -> None:
    """One page with processes, nodes, tables, shards and endpoints; also while a server is down."""
    run = lab.play("status.yml")
    assert run.rc == 0, run.stdout
    for word in ("citus-coordinator", "citus-worker-2", "pacientes", "middleware", str(lab.api_port)):
        assert word in run.stdout
    print(f"\nstatus in {run.seconds:.1f} s")


@pytest.mark.long  # three minutes at random moments; the moments at which most would be lost have tests of their own
def test_runs_that_were_killed_come_together_when_they_are_run_again(workshop: Workshop, lab: Lab) -> None:
    """Killed while the lab is made, is scaled out and in, is stopped and is removed; `make interrupted` does it for longer."""
    seed = random.randrange(10**6)
    print(f"\nseed {seed}: make interrupted ARGS='--engine {lab.engine} --rounds 1 --seed {seed}'")
    Interrupted(workshop.lab("test-killed", lab.engine), random.Random(seed), print, left_on_host).round()


@engines_alike
def test_a_second_run_at_the_same_time_is_refused_and_harms_nothing(lab: Lab) -> None:
    """It says which process works on the lab; the first goes on, and once it has ended the lab is free."""
    claim = Path(lab.variables["runtime_directory"]).parent / "registry" / f".{lab.name}.run"
    before = claim.read_text(encoding="utf-8")
    with lab.start("site.yml") as first:
        lab.wait_until(lambda: claim.read_text(encoding="utf-8") not in ("", before))
        second = lab.play("stop.yml")
    assert first.returncode == 0
    assert second.rc != 0
    assert "lab-busy" in second.stdout
    held = (
        rf"site\.yml, run by {getpass.getuser()} since {date.today()} [\d:]+, works on the lab: the process {first.pid}"
    )
    assert re.search(held, " ".join(second.stdout.split()))
    assert lab.play("verify.yml").rc == 0


@only("postgres_fdw")  # the same tasks with every engine
def test_a_run_that_was_killed_while_data_directories_are_made_converges(workshop: Workshop, lab: Lab) -> None:
    """The moment at which most would be left half-done."""
    killed = workshop.lab("test-half-done", lab.engine, clinical_schema_patients=10)
    assert killed.kill_while("site.yml", lambda: any((killed.directory / "data").glob(".*.new"))) != 0
    again = killed.play("site.yml")
    assert again.rc == 0, again.stdout
    assert killed.play("teardown.yml").rc == 0


@only("postgres_fdw")  # the same tasks with every engine
def test_teardown_leaves_nothing_and_may_be_run_twice(workshop: Workshop, lab: Lab) -> None:
    """No process, no directory, no user, no entry in the host's list of labs."""
    gone = workshop.lab("test-gone", lab.engine, lab_workers=1, clinical_schema_patients=10)
    assert gone.play("site.yml").rc == 0
    user = gone.record["user"]
    run = gone.play("teardown.yml")
    assert run.rc == 0, run.stdout
    assert not gone.directory.exists()
    assert processes_of(gone.directory) == []
    assert not (workshop.place / "registry" / gone.name).is_symlink()
    if user.startswith("hc-"):
        with pytest.raises(KeyError):
            pwd.getpwnam(user)
    again = gone.play("teardown.yml")
    assert again.rc == 0
    assert again.recap[gone.name]["changed"] == 0
