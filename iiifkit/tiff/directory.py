"""The directories of a TIFF file, classic or BigTIFF, in either byte order, read in few and small pieces."""

import struct
import sys
from array import array
from collections import deque
from collections.abc import Iterable

import msgspec

from ..blob import Blob
from ..errors import BrokenImage

WINDOW = 16 * 1024
"""Bytes fetched at least by one read: a directory and what it points to mostly lie side by side."""

WINDOWS = 64
"""Windows kept while a file is looked at; all directories are read first, then what they point to."""

MOST_ENTRIES = 4096
"""Entries in one directory. Real files have a few dozen."""

_SIGNATURES = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNSIGNED = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_BYTES = (1, 7)


class Entry(msgspec.Struct, frozen=True):
    """One tag of a directory: ``count`` values of ``type``; ``field`` holds them, or the offset where they are."""

    type: int
    count: int
    field: bytes


class Tiff:
    """A TIFF file whose directories are read on demand, through a few windows of `WINDOW` bytes.

    Lives while one file is looked at. ``first`` is the offset of the first directory, in bytes; ``size`` the file's;
    ``big`` tells whether it is a BigTIFF.
    """

    def __init__(self, blob: Blob, head: bytes, order: str, big: bool) -> None:
        self._blob = blob
        self._order = order
        self.big = big
        self.size = blob.size
        self._windows = deque([(0, head)], maxlen=WINDOWS)
        self._offset = struct.Struct(order + ("Q" if big else "I"))
        self._count = struct.Struct(order + ("Q" if big else "H"))
        self._entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        if big and struct.unpack(order + "HH", self.read(4, 4)) != (8, 0):
            raise BrokenImage("The TIFF file is malformed: its header is not that of a BigTIFF.")
        self.first: int = self._offset.unpack(self.read(8 if big else 4, self._offset.size))[0]

    @classmethod
    def open(cls, blob: Blob) -> "Tiff | None":
        """Return the file behind a Blob; None if it does not begin as a TIFF does. Raises `BrokenImage`."""
        head = blob.read(0, WINDOW)
        kind = _SIGNATURES.get(head[:4])
        return cls(blob, head, *kind) if kind else None

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes. Raises `BrokenImage` if the file does not have them."""
        if offset + length > self._blob.size:
            raise BrokenImage("The TIFF file is truncated or malformed: it points past its own end.")
        for start, data in reversed(self._windows):
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        data = self._blob.read(offset, max(length, WINDOW))
        if len(data) < length:
            raise BrokenImage("The file became shorter while it was read.")
        if length <= WINDOW:
            self._windows.append((offset, data))
        return data[:length]

    def directory(self, offset: int) -> "Directory":
        """Return the directory at an offset. Raises `BrokenImage` if there cannot be one."""
        (count,) = self._count.unpack(self.read(offset, self._count.size))
        if not 0 < count <= MOST_ENTRIES:
            raise BrokenImage(f"The TIFF file is malformed: a directory of {count} entries is not possible.")
        start, length = offset + self._count.size, count * self._entry.size
        data = self.read(start, length + self._offset.size)
        entries: dict[int, Entry] = {}
        for tag, type, values, field in self._entry.iter_unpack(data[:length]):
            entries.setdefault(tag, Entry(type, values, field))
        return Directory(self, offset, entries, self._offset.unpack(data[length:])[0])

    def part(self, entry: Entry, first: int, count: int) -> Entry:
        """Return an entry that holds only ``count`` of another's values, from number ``first`` on.

        Raises `BrokenImage`.
        """
        size = _SIZES.get(entry.type, 0)
        if size * entry.count <= len(entry.field):
            data = entry.field[first * size : (first + count) * size]
        else:
            start = self._offset.unpack(entry.field)[0] + first * size
            if size * count > len(entry.field):
                return Entry(entry.type, count, self._offset.pack(start))
            data = self.read(start, size * count)
        return Entry(entry.type, count, data.ljust(len(entry.field), b"\0"))

    def short(self, value: int) -> Entry:
        """Return an entry of one 16-bit number."""
        return Entry(3, 1, struct.pack(self._order + "H", value).ljust(self._offset.size, b"\0"))

    def packed(self, entries: "dict[int, Entry]") -> bytes:
        """Return the bytes of a directory of these tags, after which no other follows."""
        rows = (self._entry.pack(tag, entry.type, entry.count, entry.field) for tag, entry in sorted(entries.items()))
        return b"".join((self._count.pack(len(entries)), *rows, self._offset.pack(0)))

    def beginning_with(self, offset: int) -> tuple[bytes, int]:
        """Return bytes that, put at the place returned with them, make the file begin with another directory."""
        return self._offset.pack(offset), 8 if self.big else 4

    def values(self, entry: Entry, most: int | None = None) -> bytes:
        """Return the bytes of an entry's values (the first ``most``), in the file's order. Raises `BrokenImage`."""
        length = _SIZES.get(entry.type, 0) * entry.count
        if length <= len(entry.field):
            return entry.field[:length][:most]
        if most is not None:
            length = min(length, most)
        return self.read(self._offset.unpack(entry.field)[0], length)

    def numbers(self, entry: Entry) -> "array[int]":
        """Return an entry's values as numbers, as wide as they are stored. Raises `BrokenImage`."""
        if entry.type not in _UNSIGNED:
            raise BrokenImage("The TIFF file is malformed: a number is stored as something else.")
        return self._decoded(entry, self.values(entry))

    def numbers_from(self, entry: Entry, first: int, count: int) -> "array[int]":
        """Return ``count`` of an entry's values from number ``first`` on, fewer at its end. Raises `BrokenImage`."""
        count = max(0, min(count, entry.count - first))
        size = _SIZES.get(entry.type, 0)
        if entry.type not in _UNSIGNED or size * entry.count <= len(entry.field):
            return self.numbers(entry)[first : first + count]
        return self._decoded(entry, self.read(self._offset.unpack(entry.field)[0] + first * size, count * size))

    def _decoded(self, entry: Entry, data: bytes) -> "array[int]":
        numbers = array(_UNSIGNED[entry.type], data)
        if self._order != ("<" if sys.byteorder == "little" else ">"):
            numbers.byteswap()
        return numbers


