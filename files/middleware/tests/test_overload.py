"""The service under more than it can do, and told to stop in the middle of it."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from statistics import median
from time import perf_counter
from typing import Any

from conftest import Lab, Service, wait_until

LOCKED = "SELECT count(*) FROM pg_locks WHERE relation = 'usuario'::regclass AND NOT granted"


def test_request_is_a_log_line_with_its_trace_and_without_a_document(serve: Callable[..., Service]) -> None:
    """Method, route, status, time and the trace that the answer has; nothing of what was asked for."""
    service = serve()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    traces = []
    for path in ("/usuarios?despues=1072319876", "/pacientes/1072319876", "/healthz/live"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        traces.append(answer.headers["traceparent"].split("-")[1])
    connection.close()

    def lines_of_requests() -> list[dict[str, Any]]:
        return [line for line in service.lines() if line.get("ruta", "/") != "/"]

    wait_until(lambda: len(lines_of_requests()) == 2)
    lines = lines_of_requests()
    assert [(line["metodo"], line["ruta"], line["estado"]) for line in lines] == [
        ("GET", "/usuarios", 200),
        ("GET", "ninguna", 404),
    ]
    assert [line["peticion"] for line in lines] == traces[:2]
    assert all(line["ms"] > 0 for line in lines)
    assert "1072319876" not in service.log()


def test_overload_is_refused_before_anybody_waits_for_long(serve: Callable[..., Service], lab: Lab) -> None:
    """Every connection is stuck: who comes then is told so and when to come back, and all the while the process lives.

    Once that is known nobody waits for it any more, and when the database goes on so does the service.
    """
    service = serve()
    wait_until(lambda: "Usuarios en la tabla usuario: 2." in service.messages())

    def ask(path: str) -> tuple[int, str | None, float]:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        begin = perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers["Retry-After"], perf_counter() - begin

    with ThreadPoolExecutor(300) as threads, lab.admin.transaction():
        lab.admin.execute("LOCK TABLE usuario")
        stuck = [threads.submit(ask, "/usuarios") for _ in range(8)]
        wait_until(lambda: lab.value(LOCKED) == 8)
        more = [threads.submit(ask, "/usuarios") for _ in range(292)]
        probes = []
        while wait(more, timeout=0.1).not_done:
            probes.append(ask("/healthz/live"))
        assert len(probes) > 10
        assert {status for status, _, _ in probes} == {200}
        assert max(seconds for _, _, seconds in probes) < 1
        answers = [answer.result() for answer in more]
        known = ask("/citus/workers")
    assert {status for status, _, _ in answers} == {503}
    assert all(after and int(after) > 0 for _, after, _ in answers)
    assert max(seconds for _, _, seconds in answers) < 10
    assert known[0] == 503
    assert known[2] < 1
    assert {answer.result()[0] for answer in stuck} == {200}  # they had a connection, and the lock is gone
    assert ask("/usuarios")[0] == 200


def test_log_ins_cost_nobody_else(serve: Callable[..., Service], lab: Lab) -> None:
    """While 64 clients log in as nobody, who reads waits at most three times as long; too many of them are told so."""
    lab.admin.execute("INSERT INTO usuario VALUES ('10001', 'N', 30, 'administrador', NULL, true)")
    service = serve()
    over = threading.Event()

    def seconds_of_a_read() -> float:
        taken = []
        for _ in range(100):
            begin = perf_counter()
            assert service.get("/api/v1/usuarios/10001")[0] == 200
            taken.append(perf_counter() - begin)
        return median(taken)

    def guess(client: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
            body = json.dumps({"documento_id": str(100_000 + 1000 * client + statuses.total()), "clave": "x"})
            connection.request("POST", "/api/v1/sesiones", body, {"Content-Type": "application/json"})
            statuses[connection.getresponse().status] += 1
            connection.close()
        return statuses

    alone = seconds_of_a_read()
    with ThreadPoolExecutor(64) as threads:
        guesses = [threads.submit(guess, client) for client in range(64)]
        try:
            wait_until(lambda: service.log().count('"/api/v1/sesiones"') > 10)
            beside = seconds_of_a_read()
        finally:
            over.set()
    statuses = sum((each.result() for each in guesses), Counter[int]())
    print(f"a read takes {alone * 1000:.1f} ms, beside log-ins {beside * 1000:.1f} ms; {statuses}")
    assert set(statuses) == {401}
    assert beside <= 3 * alone


def test_more_log_ins_than_can_wait_are_told_so(serve: Callable[..., Service], lab: Lab) -> None:
    """Of 300 at once most are refused before they cost anything, with when to come back."""
    service = serve()

    def log_in(client: int) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        body = json.dumps({"documento_id": str(100_000 + client), "clave": "x"})
        connection.request("POST", "/api/v1/sesiones", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers["Retry-After"]

    with ThreadPoolExecutor(300) as threads:
        answers = list(threads.map(log_in, range(300)))
    assert {status for status, _ in answers} == {401, 503}
    assert all(after for status, after in answers if status == 503)


def test_sigterm_under_load_loses_no_request(serve: Callable[..., Service]) -> None:
    """Everything that the service did, as its log tells, somebody got the answer of."""
    service = serve()
    answered: Counter[int] = Counter()

    def ask_until_it_ends(_: int) -> list[int]:
        statuses = []
        while True:
            try:
                statuses.append(service.get("/usuarios")[0])
            except (OSError, http.client.HTTPException):  # nobody took the request
                return statuses

    with ThreadPoolExecutor(12) as threads:
        clients = [threads.submit(ask_until_it_ends, n) for n in range(12)]
        wait_until(lambda: service.log().count('"/usuarios"') > 200)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=20) == 0
        for client in clients:
            answered.update(client.result())
    done = [json.loads(line) for line in service.log().splitlines() if '"ruta": "/usuarios"' in line]
    assert set(answered) == {200}
    assert answered[200] == len(done)
