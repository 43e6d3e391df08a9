"""The service as it runs: by the command of the README, in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from resource import RUSAGE_CHILDREN, getrusage

import psutil
import pytest
from conftest import PASSWORD, Lab, Service, free_port, server_arguments, wait_until


def test_service_starts_fast(serve: Callable[..., Service]) -> None:
    """A cold start costs less than 1.5 s of a processor, however busy the machine is."""
    before = getrusage(RUSAGE_CHILDREN)
    service = serve()
    service.process.terminate()
    assert service.process.wait(timeout=20) == 0
    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


def test_log_lists_the_users_at_start(serve: Callable[..., Service]) -> None:
    """What the original promises: the users of the table, readable, one line each."""
    service = serve()
    wait_until(lambda: "Usuarios en la tabla usuario: 2." in service.messages())
    assert [line["nombre"] for line in service.lines() if "documento_id" in line] == [
        "Luis Herrera",
        "Ana María Soto",
    ]
    assert "Ana María Soto" in service.log()


def test_log_lists_the_users_when_the_database_comes_later(serve: Callable[..., Service], lab: Lab) -> None:
    """Started before its database the service says so, lives, and lists the users later."""
    lab.server.stop()
    try:
        service = serve()
        wait_until(lambda: "No se pudo leer la tabla usuario" in service.messages())
        assert service.get("/")[0] == 200
    finally:
        lab.server.start()
        lab.reconnect()
    wait_until(lambda: "Usuarios en la tabla usuario: 2." in service.messages())


def test_log_tells_an_outage_once(serve: Callable[..., Service], lab: Lab) -> None:
    """One line when the database goes, one when it is back, however many requests fail."""
    service = serve()
    assert service.get("/status")[0] == 200
    lab.server.stop()
    try:
        assert [service.get("/status")[0] for _ in range(5)] == [503] * 5
    finally:
        lab.server.start()
        lab.reconnect()
    assert service.get("/status")[0] == 200
    assert service.messages().count("rechaza la conexión") == 1
    assert service.messages().count(f":{lab.server.port} responde.") == 2
    assert service.process.poll() is None


def test_log_holds_no_secret(serve: Callable[..., Service]) -> None:
    """Neither the right password nor a wrong one, which libpq's errors are about."""
    right = serve(PGPASSWORD=PASSWORD)
    wrong = serve(PGPASSWORD="a-wrong-secret")
    assert right.get("/usuarios")[0] == 200
    status, body = wrong.get("/usuarios")
    assert status == 503
    assert "contraseña" in body
    for text in (right.log(), wrong.log(), body):
        assert PASSWORD not in text
        assert "a-wrong-secret" not in text


