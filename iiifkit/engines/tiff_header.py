"""The directories of a TIFF file: sizes, tiles and which pages are smaller copies, read without an image library."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from ..blob import Blob
from ..errors import BrokenImage
from ..image_api.image import ImageInfo, Level
from .orientation import upright
from .shrinking import factor_of

MOST_DIRECTORIES = 64
"""How many pages and how many sub-directories are looked at."""

_MOST_TAGS = 512
_SIZES = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES = 256, 257, 258, 262, 274, 277
_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _TILE_WIDTH, _TILE_HEIGHT = 254, 255, 322, 323
_SUB_DIRECTORIES, _EXTRA_SAMPLES = 330, 338
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_SIZES, _PLANES = 273, 278, 279, 284
_TILE_OFFSETS, _TILE_SIZES = 324, 325
_WANTED = {
    *(_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES),
    *(_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _TILE_WIDTH, _TILE_HEIGHT, _SUB_DIRECTORIES, _EXTRA_SAMPLES),
    *(_ROWS_PER_STRIP, _PLANES),
}
_TABLES = {_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES}


@dataclass(frozen=True, slots=True)
class Table:
    """A long list of numbers in the file: their kind, how many they are, and where they begin, in bytes."""

    kind: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture in a TIFF file: where its directory begins, in bytes, and the tags that matter."""

    offset: int
    tags: dict[int, tuple[int, ...]]
    tables: dict[int, Table]

    def first(self, tag: int, default: int) -> int:
        """Return a tag's first value."""
        values = self.tags.get(tag)
        return values[0] if values else default

    @property
    def width(self) -> int:
        """Width of the stored pixels."""
        return self.first(_WIDTH, 0)

    @property
    def height(self) -> int:
        """Height of the stored pixels."""
        return self.first(_HEIGHT, 0)

    @property
    def samples(self) -> int:
        """Samples of one pixel."""
        return self.first(_SAMPLES, 1)

    @property
    def reduced(self) -> bool:
        """True if the picture says that it is a smaller copy of another one in the file."""
        return self.first(_NEW_SUBFILE_TYPE, 0) & 0b101 == 1 or self.first(_OLD_SUBFILE_TYPE, 0) == 2

    @property
    def mask(self) -> bool:
        """True if the picture says that it is the transparency of another one."""
        return bool(self.first(_NEW_SUBFILE_TYPE, 0) & 0b100)

    @property
    def tile(self) -> tuple[int, int] | None:
        """Width and height of the tiles, if there are any."""
        width, height = self.first(_TILE_WIDTH, 0), self.first(_TILE_HEIGHT, 0)
        return (width, height) if width and height else None

    @property
    def alpha(self) -> bool:
        """True if a sample of a pixel is its opacity."""
        return any(kind in (1, 2) for kind in self.tags.get(_EXTRA_SAMPLES, ()))

    @property
    def color(self) -> bool:
        """False for gray and bitonal pictures."""
        return self.first(_PHOTOMETRIC, 1) not in (0, 1)


