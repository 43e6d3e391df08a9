"""`python -m historia_clinica.load` against a real PostgreSQL."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import signal
import subprocess
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Any

import pytest
from conftest import Lab, wait_until

from historia_clinica.load import sample
from historia_clinica.load.catalogue import DOCTORS

TABLES = ("medicos", "pacientes", "consultas")


def command(patients: int, per_patient: int, jobs: int = 1, seed: int = 42) -> list[str]:
    """Return the arguments of Python for a load."""
    return [
        *("-m", "historia_clinica.load", "--patients", str(patients)),
        *("--consultations", str(per_patient), "--seed", str(seed), "--jobs", str(jobs)),
    ]


def run(lab: Lab, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end as the lab's login."""
    return subprocess.run(lab.python(*arguments, **variables), capture_output=True, text=True, timeout=60, check=False)


def load(lab: Lab, patients: int, per_patient: int, jobs: int = 1, seed: int = 42) -> dict[str, Any]:
    """Run the loader and return its report; seconds and rate, which vary, are left out."""
    done = run(lab, *command(patients, per_patient, jobs, seed))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    assert report.pop("seconds") > 0
    assert report.pop("rows_per_second") >= 0
    return report


def counts(lab: Lab) -> tuple[int, int]:
    """Return how many patients and consultations there are."""
    patients: int = lab.value("SELECT count(*) FROM pacientes")
    consultations: int = lab.value("SELECT count(*) FROM consultas")
    return patients, consultations


def snapshot(lab: Lab) -> list[str]:
    """Return one hash for each table: every column of every row."""
    return [lab.value(f"SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table} t") for table in TABLES]


def record(lab: Lab) -> list[tuple[Any, ...]]:
    """Return what the loader remembers of its blocks."""
    return lab.rows("SELECT bloque, pacientes, consultas FROM lab.sample_chunks ORDER BY 1")


def test_load_adds_exactly_what_is_asked(lab: Lab) -> None:
    """N patients, K consultations each, forty doctors; every block is recorded."""
    assert load(lab, 2500, 3, jobs=2) == {
        "patients": 2500,
        "consultations": 7500,
        "added_doctors": 40,
        "added_patients": 2500,
        "added_consultations": 7500,
    }
    assert counts(lab) == (2500, 7500)
    assert lab.rows("SELECT DISTINCT count(*) FROM consultas GROUP BY paciente_id") == [(3,)]
    assert record(lab) == [(1, 1000, 3000), (2, 1000, 3000), (3, 500, 1500)]


def test_doctors_have_the_first_forty_numbers(lab: Lab) -> None:
    """A doctor who is registered afterwards gets a number of his own."""
    load(lab, 0, 0)
    assert lab.rows(
        "SELECT id, nombre, especialidad, registro, ciudad, documento, codigo_servicio FROM medicos ORDER BY id"
    ) == [(d.id, d.name, d.speciality, d.registration, d.city, d.document, d.service) for d in DOCTORS]
    assert lab.value(
        "INSERT INTO medicos (nombre, especialidad, registro, ciudad)"
        " VALUES ('Rosa Pérez', 'Pediatría', 'RM-1', 'Cali') RETURNING id"
    ) > 40  # fmt: skip


def test_doctor_who_was_changed_stays_so(lab: Lab) -> None:
    """Only missing doctors are inserted."""
    load(lab, 0, 0)
    lab.admin.execute("UPDATE medicos SET activo = false WHERE id = 7")
    assert load(lab, 0, 0)["added_doctors"] == 0
    assert lab.value("SELECT activo FROM medicos WHERE id = 7") is False


def test_loading_again_changes_nothing(lab: Lab) -> None:
    """The second run adds no row and touches none."""
    load(lab, 1200, 2)
    before = (snapshot(lab), lab.rows("SELECT * FROM lab.sample_chunks ORDER BY bloque"))
    assert load(lab, 1200, 2) == {
        "patients": 1200,
        "consultations": 2400,
        "added_doctors": 0,
        "added_patients": 0,
        "added_consultations": 0,
    }
    assert (snapshot(lab), lab.rows("SELECT * FROM lab.sample_chunks ORDER BY bloque")) == before


def test_growing_step_by_step_gives_the_same_rows(new_lab: Callable[[], Lab]) -> None:
    """How often, in which steps and by how many processes: the rows are those of one load."""
    at_once, by_steps = new_lab(), new_lab()
    load(at_once, 1300, 3, jobs=2)
    load(by_steps, 300, 1)
    assert load(by_steps, 700, 1)["added_patients"] == 400
    assert load(by_steps, 1200, 3, jobs=2)["added_consultations"] == 1200 * 3 - 700
    load(by_steps, 1300, 3)
    assert snapshot(by_steps) == snapshot(at_once)
    assert record(by_steps) == record(at_once)


