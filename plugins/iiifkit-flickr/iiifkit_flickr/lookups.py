"""Answers that are remembered for a while, and asked for once however many threads want them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from iiifkit import ImageNotFound

MOST = 10_000
"""Answers that are remembered; the one that was used longest ago goes first."""

MISSING = 60.0
"""Seconds for which it is remembered that there is nothing."""


class Lookups:
    """Texts by key, kept for ``seconds``; ``find`` gets one that is not known, and may raise iiifkit's errors."""

    def __init__(self, find: Callable[[str], str], seconds: float, most: int = MOST) -> None:
        self._find = find
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[str, tuple[str | ImageNotFound, float]] = OrderedDict()
        self._asking: dict[str, Future[str]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> str:
        """Return what is known, or what this thread or another one just finds out. Raises what finding raises."""
        with self._lock:
            known = self._remembered(key)
            if known is not None:
                return known
            future = self._asking.get(key)
            if future is None:
                mine = self._asking[key] = Future()
        return self._ask(key, mine) if future is None else future.result()

    def forget(self, key: str, value: str) -> None:
        """Ask again next time, if this is what is known."""
        with self._lock:
            if self._known.get(key, ("", 0.0))[0] == value:
                del self._known[key]

    def _remembered(self, key: str) -> str | None:
        value, until = self._known.get(key, ("", 0.0))
        if until < time.monotonic():
            self._known.pop(key, None)
            return None
        self._known.move_to_end(key)
        if isinstance(value, ImageNotFound):
            raise ImageNotFound(str(value))
        return value

    def _ask(self, key: str, future: "Future[str]") -> str:
        try:
            value = self._find(key)
        except BaseException as error:
            self._answered(key, error if isinstance(error, ImageNotFound) else None, MISSING)
            future.set_exception(error)
            raise
        self._answered(key, value, self._seconds)
        future.set_result(value)
        return value

    def _answered(self, key: str, value: str | ImageNotFound | None, seconds: float) -> None:
        with self._lock:
            del self._asking[key]
            if value is not None:
                self._known[key] = value, time.monotonic() + seconds
                self._known.move_to_end(key)
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
