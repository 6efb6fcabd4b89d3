"""A cache in a folder: one file an entry, under a readable name, so that the tree can be published as it is.

An entry is one file and nothing beside it. Its tag is kept in the file's modification time: the seconds are those
of the put, the nanoseconds a hash of key, tag and size. So an entry with another tag, a torn one, and one
that a file system confuses with it (case, accents) are all told by one look at the open file.
"""

import contextlib
import errno
import hashlib
import logging
import os
import stat
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import msgspec

from ..blob import Blob
from ..contracts import Location, location_of_folder
from ..errors import CacheError, ConfigError
from ..hookspecs import Environment
from ..opened_file import READ_FLAGS, OpenedFile, checked
from .hidden import Abilities, HiddenFolder, discard
from .keys import relative_path
from .locks import FolderLocks, KeyedLocks
from .room import Room, files_below, prune

logger = logging.getLogger("iiifkit")

MEGABYTE = 1024 * 1024
SECOND = 1_000_000_000  # in nanoseconds
HOUR = 3600

_ATTEMPTS = 5
_ROOM_LOCK = "/room"  # no key begins with a slash
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO)


class DiskOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``path``: the folder, made if missing. ``ttl``: seconds, 0 for ever. ``limit``: megabytes, 0 for no limit."""

    path: str
    ttl: Annotated[float, msgspec.Meta(ge=0)] = 0
    limit: Annotated[float, msgspec.Meta(ge=0)] = 0


class DiskCache:
    """Keeps entries in ``folder``, for ``ttl`` seconds (0: for ever), up to ``limit`` bytes (0: no limit).

    A folder that cannot be written still answers `get`; `put` then raises `CacheError`. Where the file system does
    not keep the nanoseconds of file times, nothing is found and nothing is kept. Both are warned about once.
    """

    instant = False

    def __init__(self, folder: Path, limit: int = 0, ttl: float = 0) -> None:
        self._root = folder.absolute()
        self._ttl = ttl
        self._hidden = HiddenFolder(self._root)
        self._abilities = _prepare(self._hidden)
        self.location: Location | None = location_of_folder(folder)
        writable = self._abilities is not None
        self.workspace = self._hidden.temporaries if writable else None
        self._locks = FolderLocks(self._hidden.locks) if writable else KeyedLocks()
        self._strict = self._abilities.strict if self._abilities else os.name == "nt"
        self._broken = self._abilities is not None and not self._abilities.keeps_nanoseconds
        self._touches = bool(limit) and writable and os.utime in os.supports_fd
        self._room: Room | None = None
        if writable and not self._broken and (limit or ttl):
            self._room = Room(self._root, limit or float("inf"), ttl, lambda wait: self._locks.hold(_ROOM_LOCK, wait))

    def get(self, key: str, tag: str) -> Blob | None:
        """Return the entry's open file if it was put with this tag, is whole and has not expired."""
        if self._broken:
            return None
        path = self._path(key)
        try:
            descriptor = os.open(path, READ_FLAGS)
            status = checked(descriptor)
        except OSError as error:
            if error.errno is None or error.errno in _MISSING:
                return None
            raise CacheError("The cache cannot be read.") from error
        if status.st_mtime_ns % SECOND != nanoseconds(key, tag, status.st_size) or self._expired(status):
            os.close(descriptor)
            return None
        if self._touches:
            _touch(descriptor, status)
        return OpenedFile(descriptor, Path(path), status)

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        """Keep the bytes, or move the file in. What is larger than the limit is not kept; its file stays where it is.

        Raises `CacheError` if the entry cannot be kept, with nothing left behind.
        """
        if self._abilities is None or self._broken:
            raise CacheError("The cache folder cannot keep entries.")
        path = self._path(key)
        try:
            size = len(data) if isinstance(data, bytes) else _size(data)
            if size == 0 or (self._room and not self._room.fits(size)):
                self._forget(Path(path))
                return
            before = _size_of_entry(path) if self._room else 0
            if isinstance(data, bytes):
                self._keep(path, data, nanoseconds(key, tag, size))
            else:
                self._take(path, data, nanoseconds(key, tag, size), self._abilities.mode)
        except OSError as error:
            raise CacheError(_reason(error)) from error
        if self._room:
            self._room.changed(size - before)

    def delete(self, prefix: str) -> int:
        """Remove the entry ``prefix`` and those below it, and the folders that become empty."""
        path = Path(self._path(prefix))
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise CacheError("The entries to be deleted lie outside the cache.")
        try:
            count, size = _remove(self._root, path)
        except OSError as error:
            raise CacheError("The cache entries cannot be deleted.") from error
        if self._room:
            self._room.changed(-size)
        return count

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        """Tell apart all threads of all processes that use this folder; see `iiifkit.contracts.Cache.lock`."""
        return self._locks.hold(key, seconds)

    def close(self) -> None:
        """Stop the thread that makes room, and remove what processes that were killed left behind."""
        if self._room:
            self._room.close()
        if self._abilities is not None:
            with contextlib.suppress(OSError):
                self._hidden.clean()
                FolderLocks(self._hidden.locks).clean()

    def _path(self, key: str) -> str:
        path = f"{self._root}/{relative_path(key, self._strict)}"
        try:
            os.fsencode(path)
        except UnicodeEncodeError as error:
            raise CacheError("The file system of the cache cannot hold this name.") from error
        return path

    def _expired(self, status: os.stat_result) -> bool:
        return bool(self._ttl) and status.st_mtime + self._ttl < time.time()

    def _keep(self, path: str, data: bytes, fraction: int) -> None:
        self._publish_ours(self._hidden.write(data), path, fraction)

    def _take(self, path: str, file: Path, fraction: int, mode: int) -> None:
        """Move a file in; copy it if it lies on another file system."""
        if not file.is_symlink():
            file.chmod(mode)
            try:
                _publish(str(file), path, fraction)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        self._publish_ours(self._hidden.copy(file), path, fraction)
        discard(file)

    def _publish_ours(self, temporary: str, path: str, fraction: int) -> None:
        try:
            _publish(temporary, path, fraction)
        except BaseException:
            discard(Path(temporary))
            raise

    def _forget(self, path: Path) -> None:
        """Remove an entry whose successor was refused, so that the old bytes do not stand for the new."""
        if path.is_file():
            discard(path)
            prune(self._root, path.parent)


