"""Who has the ports, and what is said of it: with real sockets and processes."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine import identity, ports
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import record_path, remove_record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.ports import port_numbers
from support.preflight import Bench, listening, port_of, serving


def test_a_busy_port_names_the_process_and_a_free_port(bench: Bench) -> None:
    """Who has it, how to end it, and another port that really is free."""
    with listening(port_of(bench, "api_port")):
        (problem,) = bench.problems()
    assert f"(pid {os.getpid()}, user {identity.user_name(os.geteuid())})" in problem.found
    assert f"port {bench.params['api_port']} (lab_api_port)" in problem.found
    another = f"make lab ARGS='-e lab_api_port={port_of(bench, 'api_port') + 1}'"
    assert problem.remedy == f"{another}; or end it: kill {os.getpid()}"


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "::"],  # noqa: S104 (a server of somebody who listens everywhere)
)
def test_a_server_that_listens_everywhere_has_the_port(bench: Bench, address: str) -> None:
    """A wildcard of either family takes 127.0.0.1 too, and its process is found."""
    try:
        with listening(port_of(bench), address):
            (problem,) = bench.problems()
    except OSError as error:
        pytest.skip(f"this machine cannot listen on {address}: {error}")
    assert f"pid {os.getpid()}" in problem.found


def test_a_running_labs_server_is_no_problem(bench: Bench) -> None:
    """The process that the data directory names may have the port; any other may not, recorded lab or not."""
    port = port_of(bench) + 1
    pid_file = bench.directory / "data" / "citus-worker-1" / "postmaster.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1700000000\n{port}\n/run\n127.0.0.1\n", "utf-8")
    bench.record()
    bench.seen.update(memory=0)
    with listening(port):
        assert bench.ids() == []
        pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n1700000000\n{port}\n", "utf-8")
        assert bench.ids() == ["port-busy", "memory-short"]
        assert "giving up the lab's data: make reset" in bench.problems()[0].remedy
        for text in ("", "x\n\n\nx\n", f"{os.getpid()}\n\n\n{port + 1}\n"):
            pid_file.write_text(text, "utf-8")
            assert bench.ids() == ["port-busy", "memory-short"]


def test_a_running_labs_api_is_known_by_its_supervisor(bench: Bench) -> None:
    """A process below one that was started from the lab's directory; not one of a lab whose path only begins alike."""
    bench.record()
    port = port_of(bench, "api_port")
    with serving(port, str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == []
    with serving(port, f"{bench.directory}2/config/supervisord.conf"):
        assert bench.ids() == ["port-busy"]
    remove_record(bench.directory)
    with serving(port, str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == ["port-busy"]


@contextlib.contextmanager
def connected_from(port: int) -> Iterator[socket.socket]:
    """A connection to somebody of this machine that goes out on a port, as the system hands them out."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.bind(("127.0.0.1", port))
        client.connect(server.getsockname())
        yield client


def test_a_port_of_a_connection_that_ends_soon_is_free(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until the connection is over."""
    with connected_from(port_of(bench, "api_port")) as client:
        tries: list[float] = []

        def wait(seconds: float) -> None:
            """Let the connection end while the third try is waited for."""
            if seconds < 0.1:  # a program is waited for
                return
            tries.append(seconds)
            if len(tries) == 3:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # without TIME_WAIT
                client.close()

        monkeypatch.setattr("time.sleep", wait)
        assert bench.ids() == []
    assert len(tries) == 3


def test_a_port_of_a_connection_that_stays_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with whose it is; a port that somebody listens on is not waited for."""
    monkeypatch.setattr(ports, "PATIENCE", 0.3)
    port = port_of(bench, "api_port")
    with connected_from(port):
        problem = bench.problems()[0]
    assert problem.id == "port-busy"
    assert f"port {port} (lab_api_port) is in use by an outgoing connection of " in problem.found
    assert f"(pid {os.getpid()}, " in problem.found
    monkeypatch.setattr("time.sleep", lambda seconds: seconds < 0.1 or pytest.fail("waited"))
    with listening(port):
        assert bench.ids() == ["port-busy"]


@pytest.mark.parametrize(
    ("ports", "reserved", "recorded", "said"),
    [
        ((32000, 8080), "", False, []),
        ((40000, 8080), "40000-40002", False, []),
        (
            (40000, 8080),
            "",
            False,
            ["40000, 40001, 40002", "-e lab_database_port=15432'", "reserved_ports=40000,40001,40002"],
        ),
        ((15432, 60000), "9000-9002", False, ["60000", "-e lab_api_port=8080'", "reserved_ports=9000-9002,60000"]),
        (
            (40000, 60000),
            "40000-40001",
            False,
            ["40002, 60000", "make lab ARGS='-e lab_database_port=15432 -e lab_api_port=8080'"],
        ),
        ((15432, 60000), "", True, ["To prevent that, keep them for the lab: sudo sysctl -w "]),
        ((15432, 60000), None, False, ["To prevent that, choose lower ones: make lab ARGS='-e lab_api_port=8080'"]),
    ],
)
def test_a_port_that_the_system_gives_away_is_warned_of(
    bench: Bench, ports: tuple[int, int], reserved: str | None, recorded: bool, said: list[str]
) -> None:
    """A warning with what to do, no problem: most of the time nobody has it."""
    bench.choose(database_port=ports[0], api_port=ports[1])
    bench.seen.update(outgoing=range(32768, 61000), reserved=reserved, listeners={})
    if recorded:
        bench.record()
    decision = bench.decide()
    assert decision.problems == []
    assert len(decision.warnings) == bool(said)
    for text in said:
        assert text in decision.warnings[0]
    if recorded:
        assert "make lab" not in decision.warnings[0]
    if reserved is None:
        assert "sysctl" not in decision.warnings[0]


def test_a_stopped_neighbours_port_is_taken(bench: Bench) -> None:
    """Two labs of one place never share a port, though one does not run; a broken neighbour hinders nobody."""
    for name, text in (("broken", "{"), ("empty", "")):
        (bench.folder / name).mkdir()
        record_path(bench.folder / name).write_text(text, encoding="utf-8")
    assert bench.problems() == []
    bench.record(name="beto", directory=str(bench.folder / "beto"), api_port=10901, workers=3)
    problem = bench.only("port-of-another-lab")
    first = port_of(bench)
    assert f"port {first}, {first + 1}, {first + 2} (lab_database_port) belongs to the lab beto" in problem.found
    assert f"lab_database_port={first + 100}" in problem.remedy


def test_this_systems_own_ports_are_known() -> None:
    """Linux and macOS say them; what Linux reserves is read as it writes it."""
    assert ports.outgoing_ports()[0] >= 1024
    assert port_numbers(" 8080,9000-9002\n") == {8080, 9000, 9001, 9002}
    assert port_numbers("") == set()
