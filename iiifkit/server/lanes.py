"""Lanes: threads for one kind of work, a bounded queue before them, and a budget of memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..errors import Overloaded

Result = TypeVar("Result")


class Lane:
    """Runs blocking functions in ``threads`` threads of its own.

    At most ``queue`` calls wait, past that `Overloaded` is raised. ``memory`` bounds the sum of the estimated bytes
    of the calls that run at once; a call that alone is larger runs alone. A slot is given back when its thread is
    done, whether or not anyone still waits. Use it from one event loop.
    """

    def __init__(self, name: str, threads: int, queue: int, memory: int | None = None) -> None:
        self.threads = threads
        self._queue = queue
        self._memory = memory
        self._running = 0
        self._used = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"iiifkit-{name}")

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
        try:
            call = self._executor.submit(self._call, function, loop, cost)
        except BaseException:
            self._leave(cost)
            raise
        return await asyncio.shield(asyncio.wrap_future(call))

    def _call(self, function: Callable[[], Result], loop: asyncio.AbstractEventLoop, cost: int) -> Result:
        try:
            return function()
        finally:
            loop.call_soon_threadsafe(self._leave, cost)

    async def _enter(self, cost: int) -> None:
        if not self._waiting and self._fits(cost):
            self._take(cost)
            return
        if len(self._waiting) >= self._queue:
            raise Overloaded("The server has more work waiting than it may; try again in a moment.", retry_after=2)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (turn, cost)
        self._waiting.append(place)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(cost)
            else:
                self._waiting.remove(place)
                self._admit()
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
        while self._waiting and self._fits(self._waiting[0][1]):
            turn, cost = self._waiting.popleft()
            self._take(cost)
            turn.set_result(None)

    def close(self) -> None:
        """Let the running calls end and start no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