def test_asking_for_less_takes_nothing_away(lab: Lab) -> None:
    """The report says what the sample holds, not what was asked."""
    load(lab, 1500, 3)
    before = snapshot(lab)
    report = load(lab, 10, 1)
    assert (report["patients"], report["consultations"]) == (1500, 4500)
    assert snapshot(lab) == before


def test_two_seeds_live_side_by_side(lab: Lab) -> None:
    """Another seed is another population; each report counts its own."""
    load(lab, 1000, 1, seed=1)
    assert load(lab, 1000, 1, seed=2)["patients"] == 1000
    assert counts(lab) == (2000, 2000)


def test_deleted_rows_stay_deleted(lab: Lab) -> None:
    """A finished block does not bring back what somebody deleted, not even when it grows."""
    load(lab, 1000, 2)
    gone, thinned = sample.cedula(42, 1), sample.cedula(42, 2)
    lab.admin.execute("DELETE FROM consultas WHERE paciente_id IN (%s, %s)", [gone, thinned])
    lab.admin.execute("DELETE FROM pacientes WHERE cedula = %s", [gone])
    load(lab, 1000, 2)
    assert counts(lab) == (999, 1996)
    assert load(lab, 1000, 3)["added_consultations"] == 999
    assert counts(lab) == (999, 1996 + 999)
    assert lab.value("SELECT count(*) FROM consultas WHERE paciente_id = %s", thinned) == 1


def test_patient_of_somebody_else_is_left_alone(lab: Lab) -> None:
    """A person was registered with a cédula of the sample: the row stays, without consultations."""
    taken = sample.cedula(42, 500)
    lab.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
        " VALUES (%s, 'Rosa', 'Pérez', '1990-01-01', 'F', 'Cali')",
        [taken],
    )
    assert load(lab, 1000, 2)["added_patients"] == 999
    assert counts(lab) == (1000, 1998)
    assert lab.value("SELECT nombre FROM pacientes WHERE cedula = %s", taken) == "Rosa"
    assert lab.value("SELECT count(*) FROM consultas WHERE paciente_id = %s", taken) == 0


def test_half_written_block_is_completed(lab: Lab) -> None:
    """What an engine without two-phase commit can leave: some rows of a block, and no record."""
    load(lab, 2000, 2)
    before = snapshot(lab)
    lab.admin.execute("DELETE FROM consultas WHERE left(paciente_id, 4) < '1090'")
    lab.admin.execute("DELETE FROM consultas WHERE left(id::text, 1) < '4'")
    lab.admin.execute("DELETE FROM pacientes p WHERE NOT EXISTS (SELECT FROM consultas WHERE paciente_id = p.cedula)")
    lab.admin.execute("DELETE FROM lab.sample_chunks WHERE bloque = 1")
    lab.admin.execute("DELETE FROM lab.sample_chunks WHERE bloque = 2")
    patients, consultations = counts(lab)
    assert 0 < patients < 2000
    report = load(lab, 2000, 2)
    assert report["added_patients"] == 2000 - patients
    assert report["added_consultations"] == 4000 - consultations
    assert snapshot(lab) == before


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_load_goes_on_where_it_was(new_lab: Callable[[], Lab], seed: int) -> None:
    """Killed with -9 at any moment, twice, then run to the end: the rows of an unhurt load."""
    chance = random.Random(seed)
    lab, whole = new_lab(), new_lab()
    load(whole, 5000, 1, jobs=2)
    for _ in range(2):
        finished = lab.value("SELECT count(*) FROM lab.sample_chunks")
        wanted = min(4, finished + chance.randrange(3))
        process = subprocess.Popen(lab.python(*command(5000, 1, jobs=2)), stdout=subprocess.DEVNULL)
        wait_until(
            lambda wanted=wanted: (
                lab.value("SELECT count(*) FROM lab.sample_chunks") >= wanted  # type: ignore[misc]
                and lab.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY %'")
            )
        )
        process.kill()
        process.wait()
    report = load(lab, 5000, 1, jobs=2)
    assert (report["patients"], report["consultations"]) == (5000, 5000)
    assert counts(lab) == (5000, 5000)
    assert snapshot(lab) == snapshot(whole)


def test_processes_of_a_killed_load_end_with_it(lab: Lab) -> None:
    """Nobody goes on writing after kill -9 of the command."""
    process = subprocess.Popen(lab.python(*command(50_000, 5, jobs=2)), stdout=subprocess.DEVNULL)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%-load'"
    wait_until(lambda: lab.value(sessions) == 3)
    process.kill()
    process.wait()
    wait_until(lambda: lab.value(sessions) == 0)


def test_two_loads_at_the_same_time_do_not_disturb_each_other(lab: Lab) -> None:
    """Whoever comes second to a block waits, then finds it finished."""
    processes = [subprocess.Popen(lab.python(*command(2000, 2, jobs=2)), stdout=subprocess.PIPE) for _ in range(2)]
    added = 0
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        added += json.loads(output)["added_patients"]
    assert added == 2000
    assert counts(lab) == (2000, 4000)


