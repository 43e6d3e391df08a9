"""Every password and signing key of a lab is changed while it is used; `benchmarks/rotation.py` does it for longer."""

from __future__ import annotations

import threading

import pytest

from support.api import ask
from support.labs import Lab, only
from support.rotation import generated, placed, rotated, secrets_of
from support.stream import stream_on


def test_no_request_fails_while_everything_is_changed(lab: Lab) -> None:
    """Reads and writes stream through the API; afterwards the old secrets are refused, and `make lab` has nothing to do."""
    stream = stream_on(lab)
    before = secrets_of(lab)
    with lab.connect() as connection:
        unseen = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('nodes', 'clinical_owner')"
        )
        hidden = unseen.fetchall()
    with stream.flowing():
        run = lab.play("rotate.yml", "-vvv", "--diff")
    print(f"{lab.engine}: {dict(stream.answers)} in {run.seconds:.1f} s")
    assert run.rc == 0, run.stdout + run.stderr
    assert stream.failures == []
    assert min(stream.answers[kind] for kind in ("read", "write", "search", "doctor")) >= 10
    assert stream.lost() == []
    rotated(lab, before)
    shown = run.stdout + run.stderr
    assert [
        name for name, text in {**before, **secrets_of(lab)}.items() if text.split(":")[-1].split()[0] in shown
    ] == []
    with lab.connect() as connection:
        kept = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('nodes', 'clinical_owner')"
        )
        assert [row for row in kept.fetchall() if row in hidden and row[1] is not None] == []
    # What the old key signed goes on, for as long as a token does; a new one is signed by the new key.
    assert ask(lab, "GET", "/api/v1/pacientes?limite=1", token=stream.token)[0] == 200
    again = lab.play("site.yml")
    assert again.recap[lab.name]["changed"] == 0, again.stdout
    assert lab.play("verify.yml").rc == 0


@pytest.mark.long
def test_no_request_of_five_thousand_fails(lab: Lab) -> None:
    """One rotation after the other under the same stream."""
    stream = stream_on(lab)
    rotations = 0
    with stream.flowing():
        while sum(stream.answers.values()) < 5000 and not stream.failures:
            assert lab.play("rotate.yml").rc == 0
            rotations += 1
    print(f"{lab.engine}: {sum(stream.answers.values())} requests, {rotations} rotations")
    assert stream.failures == []
    assert stream.lost() == []


@only("postgres_fdw")
def test_check_shows_the_plan_and_changes_nothing(lab: Lab) -> None:
    """Neither a file nor a server."""
    before = secrets_of(lab)
    run = lab.play("rotate.yml", "--check")
    assert run.rc == 0, run.stdout + run.stderr
    assert "New passwords of admin, middleware, api, readonly, replication" in run.stdout
    assert secrets_of(lab) == before
    assert not (lab.directory / "credentials" / "next").exists()


#: When a run is killed.
MOMENTS = {
    "generated": (generated, "signing.keys"),
    "the first is in its place": (placed, "middleware.pgpass"),
    "the administrator's is in its place": (placed, "admin.pgpass"),
}


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(each, marks=[] if each == "the administrator's is in its place" else pytest.mark.long)
        for each in MOMENTS
    ],
)
@only("postgres_fdw")
def test_what_was_killed_half_way_is_finished_by_the_next(lab: Lab, moment: str) -> None:
    """The next run takes the secrets that the killed one had generated, and ends well."""
    before = secrets_of(lab)
    reached, name = MOMENTS[moment]
    lab.kill_while("rotate.yml", lambda: reached(lab, name))
    run = lab.play("rotate.yml")
    assert run.rc == 0, run.stdout + run.stderr
    rotated(lab, before)
    assert lab.play("verify.yml").rc == 0


@only("postgres_fdw")
def test_a_node_that_is_away_is_said_before_anything_is_changed(lab: Lab) -> None:
    """Every node has to learn the new passwords."""
    before = secrets_of(lab)
    with lab.without("citus-worker-2"):
        run = lab.play("rotate.yml")
    assert run.rc != 0
    assert "not every node answers (citus-worker-2" in run.stdout
    assert secrets_of(lab) == before
    assert not (lab.directory / "credentials" / "next").exists()


@only("postgres_fdw")
def test_a_request_waits_for_a_node_that_knows_the_next_password_in_a_moment(lab: Lab) -> None:
    """Between two servers there is no moment at which both change; who comes in between is not told of it."""
    stream = stream_on(lab)
    worker = "citus-worker-1"
    with lab.connect(node=worker) as connection:
        [(kept,)] = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'nodes'").fetchall()
        connection.execute("ALTER ROLE nodes PASSWORD 'another-one'")
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'nodes'")
        later = threading.Timer(0.4, connection.execute, [f"ALTER ROLE nodes PASSWORD '{kept}'".encode()])
        later.start()
        answers = [
            ask(lab, "GET", f"/api/v1/pacientes/{each}/historia", token=stream.token)[0] for each in stream.patients
        ]
        later.join()
    assert answers == [200] * len(answers)


@pytest.mark.long
@only("postgres_fdw")
def test_a_person_keeps_the_password_unless_it_is_asked_for(lab: Lab) -> None:
    """LOGIN=ana changes hers, and nothing else."""
    assert lab.play("login.yml", "-e", "clinical_schema_login=ana").rc == 0
    try:
        before = secrets_of(lab)
        run = lab.play("rotate.yml", "-e", "clinical_schema_login=ana")
        assert run.rc == 0, run.stdout + run.stderr
        after = secrets_of(lab)
        assert [name for name in after if after[name] != before[name]] == ["ana.pgpass"]
        old, new = (files["ana.pgpass"].strip().rpartition(":")[2] for files in (before, after))
        assert (lab.lets_in("ana", old), lab.lets_in("ana", new)) == (False, True)
    finally:
        assert lab.play("login.yml", "-e", "clinical_schema_login=ana", "-e", "clinical_schema_login_kind=none").rc == 0
