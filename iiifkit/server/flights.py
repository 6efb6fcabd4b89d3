"""Single flight: one piece of work for all who ask for the same thing at the same time."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from ..contracts import Work

log = logging.getLogger("iiifkit")

Result = TypeVar("Result")


class _Flight(Generic[Result]):
    """One piece of work under way, and how many wait for it."""

    def __init__(self) -> None:
        self.waiters = 0
        self.task: asyncio.Task[Result]
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._stoppers: list[Callable[[], None]] = []

    @property
    def work(self) -> Work:
        return Work(self._stopped.is_set, self._register)

    def _register(self, stopper: Callable[[], None]) -> None:
        with self._lock:
            late = self._stopped.is_set()
            if not late:
                self._stoppers.append(stopper)
        if late:
            _call(stopper)

    def stop(self) -> None:
        """Tell the work to end: the flag for code that asks, the stoppers for code that cannot."""
        self._stopped.set()
        for stopper in self.end():
            _call(stopper)
        self.task.cancel()

    def end(self) -> list[Callable[[], None]]:
        """Let go of the stoppers, which hold pictures that hold megabytes, and return them."""
        with self._lock:
            stoppers, self._stoppers = self._stoppers, []
        return stoppers


def _call(stopper: Callable[[], None]) -> None:
    """Stop one thing; a plugin's stopper that fails must not keep the others from being called."""
    try:
        stopper()
    except Exception:
        log.exception("some work could not be told to stop")


def _heard(task: "asyncio.Task[Any]") -> None:
    """Take note of an error even if nobody waits for it, so that it is not reported as forgotten."""
    if not task.cancelled():
        task.exception()


class Flights(Generic[Result]):
    """Work under way, by key. Waiting holds no thread and no slot.

    The work goes on as long as anyone waits: a hang-up of the first asker does not fail the others, and the last
    hang-up stops it.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[Result]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: str, start: Callable[[Work], Awaitable[Result]], keep: bool = False) -> Result:
        """Return the result of ``start``, begun here or by someone else with the same key.

        With ``keep`` the work goes on when nobody waits any more: its result serves those who come back.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            flight.task = asyncio.ensure_future(self._fly(key, flight, start))
            flight.task.add_done_callback(_heard)
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done() and not keep:
                self._remove(key, flight)
                flight.stop()

    async def _fly(self, key: str, flight: _Flight[Result], start: Callable[[Work], Awaitable[Result]]) -> Result:
        try:
            return await start(flight.work)
        finally:
            self._remove(key, flight)
            flight.end()

    def stop(self) -> None:
        """Stop all work, whoever waits for it."""
        for key, flight in list(self._flights.items()):
            self._remove(key, flight)
            flight.stop()

    def _remove(self, key: str, flight: _Flight[Result]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