def nanoseconds(key: str, tag: str, size: int) -> int:
    """Return what an entry's modification time has below the second: a multiple of 100 in [100, 10^9).

    All file systems that keep more than milliseconds keep 100 ns; 0 is what tools write that keep none.
    """
    text = f"{size}\0{tag}\0{key}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return (int.from_bytes(digest, "big") % 9_999_999 + 1) * 100


def _prepare(hidden: HiddenFolder) -> Abilities | None:
    """Return what the folder can do, or None if it cannot be written."""
    try:
        hidden.create()
        abilities = hidden.probe()
        hidden.clean()
        FolderLocks(hidden.locks).clean()
    except OSError as error:
        logger.warning("The cache folder cannot be written, so nothing new is kept in it: %s", error)
        return None
    if not abilities.keeps_nanoseconds:
        logger.warning(
            "The file system of the cache folder %s does not keep times to 100 ns, so nothing is cached. "
            "Use a folder on another file system, or another cache.",
            hidden.temporaries.parent.parent,
        )
    return abilities


def _size(path: Path) -> int:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CacheError("Only a regular file can be moved into the cache.")
    return status.st_size


def _size_of_entry(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _touch(descriptor: int, status: os.stat_result) -> None:
    """Note that an entry was used, at most once an hour, so that it does not go first. Its tag stays."""
    now = time.time_ns()
    if now - status.st_atime_ns > HOUR * SECOND:
        try:
            os.utime(descriptor, ns=(now, status.st_mtime_ns))
        except OSError as error:
            logger.debug("The time of use of a cache entry cannot be noted: %s", error)


def _publish(temporary: str, path: str, fraction: int) -> None:
    """Stamp a finished file and put it under its name; folders may vanish meanwhile: others remove empty ones."""
    now = time.time_ns()
    os.utime(temporary, ns=(now, now // SECOND * SECOND + fraction))
    for _ in range(_ATTEMPTS):
        try:
            os.replace(temporary, path)
            return
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):
                _make_folder(os.path.dirname(path))
    os.replace(temporary, path)


def _make_folder(folder: str) -> None:
    """Make a folder and those that it lies in; tries before it looks, unlike `os.makedirs`."""
    try:
        os.mkdir(folder)
    except FileNotFoundError:
        _make_folder(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
    except FileExistsError:
        return


def _remove(root: Path, path: Path) -> tuple[int, int]:
    """Remove a file, or all files below a folder; return how many and how many bytes."""
    try:
        status = path.lstat()
    except OSError as error:
        if error.errno in _MISSING:
            return 0, 0
        raise
    if not stat.S_ISDIR(status.st_mode):
        path.unlink()
        prune(root, path.parent)
        return 1, status.st_size
    count = size = 0
    for entry in files_below(path):
        try:
            size += entry.stat(follow_symlinks=False).st_size
            Path(entry.path).unlink()
            prune(root, Path(entry.path).parent)
            count += 1
        except FileNotFoundError:
            continue
    return count, size


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk of the cache is full."
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
        return "The entry cannot be kept, because another entry has the name of one of its folders."
    if error.errno == errno.ENAMETOOLONG:
        return "The entry cannot be kept, because its name is too long."
    return "The cache cannot be written."


def build(options: DiskOptions, environment: Environment) -> DiskCache:
    """Return a cache in a folder. Raises `ConfigError` if no folder is named."""
    if not options.path:
        raise ConfigError("Name the folder in which the cache is kept.", f"{environment.role}.cache.path")
    return DiskCache(Path(options.path).expanduser(), int(options.limit * MEGABYTE), options.ttl)
