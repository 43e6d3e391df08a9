"""The service as it runs: by the command of the README, in a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from resource import RUSAGE_CHILDREN, getrusage

from conftest import PASSWORD, Lab, Service, server_arguments, wait_until
from flask import Flask
from waitress import wasyncore

from historia_clinica.server import Server


def test_service_starts_fast(serve: Callable[..., Service]) -> None:
    """A cold start costs less than 1.5 s of a processor, however busy the machine is."""
    before = getrusage(RUSAGE_CHILDREN)
    service = serve()
    service.process.terminate()
    assert service.process.wait(timeout=20) == 0
    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


def test_log_lists_the_users_at_start(serve: Callable[..., Service]) -> None:
    """What the original promises: the users of the table, one line each; without their names, since patients are users, too."""
    service = serve()
    wait_until(lambda: "Usuarios en la tabla usuario: 2." in service.messages())
    assert [(line["documento_id"], line["rol"]) for line in service.lines() if "documento_id" in line] == [
        ("******9876", "medico"),
        ("******2345", "admisionista"),
    ]
    assert "Luis" not in service.log()


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
            wait_until(lambda: "El servicio se detiene" in service.log())
            assert not answer.done()
        status, body = answer.result(timeout=20)
    assert status == 200
    assert "Luis Herrera" in body
    assert service.process.wait(timeout=20) == 0


def test_second_service_at_the_same_port_says_so(serve: Callable[..., Service], lab: Lab) -> None:
    """It ends; the first one goes on answering."""
    service = serve()
    done = subprocess.run(
        lab.python(*server_arguments(service.port)), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{service.port}: Address already in use" in done.stderr
    assert service.get("/healthz/live")[0] == 200


def test_service_does_not_start_without_its_variables(lab: Lab) -> None:
    """A line of the log, as any other, names what is missing; the process ends instead of starting over for ever."""
    del lab.environment["PGHOST"]
    done = subprocess.run(
        lab.python(*server_arguments(0)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["mensaje"].startswith("The environment lacks PGHOST: set libpq's")


def test_all_who_wait_are_let_in_at_once(app: Flask) -> None:
    """A hundred clients that connected while the service was busy: one turn of its loop, not a hundred."""
    server = Server(app, "127.0.0.1", 0)
    with ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(socket.create_connection(("127.0.0.1", server.effective_port)))
        wasyncore.loop(timeout=1, use_poll=True, map=server._map, count=1)
        assert len(server.active_channels) == 100
        for channel in list(server.active_channels.values()):
            channel.handle_close()
    server.task_dispatcher.shutdown()
    server.close()