class TiffHeader:
    """Reads the directories of one TIFF or BigTIFF file, few bytes at a time."""

    def __init__(self, blob: Blob) -> None:
        """Read the file's first bytes. Raises `BrokenImage` if they are not those of a TIFF file."""
        self._blob = blob
        head = blob.read(0, 16)
        order, magic = {b"II": "<", b"MM": ">"}.get(head[:2]), head[2:4]
        self.order = order or ""
        if len(head) < 16 or order is None or magic not in (b"*\0", b"\0*", b"+\0", b"\0+"):
            raise BrokenImage("The TIFF file is damaged: it does not begin like one.")
        self.big = b"+" in magic
        self._start = self._unpack("Q", head[8:16]) if self.big else self._unpack("I", head[4:8])

    def _unpack(self, letter: str, data: bytes) -> int:
        if len(data) < struct.calcsize("=" + letter):
            raise BrokenImage("The TIFF file is damaged: a directory is cut off.")
        return int(struct.unpack(self.order + letter, data)[0])

    def pages(self) -> Iterator[Directory]:
        """Yield the chain of directories from the first one on, at most `MOST_DIRECTORIES`.

        Raises `BrokenImage` if one lies outside of the file, or the chain bites its tail.
        """
        offset, seen = self._start, set[int]()
        while offset and len(seen) < MOST_DIRECTORIES:
            if offset in seen:
                raise BrokenImage("The TIFF file is damaged: its directories go round in a circle.")
            seen.add(offset)
            directory, offset = self.read(offset)
            yield directory

    def read(self, offset: int) -> tuple[Directory, int]:
        """Return the directory at ``offset`` and where the next one begins (0 if there is none)."""
        count_size, entry_size, offset_letter = (8, 20, "Q") if self.big else (2, 12, "I")
        count = self._unpack("Q" if self.big else "H", self._blob.read(offset, count_size))
        if not 0 < count <= _MOST_TAGS:
            raise BrokenImage("The TIFF file is damaged: a directory has an impossible number of entries.")
        table = self._blob.read(offset + count_size, count * entry_size + struct.calcsize("=" + offset_letter))
        tags, tables = {}, {}
        for start in range(0, count * entry_size, entry_size):
            tag = self._unpack("H", table[start : start + 2])
            if tag in _WANTED:
                tags[tag] = self._values(table[start : start + entry_size])
            elif tag in _TABLES:
                tables[tag] = self._table(table[start : start + entry_size], offset + count_size + start)
        return Directory(offset, tags, tables), self._unpack(offset_letter, table[count * entry_size :])

    def _values(self, entry: bytes) -> tuple[int, ...]:
        kind = self._unpack("H", entry[2:4])
        count = self._unpack("Q" if self.big else "I", entry[4 : 12 if self.big else 8])
        place = entry[12:] if self.big else entry[8:]
        if kind not in _SIZES:
            return ()
        count = min(count, MOST_DIRECTORIES)
        length = count * _SIZES[kind]
        if length > len(place):
            place = self._blob.read(self._unpack("Q" if self.big else "I", place), length)
        if len(place) < length:
            raise BrokenImage("The TIFF file is damaged: a tag lies outside of the file.")
        return struct.unpack(f"{self.order}{count}{_LETTERS[kind]}", place[:length])

    def _table(self, entry: bytes, offset: int) -> Table:
        kind, letter, at = self._unpack("H", entry[2:4]), "Q" if self.big else "I", 12 if self.big else 8
        count = self._unpack(letter, entry[4:at])
        inline = count * _SIZES.get(kind, 1) <= len(entry) - at
        return Table(kind, count, offset + at if inline else self._unpack(letter, entry[at:]))

    def _numbers(self, table: Table, first: int, count: int) -> tuple[int, ...]:
        count = max(0, min(count, table.count - first))
        size = _SIZES.get(table.kind, 1)
        data = self._blob.read(table.offset + first * size, count * size)
        if table.kind not in _SIZES or len(data) < count * size:
            raise BrokenImage("The TIFF file is incomplete: a list of its tiles is cut off.")
        return struct.unpack(f"{self.order}{count}{_LETTERS[table.kind]}", data)

    def check_rows(self, directory: Directory, first: int, count: int) -> None:
        """Raise `BrokenImage` if tiles or strips of these rows lie beyond the end of the file.

        libtiff paints such tiles black.
        """
        tile = directory.tile
        offsets = directory.tables.get(_TILE_OFFSETS if tile else _STRIP_OFFSETS)
        sizes = directory.tables.get(_TILE_SIZES if tile else _STRIP_SIZES)
        if offsets is None or sizes is None:
            return
        high = tile[1] if tile else min(directory.first(_ROWS_PER_STRIP, directory.height) or 1, directory.height)
        across = -(-directory.width // tile[0]) if tile else 1
        top, bottom = first // high, (first + count - 1) // high
        of_a_plane = across * -(-directory.height // high)
        for plane in range(directory.samples if directory.first(_PLANES, 1) == 2 else 1):
            needed = (plane * of_a_plane + top * across, (bottom - top + 1) * across)
            places = zip(self._numbers(offsets, *needed), self._numbers(sizes, *needed), strict=True)
            if any(offset + size > self._blob.size for offset, size in places):
                raise BrokenImage("The TIFF file is incomplete: some of its tiles lie beyond its end.")

    def pointer(self, directory: Directory) -> tuple[bytes, int]:
        """Return the bytes that, put at the place returned with them, make ``directory`` the file's first."""
        return struct.pack(self.order + ("Q" if self.big else "I"), directory.offset), 8 if self.big else 4

    def find(self, level: Level) -> Directory:
        """Return a level's directory. Raises `BrokenImage` if the file has no such level."""
        pages = self.pages()
        page = next(pages, None)
        if level.subdirectory and page and level.locator < len(offsets := page.tags.get(_SUB_DIRECTORIES, ())):
            return self.read(offsets[level.locator])[0]
        for number, page in enumerate(pages, 1):
            if number == level.locator and not level.subdirectory:
                return page
        raise BrokenImage("The TIFF file is damaged: a smaller copy is missing.")

    def first(self) -> Directory:
        """Return the first directory. Raises `BrokenImage` if there is none."""
        page = next(self.pages(), None)
        if page is None or page.width < 1 or page.height < 1:
            raise BrokenImage("The TIFF file is damaged: its picture has no size.")
        return page


def probe(blob: Blob) -> ImageInfo:
    """Return size, nature and levels of a TIFF file's first picture.

    A page is a level only if it follows directly, says that it is a smaller copy, has as many samples, and is
    smaller by one whole number. Raises `BrokenImage`.
    """
    header = TiffHeader(blob)
    page = header.first()
    pages = islice(header.pages(), 1, None)
    bits = page.first(_BITS, 1)
    orientation = page.first(_ORIENTATION, 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    width, height = upright(orientation).size(page.width, page.height)
    return ImageInfo(
        width,
        height,
        "tif",
        color=page.color,
        alpha=page.alpha,
        bits=bits,
        orientation=orientation,
        tile=page.tile,
        levels=tuple(_levels(header, page, pages, orientation)),
    )


def _levels(header: TiffHeader, full: Directory, pages: Iterator[Directory], orientation: int) -> list[Level]:
    own = takewhile(lambda page: page.reduced or page.mask, pages)
    found = [(number, page, False) for number, page in enumerate(own, 1) if page.reduced]
    for number, offset in enumerate(full.tags.get(_SUB_DIRECTORIES, ())):
        found.append((number, header.read(offset)[0], True))
    levels = [
        Level(*upright(orientation).size(page.width, page.height), number, subdirectory)
        for number, page, subdirectory in found
        if page.samples == full.samples and factor_of(full.width, full.height, page.width, page.height)
    ]
    return sorted(levels, key=lambda level: -level.width * level.height)
