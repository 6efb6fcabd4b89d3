"""Random-access bytes: what sources and caches hand out.

A `Blob` has a size, a version and ``read(offset, length)``, and a local path where there is one.
Nothing in iiifkit reads a whole file to use a part of it.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from pathlib import Path
from typing import Self

from .errors import BrokenImage


class Blob(ABC):
    """Bytes that can be read anywhere. Safe to use from several threads at once.

    Use it as a context manager, or call `close`; reading a closed Blob is an error.
    """

    size: int
    """Length in bytes."""

    version: str
    """Opaque; another version means other bytes. Never empty."""

    modified: float | None = None
    """When the bytes last changed, in seconds since 1970, where that is known."""

    path: Path | None = None
    """The file that holds the bytes, for libraries that open files themselves."""

    remote: bool = False
    """True if every read costs a round trip; such blobs are read through `Buffered`."""

    @abstractmethod
    def read(self, offset: int, length: int) -> bytes:
        """Return exactly the bytes ``[offset, offset + length)``, cut short only by the end of the Blob.

        Raises `BrokenImage` if the bytes are gone (the file was truncated meanwhile), or a
        `SourceError` if the place they live in failed.
        """

    def read_all(self) -> bytes:
        """Return all bytes."""
        return self.read(0, self.size)

    def at_hand(self, most: int) -> bytes | None:
        """Return all bytes, up to ``most``, if they are in memory or the system's file cache; None if that is not sure.

        Never waits for a disk or a network.
        """
        return None

    def unchanged(self) -> bool:
        """Return whether the bytes are still those of `version`: nobody has written over them meanwhile."""
        return True

    def close(self) -> None:
        """Give back what the Blob holds. Closing twice is harmless."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def clip(offset: int, length: int, size: int) -> int:
    """Return how many of ``length`` bytes from ``offset`` exist in ``size`` bytes."""
    if offset < 0 or length < 0:
        raise ValueError(f"offset {offset} and length {length} must not be negative")
    return max(0, min(length, size - offset))


class BytesBlob(Blob):
    """Bytes in memory."""

    def __init__(self, data: bytes, version: str, modified: float | None = None) -> None:
        self.data = data
        self.size = len(data)
        self.version = version
        self.modified = modified

    def read(self, offset: int, length: int) -> bytes:
        """Return a slice of the bytes."""
        return self.data[offset : offset + clip(offset, length, self.size)]

    def read_all(self) -> bytes:
        """Return the bytes themselves, not a copy."""
        return self.data

    def at_hand(self, most: int) -> bytes | None:
        """Return the bytes themselves."""
        return self.data if self.size <= most else None


_NO_WAITING: int = getattr(os, "RWF_NOWAIT", 0)


def file_version(status: os.stat_result) -> str:
    """Return the version of a local file: modification time in ns, size and inode."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


class FileBlob(Blob):
    """An open local file. Its size and version are those of the open descriptor, not of the name."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        status = os.fstat(self._descriptor)
        self.path = path
        self.size = status.st_size
        self.version = file_version(status)
        self.modified = status.st_mtime

    def read(self, offset: int, length: int) -> bytes:
        """Read at an offset without moving a shared position; several threads may read at once."""
        wanted = clip(offset, length, self.size)
        parts = []
        while wanted:
            part = os.pread(self._descriptor, wanted, offset)
            if not part:
                raise BrokenImage("The file became shorter while it was read.")
            parts.append(part)
            offset += len(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def at_hand(self, most: int) -> bytes | None:
        """Return all bytes if there are at most so many, and the system has them in memory."""
        if not _NO_WAITING or self.size > most:
            return None
        data = bytearray(self.size)
        try:
            length = os.preadv(self._descriptor, (data,), 0, _NO_WAITING)
        except OSError:  # not in memory, or a file system that cannot tell
            return None
        return bytes(data) if length == self.size else None

    def unchanged(self) -> bool:
        """Look at the open file again: another file by the same name does not matter, writing into this one does."""
        return file_version(os.fstat(self._descriptor)) == self.version

    def close(self) -> None:
        """Close the descriptor."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


class Buffered(Blob):
    """Another Blob behind a cache of its most recently used blocks.

    Image libraries read in crumbs (libtiff needs over a hundred reads to open a file); this turns
    them into few reads of ``block`` bytes, and keeps at most ``blocks`` of them.
    """

    def __init__(self, blob: Blob, block: int = 128 * 1024, blocks: int = 64) -> None:
        self._blob = blob
        self._block = block
        self._limit = blocks
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.size = blob.size
        self.version = blob.version
        self.modified = blob.modified
        self.path = blob.path
        self.remote = blob.remote

    def read(self, offset: int, length: int) -> bytes:
        """Read through the block cache; a run of missing blocks is fetched in one read."""
        wanted = clip(offset, length, self.size)
        if not wanted:
            return b""
        first, last = offset // self._block, (offset + wanted - 1) // self._block
        if last - first >= self._limit:
            return self._blob.read(offset, wanted)
        with self._lock:
            blocks = {n: self._blocks[n] for n in range(first, last + 1) if n in self._blocks}
            for number in blocks:
                self._blocks.move_to_end(number)
        missing = [n for n in range(first, last + 1) if n not in blocks]
        if missing:
            blocks |= self._fetch(missing[0], missing[-1])
        joined = b"".join(blocks[n] for n in range(first, last + 1))
        start = offset - first * self._block
        return joined[start : start + wanted]

    def _fetch(self, first: int, last: int) -> dict[int, bytes]:
        data = self._blob.read(first * self._block, (last - first + 1) * self._block)
        fetched = {
            number: data[(number - first) * self._block : (number - first + 1) * self._block]
            for number in range(first, last + 1)
        }
        with self._lock:
            self._blocks.update(fetched)
            while len(self._blocks) > self._limit:
                self._blocks.popitem(last=False)
        return fetched

    def unchanged(self) -> bool:
        """Ask the Blob underneath."""
        return self._blob.unchanged()

    def close(self) -> None:
        """Close the Blob underneath and forget the blocks."""
        self._blob.close()
        with self._lock:
            self._blocks.clear()