class Directory:
    """One picture's tags, their ``offset`` in ``tiff``, and ``next``, the offset of the directory that follows or 0."""

    def __init__(self, tiff: Tiff, offset: int, entries: dict[int, Entry], next: int) -> None:
        self.tiff = tiff
        self.offset = offset
        self._entries = entries
        self.next = next

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def count(self, tag: int) -> int:
        """Return how many values a tag has; 0 if it is not there."""
        entry = self._entries.get(tag)
        return entry.count if entry else 0

    def entries(self, tags: Iterable[int]) -> dict[int, Entry]:
        """Return the entries of those tags that are there."""
        return {tag: self._entries[tag] for tag in tags if tag in self._entries}

    def number(self, tag: int, default: int = 0) -> int:
        """Return a tag's first value, or ``default`` if it is not there. Raises `BrokenImage`."""
        numbers = self.numbers(tag, 64)
        return numbers[0] if numbers else default

    def numbers(self, tag: int, most: int) -> "array[int]":
        """Return a tag's values, none if it is not there. Raises `BrokenImage`, also for more than ``most``."""
        entry = self._entries.get(tag)
        if entry is None:
            return array("B")
        if entry.count > most:
            raise BrokenImage(f"The TIFF file is malformed: tag {tag} cannot have {entry.count} values.")
        return self.tiff.numbers(entry)

    def numbers_from(self, tag: int, first: int, count: int) -> "array[int]":
        """Return some of a tag's values, without reading the others. Raises `BrokenImage`."""
        entry = self._entries.get(tag)
        return array("B") if entry is None else self.tiff.numbers_from(entry, first, count)

    def data(self, tag: int, most: int) -> bytes | None:
        """Return a tag's bytes; None if it has none, other values, or more than ``most``. Raises `BrokenImage`."""
        entry = self._entries.get(tag)
        if entry is None or entry.type not in _BYTES or entry.count > most:
            return None
        return self.tiff.values(entry)

    def beginning(self, tag: int, length: int) -> bytes:
        """Return up to ``length`` first bytes of a tag; none if it is not there. Raises `BrokenImage`."""
        entry = self._entries.get(tag)
        if entry is None or entry.type not in _BYTES:
            return b""
        return self.tiff.values(entry, length)
