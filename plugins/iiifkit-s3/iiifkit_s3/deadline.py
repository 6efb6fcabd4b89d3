"""How long the work of this thread may still take; every socket that it uses knows."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class _Clock(threading.local):
    until = float("inf")


_clock = _Clock()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the work inside this many seconds, or what is left of an outer deadline."""
    outer = _clock.until
    _clock.until = min(outer, time.monotonic() + seconds)
    try:
        yield
    finally:
        _clock.until = outer


def left() -> float:
    """Return the seconds that are left; infinity without a deadline."""
    return _clock.until - time.monotonic()
