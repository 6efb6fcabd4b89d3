"""A lock for each key that a thread of this process holds or waits for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyedLocks:
    """Nothing is remembered of keys that nobody holds or waits for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: str, seconds: float) -> Iterator[bool]:
        """Enter with True once this thread alone holds ``key``, or with False after ``seconds``."""
        with self._guard:
            lock, users = self._locks.get(key) or (threading.Lock(), 0)
            self._locks[key] = lock, users + 1
        held = False
        try:
            held = lock.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))
            yield held
        finally:
            if held:
                lock.release()
            with self._guard:
                lock, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = lock, users - 1
