"""One picture of a TIFF file, as its directory describes it."""

from functools import cached_property

from ..errors import BrokenImage
from ..icc import is_srgb
from .directory import Directory

MOST_TILES = 1 << 24
"""Tiles of one picture. 256 pixels wide and high, that many show a picture of a million by a million pixels."""
MOST_SAMPLES = 4096
MOST_PROFILE_BYTES = 64 * 1024
COMPARED_PROFILE_BYTES = 4096

SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, PREDICTOR = 266, 317
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_LENGTHS, PLANAR = 273, 274, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS, SUBDIRECTORIES = 322, 323, 324, 325, 330
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, PROFILE = 338, 339, 347, 34675

BLACK_IS_ZERO, RGB, CMYK, YCBCR = 1, 2, 5, 6
"""What samples mean (PhotometricInterpretation)."""

PLANES_APART = 2
UNSIGNED = 1

_WHITE_IS_ZERO = 0
_CHECKED_AT_ONCE = 1 << 16
_OPACITIES = frozenset((1, 2))


class Page:
    """One picture, tiled or in strips. Lives while a file is looked at.

    ``width`` and ``height`` are in pixels, as stored; ``tile`` is the size of its tiles, if it has any. ``locator`` is
    the page in the file, or its number among the first page's sub-directories if ``subdirectory``. Raises `BrokenImage`
    if its directory contradicts itself.
    """

    def __init__(self, directory: Directory, locator: int, subdirectory: bool = False) -> None:
        self.directory = directory
        self.locator = locator
        self.subdirectory = subdirectory
        self.width, self.height = directory.number(WIDTH), directory.number(HEIGHT)
        self.tile: tuple[int, int] | None = None
        if TILE_WIDTH in directory and TILE_HEIGHT in directory:
            self.tile = directory.number(TILE_WIDTH), directory.number(TILE_HEIGHT)
        if min(self.width, self.height, *(self.tile or ())) < 1:
            raise BrokenImage("The TIFF file is malformed: a picture or its tiles have no pixels.")
        self.samples = directory.number(SAMPLES, 1)
        self.planar = directory.number(PLANAR, 1)
        self.bits = directory.numbers(BITS, MOST_SAMPLES) or [1]
        self.formats = set(directory.numbers(SAMPLE_FORMAT, MOST_SAMPLES)) or {UNSIGNED}
        self.photometric = directory.number(PHOTOMETRIC, -1)
        self._orientation = directory.number(ORIENTATION, 1)
        self._lists = (STRIP_OFFSETS, STRIP_LENGTHS)
        if self.tile:
            self._check_tiles()

    def _check_tiles(self) -> None:
        tiles = self.columns * self.rows * (self.samples if self.planar == PLANES_APART else 1)
        if tiles > MOST_TILES:
            raise BrokenImage(f"The TIFF file says that it has {tiles} tiles; more than {MOST_TILES} are refused.")
        directory = self.directory
        self._lists = (
            TILE_OFFSETS if TILE_OFFSETS in directory else STRIP_OFFSETS,
            TILE_LENGTHS if TILE_LENGTHS in directory else STRIP_LENGTHS,
        )
        if directory.count(self._lists[0]) != tiles or directory.count(self._lists[1]) not in (0, tiles):
            raise BrokenImage(f"The TIFF file is malformed: its lists of tiles do not have {tiles} entries.")

    @property
    def lists(self) -> tuple[int, int]:
        """The tags that tell where its tiles or strips begin, and how many bytes they have."""
        return self._lists

    @property
    def columns(self) -> int:
        """How many tiles are side by side; a strip is as wide as the picture."""
        return -(-self.width // self.tile[0]) if self.tile else 1

    @property
    def rows(self) -> int:
        """How many tiles or strips are below each other."""
        return -(-self.height // self._rows_of_a_tile)

    @property
    def _rows_of_a_tile(self) -> int:
        if self.tile:
            return self.tile[1]
        return min(self.directory.number(ROWS_PER_STRIP, self.height) or 1, self.height)

    @property
    def planes_apart(self) -> bool:
        """Whether it has tiles of one color each: first all of the first, then all of the next."""
        return self.tile is not None and self.samples > 1 and self.planar == PLANES_APART

    @property
    def orientation(self) -> int:
        """How the picture is turned, 1 to 8."""
        return self._orientation if 1 <= self._orientation <= 8 else 1

    @property
    def gray(self) -> bool:
        """Whether the picture has one sample a pixel."""
        return self.samples == 1

    @property
    def color(self) -> bool:
        """False for gray and bitonal pictures."""
        return self.photometric not in (-1, _WHITE_IS_ZERO, BLACK_IS_ZERO)

    @property
    def alpha(self) -> bool:
        """Whether a sample of a pixel is its opacity."""
        return not _OPACITIES.isdisjoint(self.directory.numbers(EXTRA_SAMPLES, MOST_SAMPLES))

    @property
    def plain(self) -> bool:
        """Whether the samples can be shown as they are: not turned, and sRGB or without a profile."""
        return self._orientation == 1 and self._standard

    @cached_property
    def _standard(self) -> bool:
        if PROFILE not in self.directory:
            return True
        data = self.directory.data(PROFILE, MOST_PROFILE_BYTES) if self.samples == 3 else None
        return data is not None and is_srgb(data)

    @cached_property
    def _profile(self) -> tuple[int, bytes]:
        return self.directory.count(PROFILE), self.directory.beginning(PROFILE, COMPARED_PROFILE_BYTES)

    def resembles(self, full: "Page") -> bool:
        """Return whether the samples mean the same as those of ``full``.

        Other colors, another depth or another orientation would show when this picture stands in for it.
        """
        return (
            self.samples == full.samples
            and set(self.bits) == set(full.bits)
            and self.formats == full.formats
            and self._colors == full._colors
            and (self._orientation == full._orientation or ORIENTATION not in self.directory)
            and (self._profile == full._profile or (self._standard and full._standard))
        )

    @property
    def _colors(self) -> int:
        return RGB if self.photometric == YCBCR else self.photometric

    def check_rows(self, first: int, count: int) -> None:
        """Raise `BrokenImage` if tiles or strips of these rows of pixels lie beyond the end of the file.

        libtiff paints such tiles black.
        """
        if any(tag not in self.directory for tag in self._lists):
            return
        high, columns = self._rows_of_a_tile, self.columns
        top, bottom = first // high, (first + count - 1) // high
        for plane in range(self.samples if self.planar == PLANES_APART else 1):
            start = (plane * self.rows + top) * columns
            end = start + (bottom - top + 1) * columns
            for part in range(start, end, _CHECKED_AT_ONCE):
                self._check_places(part, min(_CHECKED_AT_ONCE, end - part))

    def _check_places(self, first: int, count: int) -> None:
        offsets, lengths = (self.directory.numbers_from(tag, first, count) for tag in self._lists)
        size = self.directory.tiff.size
        if any(offset + length > size for offset, length in zip(offsets, lengths, strict=False)):
            raise BrokenImage("The TIFF file is incomplete: some of its tiles lie beyond its end.")
