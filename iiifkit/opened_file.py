"""A Blob over a descriptor that someone else has opened and checked."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from .blob import FileBlob, file_version

# Opening a FIFO or a terminal must neither wait nor take it over; regular files do not care.
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class OpenedFile(FileBlob):
    """A `FileBlob` that takes over ``descriptor``; ``status`` is its `os.fstat`.

    ``on_close`` runs once, after the descriptor was closed.
    """

    def __init__(
        self, descriptor: int, path: Path, status: os.stat_result, on_close: Callable[[], None] | None = None
    ) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._on_close = on_close
        self.path = path
        self.size = status.st_size
        self.version = file_version(status)
        self.modified = status.st_mtime

    def close(self) -> None:
        """Close the descriptor, then run ``on_close`` once."""
        super().close()
        with self._lock:
            on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()


def checked(descriptor: int) -> os.stat_result:
    """Return the `os.fstat` of a descriptor of a regular file.

    Raises `FileNotFoundError`, with the descriptor closed, if it is a folder, FIFO, device or the like.
    """
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError("not a regular file")
    except OSError:
        os.close(descriptor)
        raise
    return status
