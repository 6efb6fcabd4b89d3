"""Which tiles of a TIFF file can be handed out as they are, and where their bytes lie."""

from array import array

from ..errors import BrokenImage
from ..tiff.page import (
    BLACK_IS_ZERO,
    COMPRESSION,
    EXTRA_SAMPLES,
    JPEG_TABLES,
    RGB,
    UNSIGNED,
    YCBCR,
    Page,
)
from . import jpeg
from .jpeg import SharedTables
from .level import StoredLevel

MOST_SLICED_TILES = 1 << 20
"""Tiles of a level whose places are kept in memory (up to 16 bytes each); larger levels are rendered."""
MOST_TABLE_BYTES = 64 * 1024
TILE_SIDES = range(128, 1025, 16)

_JPEG = 7
_TRANSFORMS = {(BLACK_IS_ZERO, 1): jpeg.GRAY, (RGB, 3): jpeg.RGB, (YCBCR, 3): jpeg.YCBCR}


def read_level(page: Page, full: Page, factor: int) -> StoredLevel:
    """Return what an index keeps of a tiled picture that is ``factor`` times smaller than ``full``.

    Raises `BrokenImage`.
    """
    if page.tile is None:
        raise ValueError("a level has tiles")
    tables, offsets, lengths = None, array("B"), array("B")
    if page.tile == full.tile and full.plain and page.plain and _sliceable(page, page.tile):
        tables = SharedTables.read(_tables(page), page.tile[0], _TRANSFORMS[page.photometric, page.samples])
        offsets, lengths = (page.directory.numbers(tag, MOST_SLICED_TILES) for tag in page.lists)
    return StoredLevel(
        width=page.width,
        height=page.height,
        factor=factor,
        tile=page.tile,
        columns=page.columns,
        rows=page.rows,
        locator=page.locator,
        subdirectory=page.subdirectory,
        tables=tables,
        offsets=offsets,
        lengths=lengths,
    )


def _tables(page: Page) -> bytes:
    tables = page.directory.data(JPEG_TABLES, MOST_TABLE_BYTES)
    if tables is None and JPEG_TABLES in page.directory:
        raise BrokenImage("The TIFF file is malformed: its JPEG tables are not bytes, or too many.")
    return tables or b""


def _sliceable(page: Page, tile: tuple[int, int]) -> bool:
    return (
        page.directory.number(COMPRESSION, 1) == _JPEG
        and page.planar == 1
        and set(page.bits) == {8}
        and page.formats == {UNSIGNED}
        and (page.photometric, page.samples) in _TRANSFORMS
        and EXTRA_SAMPLES not in page.directory
        and tile[0] == tile[1]
        and tile[0] in TILE_SIDES
        and page.columns * page.rows <= MOST_SLICED_TILES
        and page.directory.count(page.lists[1]) > 0
    )
