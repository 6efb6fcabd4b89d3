"""Lanes: threads for one kind of work, a bounded queue before them, and a budget of memory."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from ..errors import Overloaded

Result = TypeVar("Result")


class Lane:
    """Runs blocking functions in ``threads`` threads of its own.

    At most ``queue`` calls wait, past that `Overloaded` is raised. ``memory`` bounds the sum of the estimated bytes
    of the calls that run at once; a call that alone is larger runs alone. A slot is given back when its thread is
    done, whether or not anyone still waits. ``watch`` is told how many calls run and how many wait, whenever that
    changes. Use it from one event loop.

    The threads do not hold up the end of the process: a plugin that never returns must not either.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        queue: int,
        memory: int | None = None,
        watch: Callable[[int, int], None] = lambda running, waiting: None,
    ) -> None:
        self.threads = threads
        self._name = f"iiifkit-{name}"
        self._queue = queue
        self._memory = memory
        self._watch = watch
        self._running = 0
        self._used = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._workers: list[threading.Thread] = []

    @property
    def running(self) -> int:
        """How many calls run."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many calls wait for a slot."""
        return len(self._waiting)

    async def run(self, function: Callable[[], Result], cost: int = 0) -> Result:
        """Return what ``function`` returns. ``cost`` is its estimated memory in bytes. Raises `Overloaded`."""
        await self._enter(cost)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        try:
            # Slots bound the calls, so there is never one more than there are threads.
            if self._running > len(self._workers):
                self._start_worker()
        except BaseException:
            self._leave(cost)
            raise
        self._calls.put(lambda: self._call(function, loop, done, cost))
        return await done

    def _start_worker(self) -> None:
        worker = threading.Thread(target=self._work, name=f"{self._name}-{len(self._workers)}", daemon=True)
        worker.start()
        self._workers.append(worker)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call

    def _call(
        self, function: Callable[[], Result], loop: asyncio.AbstractEventLoop, done: asyncio.Future[Result], cost: int
    ) -> None:
        """Run a function in this thread, and hand its result, or what it raised, to the event loop."""
        result: Any = None
        failure: BaseException | None = None
        try:
            result = function()
        except BaseException as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            loop.call_soon_threadsafe(self._finish, done, cost, result, failure)
        failure = None  # its traceback holds this frame

    def _finish(self, done: asyncio.Future[Any], cost: int, result: Any, failure: BaseException | None) -> None:
        self._leave(cost)
        if done.done():
            return
        if failure is None:
            done.set_result(result)
        elif isinstance(failure, Exception) and not isinstance(failure, StopIteration):
            done.set_exception(failure)
        else:
            # A future cannot hold StopIteration, and sys.exit() in a plugin must not end the event loop.
            wrapped = RuntimeError(f"the work ended with {type(failure).__name__}")
            wrapped.__cause__ = failure
            done.set_exception(wrapped)

    async def _enter(self, cost: int) -> None:
        if not self._waiting and self._fits(cost):
            self._take(cost)
            self._watch(self._running, len(self._waiting))
            return
        if len(self._waiting) >= self._queue:
            raise Overloaded("The server has more work waiting than it may; try again in a moment.", retry_after=2)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (turn, cost)
        self._waiting.append(place)
        self._watch(self._running, len(self._waiting))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # passed over meanwhile
                    self._waiting.remove(place)
                self._admit()
            else:
                self._leave(cost)
            raise

    def _fits(self, cost: int) -> bool:
        if self._running >= self.threads:
            return False
        return self._memory is None or not self._running or self._used + cost <= self._memory

    def _take(self, cost: int) -> None:
        self._running += 1
        self._used += cost

    def _leave(self, cost: int) -> None:
        self._running -= 1
        self._used -= cost
        self._admit()

    def _admit(self) -> None:
        """Let in whoever fits, in the order of arrival, so that a large call is not passed by small ones for ever."""
        while self._waiting:
            turn, cost = self._waiting[0]
            if not turn.cancelled():
                if not self._fits(cost):
                    break
                self._take(cost)
                turn.set_result(None)
            self._waiting.popleft()
        self._watch(self._running, len(self._waiting))

    def close(self, seconds: float = 1.0) -> None:
        """Start no more calls, and wait a moment for the running ones, which may have files to remove."""
        for _ in self._workers:
            self._calls.put(None)
        end = time.monotonic() + seconds
        for worker in self._workers:
            worker.join(max(0, end - time.monotonic()))
