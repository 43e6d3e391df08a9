"""Requests that wait without a thread: each runs in a fiber (a greenlet) of the server's event loop.

Whatever a fiber waits for, it waits for by one of the functions here, and the loop goes on with the other fibers. Anywhere
else, in a thread or a test, the same functions block. So one thread holds everybody who waits: a thousand of them cost
little, and nobody stands in a queue that is not seen.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Lock
from typing import Any, ParamSpec, TypeVar, cast

from greenlet import getcurrent, greenlet

P = ParamSpec("P")
T = TypeVar("T")


class Fiber(greenlet):
    """A function that runs on an event loop and may stop in the middle, wherever that is."""

    def __init__(self, run: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(run)
        self.loop = loop

    def wait(self) -> Any:
        """Let the loop go on, and return what it switches back with."""
        return cast(greenlet, self.parent).switch()


async def run(function: Callable[[], T]) -> T:
    """Run a function in a fiber of the current loop and return what it returns.

    Raises:
        Exception: what the function raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def main() -> None:
        try:
            result = function()
        except BaseException as error:
            _settle(done, error=error)
        else:
            _settle(done, result)

    Fiber(main, loop).switch()
    return await done


def inside() -> bool:
    """Say whether this is in a fiber, where nothing may block."""
    return isinstance(getcurrent(), Fiber)


def ready(descriptor: int, events: int) -> int:
    """Wait until a descriptor can be read from or written to.

    Args:
        descriptor: of a socket.
        events: select.POLLIN, POLLOUT or both.

    Returns:
        Which of them it can; anything where it broke, which shows with the next call.
    """
    fiber = getcurrent()
    found: int
    if not isinstance(fiber, Fiber):
        poll = select.poll()
        poll.register(descriptor, events)
        [(_, found)] = poll.poll()
        return found
    if events & select.POLLIN:
        fiber.loop.add_reader(descriptor, fiber.switch, select.POLLIN)
    if events & select.POLLOUT:
        fiber.loop.add_writer(descriptor, fiber.switch, select.POLLOUT)
    try:
        found = fiber.wait()
    finally:
        if events & select.POLLIN:
            fiber.loop.remove_reader(descriptor)
        if events & select.POLLOUT:
            fiber.loop.remove_writer(descriptor)
    return found


def result(future: Future[T], seconds: float | None = None) -> T:
    """Wait for what a thread, or another fiber, puts into a future.

    Raises:
        TimeoutError: nothing was there within that time.
        Exception: what was put into it instead.
    """
    fiber = getcurrent()
    if not isinstance(fiber, Fiber):
        return future.result(seconds)
    if not future.done():
        loop = fiber.loop
        woken: asyncio.Future[None] = loop.create_future()
        woken.add_done_callback(fiber.switch)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(_settle, woken, None))
        timer = loop.call_later(seconds, _settle, woken, None) if seconds is not None else None
        fiber.wait()
        if timer:
            timer.cancel()
    return future.result(0)


def outside(executor: Executor, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call in a thread of the executor what would hold up the loop.

    Raises:
        Exception: what the function raised.
    """
    return result(executor.submit(function, *arguments, **named))


class Semaphore:
    """So many at once; everybody else waits, and is let in by the order of arrival. For fibers and threads alike."""

    def __init__(self, number: int) -> None:
        self._lock = Lock()
        self._free = number
        self._waiting: deque[Future[None]] = deque()

    def acquire(self, seconds: float) -> bool:
        """Return whether there was room within that time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            result(turn, seconds)
        except TimeoutError:
            return not turn.cancel()  # not to be cancelled: the turn came at that very moment
        return True

    def release(self) -> None:
        """Let the next one in."""
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    break
            else:
                self._free += 1
                return
        turn.set_result(None)


def _settle(future: asyncio.Future[T], result: T | None = None, error: BaseException | None = None) -> None:
    """Put something into a future unless there is something already, or nobody waits any more."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # None where T is None
