"""One tiled picture of a TIFF file, as its directory describes it, and which pictures are copies of the first."""

from array import array
from collections.abc import Iterator
from functools import cached_property

from ..errors import BrokenImage
from .directory import Directory, Tiff
from .jpeg import GRAY, RGB, YCBCR, SharedTables
from .level import StoredLevel
from .profile import is_srgb

MOST_DIRECTORIES = 64
MOST_TILES = 1 << 24
"""Tiles of one picture. 256 pixels wide and high, that many show a picture of a million by a million pixels."""
MOST_SLICED_TILES = 1 << 20
"""Tiles of a level whose places are kept in memory (up to 16 bytes each); larger levels are rendered."""
MOST_SAMPLES = 4096
MOST_TABLE_BYTES = 64 * 1024
MOST_PROFILE_BYTES = 64 * 1024
COMPARED_PROFILE_BYTES = 4096
TILE_SIDES = range(128, 1025, 16)

SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_LENGTHS, PLANAR = 273, 274, 277, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS, SUBDIRECTORIES = 322, 323, 324, 325, 330
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, PROFILE = 338, 339, 347, 34675

_REDUCED, _MASK = 1, 4
_JPEG = 7
_PLANES_APART = 2
_UNSIGNED = 1
_BLACK_IS_ZERO, _RGB, _YCBCR = 1, 2, 6
_TRANSFORMS = {(_BLACK_IS_ZERO, 1): GRAY, (_RGB, 3): RGB, (_YCBCR, 3): YCBCR}


