"""Leaving a server alone for a while, once it did not answer: whoever can do without it does not wait each time."""

import threading
import time


class Rest:
    """Thread-safe. After a failure nobody may ask for ``seconds``; then one may at a time, until an answer comes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._failed = False
        self._until = 0.0

    def holds(self) -> bool:
        """Return whether the server is to be left alone now."""
        with self._lock:
            if not self._failed:
                return False
            now = time.monotonic()
            if now < self._until:
                return True
            self._until = now + self._seconds
            return False

    def told(self, failed: bool) -> None:
        """Note how asking ended."""
        with self._lock:
            self._failed = failed
            self._until = time.monotonic() + self._seconds
