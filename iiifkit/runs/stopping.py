"""Telling work in other threads to stop, cleanly."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..contracts import Work
from ..errors import Stopped


class Stop:
    """A wish to stop, which long work hears at once and the rest between two pictures."""

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._long: list[list[Callable[[], None]]] = []
        self.work = Work(self._wished.is_set)

    def stop(self) -> None:
        """Wish it."""
        self._wished.set()
        for kills in list(self._long):
            for kill in list(kills):
                kill()

    def check(self) -> None:
        """Raise `Stopped` if it is wished."""
        if self._wished.is_set():
            raise Stopped("The run was stopped.")

    @contextmanager
    def long_work(self) -> Iterator[Work]:
        """Hand out the limits of work that takes seconds; what it registers is forgotten when it is done."""
        kills: list[Callable[[], None]] = []
        self._long.append(kills)
        try:
            yield Work(self._wished.is_set, kills.append)
        finally:
            self._long.remove(kills)