class Page:
    """One tiled picture. Lives while an index is made. Raises `BrokenImage` if its directory contradicts itself."""

    def __init__(self, directory: Directory, locator: int, subdirectory: bool) -> None:
        self._directory = directory
        self._locator = locator
        self._subdirectory = subdirectory
        self.width, self.height = directory.number(WIDTH), directory.number(HEIGHT)
        self.tile = directory.number(TILE_WIDTH), directory.number(TILE_HEIGHT)
        if min(self.width, self.height, *self.tile) < 1:
            raise BrokenImage("The TIFF file is malformed: a picture or its tiles have no pixels.")
        self.samples = directory.number(SAMPLES, 1)
        self._planar = directory.number(PLANAR, 1)
        self._columns, self._rows = -(-self.width // self.tile[0]), -(-self.height // self.tile[1])
        tiles = self._columns * self._rows * (self.samples if self._planar == _PLANES_APART else 1)
        if tiles > MOST_TILES:
            raise BrokenImage(f"The TIFF file says that it has {tiles} tiles; more than {MOST_TILES} are refused.")
        self._offsets = TILE_OFFSETS if TILE_OFFSETS in directory else STRIP_OFFSETS
        self._lengths = TILE_LENGTHS if TILE_LENGTHS in directory else STRIP_LENGTHS
        if directory.count(self._offsets) != tiles or directory.count(self._lengths) not in (0, tiles):
            raise BrokenImage(f"The TIFF file is malformed: its lists of tiles do not have {tiles} entries.")
        self._orientation = directory.number(ORIENTATION, 1)
        self._bits = set(directory.numbers(BITS, MOST_SAMPLES)) or {1}
        self._formats = set(directory.numbers(SAMPLE_FORMAT, MOST_SAMPLES)) or {_UNSIGNED}
        self._photometric = directory.number(PHOTOMETRIC, -1)
        self._profile = directory.count(PROFILE), directory.beginning(PROFILE, COMPARED_PROFILE_BYTES)

    @property
    def orientation(self) -> int:
        """How the picture is turned, 1 to 8."""
        return self._orientation if 1 <= self._orientation <= 8 else 1

    @property
    def gray(self) -> bool:
        """Whether the picture has one sample a pixel."""
        return self.samples == 1

    def plain(self) -> bool:
        """Return whether the samples can be shown as they are: not turned, and sRGB or without a profile."""
        return self._orientation == 1 and self._standard

    @cached_property
    def _standard(self) -> bool:
        if PROFILE not in self._directory:
            return True
        data = self._directory.data(PROFILE, MOST_PROFILE_BYTES) if self.samples == 3 else None
        return data is not None and is_srgb(data)

    def copies(self, full: "Page") -> int | None:
        """Return how many times smaller this picture is than ``full``, if it is a faithful copy of it; else None.

        Colors that mean something else, another depth or another orientation would show when it stands in for it.
        """
        same = (
            self.samples == full.samples
            and self._bits == full._bits
            and self._formats == full._formats
            and self._colors() == full._colors()
            and (self._orientation == full._orientation or ORIENTATION not in self._directory)
            and (self._profile == full._profile or (self._standard and full._standard))
        )
        return scale_factor((full.width, full.height), (self.width, self.height)) if same else None

    def _colors(self) -> int:
        return _RGB if self._photometric == _YCBCR else self._photometric

    def level(self, full: "Page", factor: int) -> StoredLevel:
        """Return what the index keeps of this picture, ``factor`` times smaller than ``full``. Raises `BrokenImage`."""
        tables, offsets, lengths = None, array("B"), array("B")
        if self.tile == full.tile and full.plain() and self.plain() and self._sliceable():
            tables = SharedTables.read(self._tables(), self.tile[0], _TRANSFORMS[self._photometric, self.samples])
            offsets = self._directory.numbers(self._offsets, MOST_SLICED_TILES)
            lengths = self._directory.numbers(self._lengths, MOST_SLICED_TILES)
        return StoredLevel(
            width=self.width,
            height=self.height,
            factor=factor,
            tile=self.tile,
            columns=self._columns,
            rows=self._rows,
            locator=self._locator,
            subdirectory=self._subdirectory,
            tables=tables,
            offsets=offsets,
            lengths=lengths,
        )

    def _tables(self) -> bytes:
        tables = self._directory.data(JPEG_TABLES, MOST_TABLE_BYTES)
        if tables is None and JPEG_TABLES in self._directory:
            raise BrokenImage("The TIFF file is malformed: its JPEG tables are not bytes, or too many.")
        return tables or b""

    def _sliceable(self) -> bool:
        return (
            self._directory.number(COMPRESSION, 1) == _JPEG
            and self._planar == 1
            and self._bits == {8}
            and self._formats == {_UNSIGNED}
            and (self._photometric, self.samples) in _TRANSFORMS
            and EXTRA_SAMPLES not in self._directory
            and self.tile[0] == self.tile[1]
            and self.tile[0] in TILE_SIDES
            and self._columns * self._rows <= MOST_SLICED_TILES
            and self._directory.count(self._lengths) > 0
        )


def scale_factor(full: tuple[int, int], copy: tuple[int, int]) -> int | None:
    """Return the factor s, at least 2, for which the copy's sides are floor or ceil of the full sides divided by s.

    A power of two is preferred where several fit; None if none does.
    """
    sides = list(zip(full, copy, strict=True))
    low = max(2, *(side // (small + 1) + 1 for side, small in sides))
    high = min((side - 1) // (small - 1) if small > 1 else max(full) for side, small in sides)
    if low > high:
        return None
    power = 1 << (low - 1).bit_length()
    return power if power <= high else min(max((2 * full[0] + copy[0]) // (2 * copy[0]), low), high)


def read_pages(tiff: Tiff) -> list[tuple[int, Page]]:
    """Return the first picture of a file and its smaller copies, each with its scale factor, largest first.

    Nothing is returned if the first picture is not tiled. Smaller copies are its sub-directories, and the reduced
    pictures that follow it; the first page that is another picture ends the search. Raises `BrokenImage`.
    """
    first = tiff.directory(tiff.first)
    if not _tiled(first):
        return []
    full = Page(first, 0, subdirectory=False)
    copies: dict[int, Page] = {}
    for page in _reduced(tiff, first):
        factor = page.copies(full)
        if factor is not None:
            copies.setdefault(factor, page)
    return [(1, full), *sorted(copies.items())]


def _tiled(directory: Directory) -> bool:
    return TILE_WIDTH in directory and TILE_HEIGHT in directory


def _reduced(tiff: Tiff, first: Directory) -> Iterator[Page]:
    for number, offset in enumerate(first.numbers(SUBDIRECTORIES, MOST_DIRECTORIES)):
        directory = tiff.directory(offset)
        if _tiled(directory):
            yield Page(directory, number, subdirectory=True)
    seen = {tiff.first}
    offset = first.next
    while offset:
        if offset in seen or len(seen) == MOST_DIRECTORIES:
            raise BrokenImage("The TIFF file is malformed: its directories run in circles, or there are too many.")
        number = len(seen)
        seen.add(offset)
        directory = tiff.directory(offset)
        kind = directory.number(SUBFILE_TYPE)
        if not kind & (_REDUCED | _MASK):
            return
        if not kind & _MASK and _tiled(directory):
            yield Page(directory, number, subdirectory=False)
        offset = directory.next
