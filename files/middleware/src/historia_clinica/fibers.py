"""Requests that wait without a thread: each runs in a fiber (a greenlet) of the server's event loop.

Whatever a fiber waits for, it waits for by one of the functions here, and the loop goes on with the other fibers. Anywhere
else, in a thread or a test, the same functions block. So one thread holds everybody who waits: a thousand of them cost
little, and nobody stands in a queue that is not seen.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextvars import Context
from threading import Lock, get_ident, local
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from greenlet import getcurrent, greenlet

P = ParamSpec("P")
T = TypeVar("T")

# Of those that have nothing to do: a new one takes memory for its frames from the system, and gives it back at its end.
MOST_IDLE = 64


class _End(NamedTuple):
    """How a function ended."""

    result: Any = None
    error: BaseException | None = None


class Fiber(greenlet):
    """Runs one function after another; each may stop in the middle, wherever that is, until something is there.

    What it is given and gives lies here only meanwhile, so that a fiber which has nothing to do keeps nothing alive.
    """

    function: Callable[[], object]
    end: _End | None = None

    def run(self) -> None:
        """Do what the first `switch` is for, and each after an end."""
        while True:
            self._once()
            cast(greenlet, self.parent).switch()

    def _once(self) -> None:
        function = self.function
        del self.function
        try:
            self.end = _End(Context().run(function))  # nothing of the one before
        except BaseException as error:
            self.end = _End(error=error)


class _Idle(local):
    """The fibers of a thread that have nothing to do."""

    def __init__(self) -> None:
        self.fibers: list[Fiber] = []


_idle = _Idle()


async def run(function: Callable[[], T]) -> T:
    """Run a function in a fiber and return what it returns.

    Everything is awaited here, outside of the fiber: it has a piece of the stack that the loop has pointers into meanwhile
    (libuv's have ended processes), so it may not touch what the loop waits for.

    Raises:
        Exception: what the function raised.
    """
    idle = _idle.fibers
    fiber = idle.pop() if idle else Fiber()
    fiber.function = function
    found = fiber.switch()
    while fiber.end is None:
        try:
            value = await found
        except BaseException as error:  # the server's end: the fiber gives back what it holds
            found = fiber.throw(error)
        else:
            found = fiber.switch(value)
    (result, failure), fiber.end = fiber.end, None
    if len(idle) < MOST_IDLE:
        idle.append(fiber)
    if failure is not None:
        raise failure
    returned: T = result
    return returned


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
    if inside():
        return _await(_ready(descriptor, events))
    poll = select.poll()
    poll.register(descriptor, events)
    [(_, found)] = poll.poll()
    return found


def result(future: Future[T], seconds: float | None = None) -> T:
    """Wait for what a thread, or another fiber, puts into a future.

    Raises:
        TimeoutError: nothing was there within that time.
        Exception: what was put into it instead.
    """
    if inside() and not future.done():
        _await(_done(future, seconds))
        seconds = 0
    return future.result(seconds)


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

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

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
            with self._lock:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                    return False
        return True  # perhaps at the very moment of giving up

    def release(self) -> None:
        """Let the next one in."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            turn = self._waiting.popleft()
        turn.set_result(None)


def _await(awaitable: Coroutine[Any, Any, T]) -> T:
    """Have the current fiber's `run` await something, and return what that returns."""
    found: T = cast(greenlet, getcurrent().parent).switch(awaitable)
    return found


async def _ready(descriptor: int, events: int) -> int:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[int] = loop.create_future()
    if events & select.POLLIN:
        loop.add_reader(descriptor, _settle, found, select.POLLIN)
    if events & select.POLLOUT:
        loop.add_writer(descriptor, _settle, found, select.POLLOUT)
    try:
        return await found
    finally:
        if events & select.POLLIN:
            loop.remove_reader(descriptor)
        if events & select.POLLOUT:
            loop.remove_writer(descriptor)


async def _done(future: Future[Any], seconds: float | None) -> None:
    """Wait until the future is done, or the time is over."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    here = get_ident()

    def wake(_: object) -> None:
        if get_ident() == here:
            _settle(woken, None)
        else:
            loop.call_soon_threadsafe(_settle, woken, None)

    future.add_done_callback(wake)
    timer = loop.call_later(seconds, _settle, woken, None) if seconds is not None else None
    await woken
    if timer:
        timer.cancel()


def _settle(future: asyncio.Future[T], result: T) -> None:
    """Put something into a future, unless there is something already."""
    if not future.done():
        future.set_result(result)
