"""What the server says to whoever runs it: on standard error, and the same thing not over and over."""

import logging
import sys
import threading
import time

from cachetools import LRUCache

QUIET_SECONDS = 60.0
REMEMBERED = 1000


class Repeats(logging.Filter):
    """Lets a message through once a minute, then with the number of times that it was left out.

    A full disk is worth a line, not one for each picture that it cannot keep.
    """

    def __init__(self, seconds: float = QUIET_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: LRUCache[tuple[int, str], tuple[float, int]] = LRUCache(REMEMBERED)
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is said now; its text may get the number of those left out."""
        if record.levelno < logging.WARNING:
            return True
        text, now = record.getMessage(), time.monotonic()
        with self._lock:
            last, left_out = self._said.get((record.levelno, text), (float("-inf"), 0))
            if now - last < self._seconds:
                self._said[record.levelno, text] = (last, left_out + 1)
                return False
            self._said[record.levelno, text] = (now, 0)
        if left_out:
            record.msg, record.args = f"{text} ({left_out} more times since)", ()
        return True


def start_messages() -> None:
    """Send iiifkit's and uvicorn's messages to standard error."""
    for name, level in (("iiifkit", logging.INFO), ("uvicorn.error", logging.WARNING)):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("iiifkit: %(levelname)s: %(message)s"))
        handler.addFilter(Repeats())
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        logger.handlers = [handler]
