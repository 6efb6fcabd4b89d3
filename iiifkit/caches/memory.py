"""A cache in the memory of this process, bounded by bytes; least recently used goes first."""

import contextlib
import itertools
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from ..blob import Blob, BytesBlob
from ..contracts import Location
from ..errors import CacheError
from ..hookspecs import Environment
from .locks import KeyedLocks

MEGABYTE = 1024 * 1024

OVERHEAD = 600
"""About how many bytes an entry costs besides its key and data."""


class MemoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ttl``: seconds that an entry is kept, 0 for ever. ``limit``: megabytes, for each worker process."""

    ttl: Annotated[float, msgspec.Meta(ge=0)] = 0
    limit: Annotated[float, msgspec.Meta(gt=0)] = 256


class _Entry(NamedTuple):
    blob: BytesBlob
    tag: str
    expires: float
    cost: int


class MemoryCache:
    """Keeps bytes in this process. `get` never blocks for long, and hands out the bytes themselves.

    ``ttl`` is in seconds, 0 for ever; ``limit`` in bytes, keys and bookkeeping included.
    """

    location: Location | None = None
    instant = True
    workspace: Path | None = None

    def __init__(self, limit: int, ttl: float = 0) -> None:
        from cachetools import LRUCache

        self._limit = limit
        self._ttl = ttl
        self._entries: LRUCache[str, _Entry] = LRUCache(limit, getsizeof=lambda entry: entry.cost)
        self._guard = threading.Lock()
        self._numbers = itertools.count()
        self._locks = KeyedLocks()

    def get(self, key: str, tag: str) -> Blob | None:
        """Return the entry if its tag is this one and it has not expired."""
        with self._guard:
            entry = self._entries.get(key)
            if entry is None or entry.tag != tag:
                return None
            if entry.expires < time.monotonic():
                del self._entries[key]
                return None
            return entry.blob

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        """Keep the bytes, or those of the file, which is then removed. What is over the limit is not kept."""
        size = len(data) if isinstance(data, bytes) else _size(data)
        cost = size + 4 * len(key) + OVERHEAD
        if not 0 < size <= cost <= self._limit:
            with self._guard:
                self._entries.pop(key, None)
            return
        kept = data if isinstance(data, bytes) else _contents(data, size)
        blob = BytesBlob(kept, f"{tag}-{next(self._numbers):x}", time.time())
        expires = time.monotonic() + self._ttl if self._ttl else float("inf")
        with self._guard:
            self._entries[key] = _Entry(blob, tag, expires, cost)
        if isinstance(data, Path):
            with contextlib.suppress(OSError):
                data.unlink()

    def delete(self, prefix: str) -> int:
        """Remove the entry ``prefix`` and those below it."""
        below = prefix + "/"
        with self._guard:
            keys = list(self._entries)
        doomed = [key for key in keys if key == prefix or key.startswith(below)]
        with self._guard:
            return sum(self._entries.pop(key, None) is not None for key in doomed)

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        """Tell the threads of this process apart; other processes have caches of their own."""
        return self._locks.hold(key, seconds)

    def close(self) -> None:
        """Forget everything."""
        with self._guard:
            self._entries.clear()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CacheError("The file to be cached cannot be read.") from error


def _contents(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(size + 1)
    except OSError as error:
        raise CacheError("The file to be cached cannot be read.") from error
    if len(data) != size:
        raise CacheError("The file to be cached changed while it was read.")
    return data


def build(options: MemoryOptions, environment: Environment) -> MemoryCache:
    """Return a cache in memory."""
    return MemoryCache(int(options.limit * MEGABYTE), options.ttl)
