"""A Disk cache's own folder inside its root: temporary files, lock files, and what the file system can do."""

import logging
import os
import secrets
import shutil
import stat
import time
from pathlib import Path

import msgspec

from .keys import HIDDEN

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("iiifkit")

DAY = 24 * 3600
JUST_MADE = 3
"""Seconds within which a writer has locked its file, or given it its name."""
_PROBE_NANOSECONDS = 123_456_700
_CHUNK = 1024 * 1024
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_DIFFICULT = 'a:b*c?"<d>|e. '


class Abilities(msgspec.Struct, frozen=True):
    """What the file system does with the files of a cache.

    ``keeps_nanoseconds``: times are kept to 100 ns. ``strict``: it refuses the names that Windows refuses. ``mode``:
    the permissions of a new file.
    """

    keeps_nanoseconds: bool
    strict: bool
    mode: int


class HiddenFolder:
    """The folder that a cache keeps to itself; its name starts with a dot, and no key leads there."""

    def __init__(self, root: Path) -> None:
        self.temporaries = root / HIDDEN / "temporary"
        self.locks = root / HIDDEN / "locks"

    def create(self) -> None:
        """Make the folders that are missing. Raises `OSError`."""
        self.temporaries.mkdir(parents=True, exist_ok=True)
        self.locks.mkdir(parents=True, exist_ok=True)

    def probe(self) -> Abilities:
        """Write a file and look at it. Raises `OSError` if that cannot be done."""
        path = Path(self.write(b"probe"))
        try:
            now = int(time.time()) * 1_000_000_000
            os.utime(path, ns=(now, now + _PROBE_NANOSECONDS))
            status = path.stat()
        finally:
            path.unlink()
        kept = status.st_mtime_ns == now + _PROBE_NANOSECONDS
        return Abilities(
            kept, os.name == "nt" or not self._holds(secrets.token_hex(8) + _DIFFICULT), stat.S_IMODE(status.st_mode)
        )

    def write(self, data: bytes) -> str:
        """Return the path of a new temporary file with these bytes. Raises `OSError`, with nothing left behind."""
        path, descriptor = self._new()
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
        except BaseException:
            discard(Path(path))
            raise
        return path

    def copy(self, source: Path) -> str:
        """Return the path of a new temporary file with the bytes of ``source``. Raises `OSError`, as `write` does."""
        path, descriptor = self._new()
        try:
            with os.fdopen(descriptor, "wb") as target, source.open("rb") as file:
                shutil.copyfileobj(file, target, _CHUNK)
        except BaseException:
            discard(Path(path))
            raise
        return path

    def clean(self) -> None:
        """Remove temporary files that nobody will finish: older than a day, or not locked by a living process."""
        now = time.time()
        with os.scandir(self.temporaries) as entries:
            for entry in entries:
                try:
                    age = now - entry.stat(follow_symlinks=False).st_ctime
                    if age > DAY or (age > JUST_MADE and _abandoned(entry.path)):
                        Path(entry.path).unlink()
                except OSError as error:
                    logger.debug("A temporary file of the cache stays behind: %s", error)

    def _new(self) -> tuple[str, int]:
        path = f"{self.temporaries}/{secrets.token_hex(16)}"
        try:
            descriptor = os.open(path, _CREATE, 0o666)
        except FileNotFoundError:
            # Somebody emptied the cache by removing its folder while the server was running.
            self.create()
            descriptor = os.open(path, _CREATE, 0o666)
        mark_as_ours(descriptor)
        return path, descriptor

    def _holds(self, name: str) -> bool:
        path = self.temporaries / name
        try:
            path.touch()
            held = path in self.temporaries.iterdir()
            path.unlink()
        except OSError:
            return False
        return held


def discard(path: Path) -> None:
    """Remove a temporary file, if it is there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("A temporary file of the cache stays behind: %s", error)


def mark_as_ours(descriptor: int) -> None:
    """Lock the file, so that `HiddenFolder.clean` of another process sees that its writer lives."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            logger.debug("A temporary file of the cache cannot be locked: %s", error)


def _abandoned(path: str) -> bool:
    if fcntl is None:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