def test_killed_process_of_a_load_is_told(lab: Lab) -> None:
    """One of the processes dies (memory): exit 1 and a sentence, nothing that hangs."""
    process = subprocess.Popen(lab.python(*command(50_000, 5, jobs=2)), stderr=subprocess.PIPE, text=True)
    busy = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY %' AND state = 'active'"
    wait_until(lambda: lab.rows(busy))
    children = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    victim = next(line.split()[0] for line in children if "spawn_main" in line)
    os.kill(int(victim), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines() == [
        "The sample data could not be loaded: a process of the load was killed.",
        "What was finished is kept: run the same command again to go on.",
    ]


def test_database_that_is_away_is_told(lab: Lab) -> None:
    """Exit 1, libpq's own sentence with host and port, no traceback."""
    done = run(lab, *command(10, 1), PGPORT="1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert 'connection to server at "127.0.0.1", port 1 failed' in done.stderr
    assert "Traceback" not in done.stderr


def test_refusal_in_a_process_of_the_load_is_told(lab: Lab) -> None:
    """What a process could not do reaches the person: here the right to insert consultations."""
    lab.admin.execute("REVOKE INSERT ON consultas FROM middleware")
    done = run(lab, *command(10, 1, jobs=2))
    assert done.returncode == 1
    assert "permission denied for table consultas" in done.stderr
    assert "Traceback" not in done.stderr
    assert counts(lab) == (0, 0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--patients", "2000001"), ("--consultations", "-1"), ("--seed", "x"), ("--jobs", "0")],
)
def test_bad_option_is_refused_by_name(lab: Lab, option: str, value: str) -> None:
    """Exit 2, which option, and from where to where."""
    arguments = command(10, 1)
    arguments[arguments.index(option) + 1] = value
    done = run(lab, *arguments)
    assert done.returncode == 2
    assert f"argument {option}: '{value}' is not a whole number from" in done.stderr


def test_terminal_sees_a_progress_bar(lab: Lab) -> None:
    """Where stderr is a terminal the share, the rows and the rate are shown."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(lab.python(*command(2000, 2)), stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    assert process.wait(timeout=60) == 0
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "50 %  3,000 rows" in shown
    assert "] 100 %  6,000 rows" in shown


def test_rows_come_partition_by_partition(lab: Lab) -> None:
    """With hash partitions a block's rows are sorted by them, so that each gets its rows in one go.

    Six partitions have five borders, in the order in which the consultations lie; unsorted the
    thousand patients would have hundreds. (A full page may put a few rows elsewhere.)
    """
    lab.admin.execute("""
        ALTER TABLE consultas DROP CONSTRAINT consultas_paciente_id_fkey;
        ALTER TABLE pacientes RENAME TO plain;
        CREATE TABLE pacientes (LIKE plain INCLUDING DEFAULTS INCLUDING GENERATED) PARTITION BY HASH (cedula);
        GRANT ALL ON pacientes TO middleware;
    """)
    for part in range(6):
        lab.admin.execute(
            f"CREATE TABLE part_{part} PARTITION OF pacientes FOR VALUES WITH (MODULUS 6, REMAINDER {part})".encode()
        )
    load(lab, 1000, 2)
    order = [
        part
        for (part,) in lab.rows(
            "SELECT p.tableoid::regclass::text FROM consultas c"
            " JOIN pacientes p ON p.cedula = c.paciente_id ORDER BY c.ctid"
        )
    ]
    assert len(set(order)) == 6
    assert sum(one != other for one, other in pairwise(order)) < 30


def test_load_is_fast(lab: Lab) -> None:
    """Not far from PostgreSQL's own COPY of the same rows into the same tables.

    At most five times as long, with three seconds for the start of the processes.
    """
    patients = "pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, creado_en)"
    start = perf_counter()
    load(lab, 10_000, 5, jobs=2)
    loading = perf_counter() - start
    texts = {}
    for table in (patients, "consultas"):
        with lab.admin.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
            texts[table] = [bytes(block) for block in copy]
    lab.admin.execute("TRUNCATE pacientes, consultas")
    start = perf_counter()
    for table, text in texts.items():
        with lab.admin.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            copy.write(b"".join(text))
    copying = perf_counter() - start
    assert counts(lab) == (10_000, 50_000)
    assert loading < 3 + 5 * copying


def test_rows_that_the_database_refuses_are_not_quoted(lab: Lab) -> None:
    """Exit 1 with the rule that they break; not the row, nor the line of COPY, which hold people."""
    lab.admin.execute("ALTER TABLE pacientes ADD CONSTRAINT nobody CHECK (false) NOT VALID")
    done = run(lab, *command(10, 1))
    assert done.returncode == 1
    first = done.stderr.splitlines()[0]
    assert first.startswith("The sample data could not be loaded: 23514 "), first
    assert first.endswith("(relation pacientes, constraint nobody)")
    assert not re.search("[0-9]{6}|DETAIL|CONTEXT", done.stderr)
