"""How full a Disk cache is, and what goes first when it is full: what was used least recently."""

import logging
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from .keys import HIDDEN

logger = logging.getLogger("iiifkit")

KEPT = 0.9
"""The share of the limit that is left after making room."""

_RECOUNTS_A_LIMIT = 16
_PATIENCE = 1.0  # seconds to wait for another process that makes room
_PAUSE = 30.0  # seconds until the next attempt after one that failed
_SWEEP = 3600.0  # seconds between two searches for expired entries, at least


class Room:
    """Keeps the files below ``root`` under ``limit`` bytes, in a thread of its own that runs only while it has work.

    Nothing is looked at before the first `changed`. The running total is this process's view; it is counted anew
    after every sixteenth of the limit that was added, because other processes add too. ``lock(seconds)`` keeps them
    from making room at the same time. Entries older than ``ttl`` seconds (0: none) go whenever they are met.
    """

    def __init__(
        self, root: Path, limit: float, ttl: float, lock: Callable[[float], AbstractContextManager[bool]]
    ) -> None:
        self._root = root
        self._limit = limit
        self._ttl = ttl
        self._lock = lock
        self._total = 0
        self._added = limit
        self._next_sweep = float("inf")
        self._not_before = 0.0
        self._guard = threading.Lock()
        self._worker: threading.Thread | None = None
        self._closed = False

    def fits(self, size: int) -> bool:
        """Return whether an entry of this size can be kept at all."""
        return size <= self._limit

    def changed(self, size: int) -> None:
        """Note that entries grew by ``size`` bytes (shrank, if negative), and make room where it is needed."""
        now = time.monotonic()
        with self._guard:
            self._total += size
            self._added += max(0, size)
            full = self._total > self._limit or self._added * _RECOUNTS_A_LIMIT >= self._limit
            due = (full or now >= self._next_sweep) and now >= self._not_before
            if not due or self._worker is not None or self._closed:
                return
            self._worker = threading.Thread(target=self._work, name="iiifkit-cache-room", daemon=True)
            self._worker.start()

    def close(self) -> None:
        """Stop making room, and wait until the thread has noticed."""
        with self._guard:
            self._closed = True
            worker = self._worker
        if worker is not None:
            worker.join()

    def _work(self) -> None:
        done = False
        try:
            with self._lock(_PATIENCE) as mine:
                if mine:
                    self._make_room()
                    done = True
        except OSError as error:
            logger.warning("The cache folder cannot be cleared of old entries: %s", error)
        finally:
            now = time.monotonic()
            with self._guard:
                self._worker = None
                self._not_before = now if done else now + _PAUSE
                self._next_sweep = now + max(self._ttl, _SWEEP) if self._ttl else float("inf")

    def _make_room(self) -> None:
        used, sizes = self._count()
        if self._total <= self._limit or self._closed:
            return
        excess = self._total - int(self._limit * KEPT)
        newest_to_go, freed = 0.0, 0
        for number in sorted(range(len(used)), key=used.__getitem__):
            newest_to_go = used[number]
            freed += sizes[number]
            if freed >= excess:
                break
        removed = self._remove(newest_to_go, excess)
        with self._guard:
            self._total -= removed

    def _count(self) -> tuple["array[float]", "array[int]"]:
        """Return when every entry was last used and its size; set the total. Expired entries are removed."""
        with self._guard:
            before = self._total
        used, sizes = array("d"), array("q")
        for entry in files_below(self._root, lambda: self._closed):
            try:
                status = entry.stat(follow_symlinks=False)
                if self._ttl and status.st_mtime + self._ttl < time.time():
                    self._unlink(Path(entry.path))
                    continue
            except FileNotFoundError:
                continue
            used.append(status.st_atime)
            sizes.append(status.st_size)
        with self._guard:
            # What was put meanwhile may be counted twice until the next count; it is never forgotten.
            self._total = sum(sizes) + max(0, self._total - before)
            self._added = 0
        return used, sizes

    def _remove(self, newest_to_go: float, excess: int) -> int:
        """Remove the entries that were last used at this time or before, until ``excess`` bytes are free."""
        removed = 0
        for entry in files_below(self._root, lambda: self._closed):
            if removed >= excess:
                break
            try:
                status = entry.stat(follow_symlinks=False)
                if status.st_atime <= newest_to_go:
                    self._unlink(Path(entry.path))
                    removed += status.st_size
            except FileNotFoundError:
                continue
        return removed

    def _unlink(self, path: Path) -> None:
        path.unlink()
        prune(self._root, path.parent)


def files_below(root: Path, stopped: Callable[[], bool] = lambda: False) -> Iterator["os.DirEntry[str]"]:
    """Yield the regular files below ``root``, without following links and without the cache's own folder."""
    folders = [str(root)]
    while folders and not stopped():
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in found:
            if stopped():
                return
            if entry.is_dir(follow_symlinks=False):
                if folder != str(root) or entry.name != HIDDEN:
                    folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry


def prune(root: Path, folder: Path) -> None:
    """Remove ``folder`` and those above it, as long as they are empty and below ``root``."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
