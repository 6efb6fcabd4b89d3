"""One builder a key: among the threads of this process, and among processes that share a folder."""

import errno
import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("iiifkit")

_SHORTEST_NAP = 0.005
_LONGEST_NAP = 0.1


class KeyedLocks:
    """A lock for each key that somebody holds or waits for; nothing is remembered of others."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

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


class FolderLocks:
    """Locks by key among all processes that use ``folder``; a lock of a process that died is free."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = KeyedLocks()
        self._warned = False

    @contextmanager
    def hold(self, key: str, seconds: float) -> Iterator[bool]:
        """Enter with True once this thread alone, of all threads and processes, holds ``key``; False after ``seconds``.

        Where the folder cannot hold locks, only the threads of this process are told apart.
        """
        until = time.monotonic() + seconds
        with self._threads.hold(key, seconds) as mine:
            if not mine:
                yield False
                return
            descriptor, works = self._acquire(self._path(key), until)
            try:
                yield descriptor is not None or not works
            finally:
                if descriptor is not None:
                    _release(descriptor, self._path(key))

    def clean(self) -> None:
        """Remove the files of locks whose holders died."""
        for path in self._folder.iterdir():
            try:
                descriptor = _try(str(path))
            except OSError:
                continue
            if descriptor is not None:
                _release(descriptor, str(path))

    def _path(self, key: str) -> str:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return str(self._folder / digest)

    def _acquire(self, path: str, until: float) -> tuple[int | None, bool]:
        """Return the descriptor that holds the lock, or None; and whether locks work here at all."""
        nap = _SHORTEST_NAP
        while True:
            try:
                descriptor = _try(path)
            except OSError as error:
                self._warn(error)
                return None, False
            left = until - time.monotonic()
            if descriptor is not None or left <= 0:
                return descriptor, True
            time.sleep(min(nap, left))
            nap = min(nap * 2, _LONGEST_NAP)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "Locks in the cache folder do not work (%s); other processes may build an image twice.", error
            )


def _try(path: str) -> int | None:
    """Return a descriptor that holds the lock, or None if someone else has it. Raises OSError if locks do not work."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _locked(descriptor) and _is(path, descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is(path: str, descriptor: int) -> bool:
    """Whether the file is still there under its name: the last holder removes it, and ours could be that one."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(descriptor: int, path: str) -> None:
    if fcntl is not None:
        _remove(path)
        os.close(descriptor)
    else:
        # Windows refuses to remove a file that anyone has open, so this cannot take another's lock away.
        os.close(descriptor)
        _remove(path)


def _remove(path: str) -> None:
    try:
        Path(path).unlink()
    except OSError as error:
        logger.debug("A lock file stays behind: %s", error)


def _locked(descriptor: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True
