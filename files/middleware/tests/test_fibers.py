"""Waiting: a fiber lets the others go on, a thread blocks, and both get what they waited for."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar

import greenlet
import pytest

from historia_clinica import fibers


def together(*functions: Callable[[], object]) -> list[object]:
    """Run each in a fiber of one loop and return what they returned."""

    async def main() -> list[object]:
        return list(await asyncio.gather(*map(fibers.run, functions)))

    return asyncio.run(asyncio.wait_for(main(), 10))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give the two ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_others_go_on_while_a_fiber_waits_for_a_descriptor(pipe: tuple[int, int]) -> None:
    """The one waits for what the other writes later."""
    readable, writable = pipe

    def read() -> bytes:
        assert fibers.ready(readable, select.POLLIN) == select.POLLIN
        return os.read(readable, 9)

    def write() -> None:
        assert fibers.ready(writable, select.POLLIN | select.POLLOUT) == select.POLLOUT
        os.write(writable, b"hello")

    assert together(read, write)[0] == b"hello"


def test_loop_is_told_what_to_wait_for_outside_of_the_fiber(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """libuv has pointers into the stack that a fiber has meanwhile: told from there it has ended the process."""
    told: list[tuple[str, bool]] = []
    loop = asyncio.SelectorEventLoop()

    def spy(name: str) -> None:
        method = getattr(loop, name)

        def tell(*given: object) -> object:
            told.append((name, fibers.inside()))
            return method(*given)

        monkeypatch.setattr(loop, name, tell)

    def read() -> bytes:
        for _ in range(2):
            fibers.ready(pipe[0], select.POLLIN)
        return os.read(pipe[0], 9)

    os.write(pipe[1], b"hello")
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()  # it has a pipe of its own
        spy("add_reader")
        spy("remove_reader")
        assert runner.run(fibers.run(read)) == b"hello"
    assert told[:4] == [("add_reader", False), ("remove_reader", False)] * 2


def test_thread_waits_for_a_descriptor(pipe: tuple[int, int]) -> None:
    """Outside of a fiber it just blocks."""
    readable, writable = pipe
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(fibers.ready, readable, select.POLLIN)
        os.write(writable, b"x")
        assert found.result(10) & select.POLLIN


def test_error_of_a_fiber_is_raised_where_it_is_awaited() -> None:
    """As that of any function."""
    with pytest.raises(ZeroDivisionError):
        together(lambda: 1 / 0)


def test_fiber_is_used_again_and_keeps_nothing() -> None:
    """Not what the one before set, returned or raised."""
    said = ContextVar("said", default="nothing")

    class Thing:
        """Something whose end is seen."""

    def use() -> tuple[object, str, Thing]:
        before = said.get()
        said.set("something")
        return greenlet.getcurrent(), before, Thing()

    async def main() -> None:
        first, before, thing = await fibers.run(use)
        there = weakref.ref(thing)
        del thing
        assert there() is None
        with pytest.raises(ZeroDivisionError):
            await fibers.run(lambda: 1 / 0)
        again, after, _ = await fibers.run(use)
        assert (again, before, after) == (first, "nothing", "nothing")

    asyncio.run(main())


def test_what_blocks_is_called_in_a_thread_meanwhile() -> None:
    """Two fibers whose calls wait for each other both come to an end; from a thread it works, too."""
    barrier = threading.Barrier(2, timeout=10)
    with ThreadPoolExecutor(2) as threads:
        assert sorted(map(str, together(*[lambda: fibers.outside(threads, barrier.wait)] * 2))) == ["0", "1"]
        assert fibers.outside(threads, threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            together(lambda: fibers.outside(threads, lambda: 1 / 0))


@pytest.mark.parametrize("run", [together, lambda function: [function()]], ids=["fiber", "thread"])
def test_nobody_waits_longer_than_he_wants(run: Callable[[Callable[[], object]], list[object]]) -> None:
    """What comes after that wakes nobody."""
    late: Future[int] = Future()

    def wait() -> object:
        with pytest.raises(TimeoutError):
            fibers.result(late, 0.01)
        late.set_result(1)
        return fibers.result(late, 0.01)

    assert run(wait) == [1]


def test_semaphore_lets_in_by_the_order_of_arrival() -> None:
    """So many at once, the next when one leaves."""
    semaphore = fibers.Semaphore(2)
    inside: list[int] = []
    order: list[int] = []

    def visit(number: int) -> None:
        assert semaphore.acquire(10)
        inside.append(number)
        order.append(number)
        assert len(inside) <= 2
        with pytest.raises(TimeoutError):
            fibers.result(Future(), 0.01)
        inside.remove(number)
        semaphore.release()

    together(*[lambda number=number: visit(number) for number in range(7)])
    assert order == list(range(7))


def test_semaphore_refuses_whoever_waited_in_vain() -> None:
    """Nobody has left: who gives up takes no place, and the place is there when somebody leaves."""
    semaphore = fibers.Semaphore(1)
    assert semaphore.acquire(0)
    assert together(lambda: semaphore.acquire(0.01), lambda: semaphore.acquire(0.02)) == [False, False]
    assert semaphore.waiting == 0
    assert not semaphore.acquire(0.01)
    semaphore.release()
    assert semaphore.acquire(0)


def test_semaphore_is_for_threads_and_fibers_alike() -> None:
    """A fiber waits for the place of a thread."""
    semaphore = fibers.Semaphore(1)
    assert semaphore.acquire(0)

    def leave() -> None:
        threading.Timer(0.02, semaphore.release).start()

    assert together(lambda: semaphore.acquire(10), leave) == [True, None]


def test_fiber_that_is_cancelled_gives_back_what_it_holds() -> None:
    """The server ends while somebody waits."""
    given: list[str] = []

    def hold() -> None:
        try:
            fibers.result(Future())
        finally:
            given.append("back")

    async def main() -> None:
        task = asyncio.create_task(fibers.run(hold))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert given == ["back"]