def test_sigterm_finishes_what_is_in_flight(serve: Callable[..., Service], lab: Lab) -> None:
    """A request that waits for the database is answered after SIGTERM; then the process ends."""
    service = serve()
    wait_until(lambda: "Usuarios en la tabla usuario: 2." in service.messages())
    with ThreadPoolExecutor(1) as threads:
        with lab.admin.transaction():
            lab.admin.execute("LOCK TABLE usuario")
            answer = threads.submit(service.get, "/usuarios")
            wait_until(
                lambda: lab.value("SELECT count(*) FROM pg_locks WHERE relation = 'usuario'::regclass AND NOT granted")
            )
            service.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "Shutting down" in service.log())
            assert not answer.done()
        status, body = answer.result(timeout=20)
    assert status == 200
    assert "Luis Herrera" in body
    assert service.process.wait(timeout=20) == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_second_service_at_the_same_port_says_so(serve: Callable[..., Service], lab: Lab, processes: int) -> None:
    """It ends; the first one goes on answering."""
    service = serve(processes=processes)
    done = subprocess.run(
        lab.python(*server_arguments(service.port, processes)), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode != 0
    assert re.search(
        f"{service.port}.*address already in use|address already in use.*{service.port}", done.stderr, re.I
    )
    assert service.get("/healthz/live")[0] == 200


@pytest.mark.parametrize("processes", [1, 2])
def test_service_does_not_start_without_its_variables(lab: Lab, processes: int) -> None:
    """A line of the log names what is missing; the service ends instead of starting over for ever."""
    del lab.environment["PGHOST"]
    done = subprocess.run(
        lab.python(*server_arguments(free_port(), processes)), capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 3
    messages = [json.loads(line)["mensaje"] for line in done.stderr.splitlines()]
    assert any(each.startswith("The environment lacks PGHOST: set libpq's") for each in messages)


def answering(service: Service) -> list[psutil.Process]:
    """Return those of the service's processes that listen at its port, beside the one that started them."""
    return [
        each
        for each in psutil.Process(service.process.pid).children()
        if any(link.laddr.port == service.port for link in each.net_connections() if link.status == psutil.CONN_LISTEN)
    ]


def pools(service: Service) -> set[int]:
    """Return the processes whose connections the metrics add up."""
    return {int(each.stem.split("_")[-1]) for each in service.temporary.glob("*/gauge_livesum_*.db")}


@pytest.fixture
def two(serve: Callable[..., Service]) -> Service:
    """Give a service of two processes, both of which answer."""
    service = serve(processes=2)
    wait_until(lambda: len(answering(service)) == 2)
    return service


def test_each_process_gets_its_share_of_the_connections(two: Service) -> None:
    """None stands idle beside one that has them all."""

    def shares() -> list[int]:
        links = [each.net_connections() for each in answering(two)]
        return [
            sum(link.status == psutil.CONN_ESTABLISHED and link.laddr.port == two.port for link in of) for of in links
        ]

    with ExitStack() as connections:
        for _ in range(100):
            connections.enter_context(socket.create_connection(("127.0.0.1", two.port)))
        wait_until(lambda: sum(shares()) == 100)
        assert min(shares()) > 20


def test_metrics_add_up_what_all_processes_counted(two: Service) -> None:
    """Whichever process is asked, after one of them was killed too; its connections are no longer counted."""
    counted = 'http_requests_total{method="GET",route="/usuarios",status="200"}'
    for _ in range(30):  # each on a connection of its own: both processes get some
        assert two.get("/usuarios")[0] == 200
    assert {f"{counted} 30.0" in two.get("/metrics")[1] for _ in range(10)} == {True}

    killed = answering(two)[0]
    killed.kill()
    wait_until(lambda: killed not in answering(two) and len(answering(two)) == 2)
    assert {f"{counted} 30.0" in two.get("/metrics")[1] for _ in range(10)} == {True}
    wait_until(lambda: pools(two) == {each.pid for each in answering(two)})


def test_processes_end_with_the_one_that_started_them(two: Service, serve: Callable[..., Service]) -> None:
    """However it ended: nobody goes on answering at the port, and the next service can have it."""
    orphans = answering(two)
    two.process.kill()
    assert psutil.wait_procs(orphans, timeout=10)[1] == []
    with pytest.raises(ConnectionRefusedError):
        two.get("/healthz/live")
    with socket.create_server(("127.0.0.1", two.port)):
        pass


def test_sigterm_finishes_what_is_in_flight_in_each_process(two: Service, lab: Lab) -> None:
    """Requests that wait for the database are answered after SIGTERM; then all processes end, and leave nothing."""
    wait_until(lambda: two.messages().count("Usuarios en la tabla usuario: 2.") == 2)
    processes = answering(two)
    with ThreadPoolExecutor(8) as threads:
        with lab.admin.transaction():
            lab.admin.execute("LOCK TABLE usuario")
            answers = [threads.submit(two.get, "/usuarios") for _ in range(8)]
            waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'usuario'::regclass AND NOT granted"
            wait_until(lambda: lab.value(waiting) == 8)
            two.process.send_signal(signal.SIGTERM)
            wait_until(lambda: two.log().count("Shutting down") == 2)
            wait_until(lambda: not two.answers())
        assert [answer.result(timeout=20)[0] for answer in answers] == [200] * 8
    assert two.process.wait(timeout=20) == 0
    assert not any(each.is_running() for each in processes)
    assert list(two.temporary.iterdir()) == []
