"""The index of a tiled TIFF: the levels that it stores, and the stored tile that equals a plan."""

import msgspec

from ..blob import Blob
from ..errors import BrokenImage
from ..image_api.plan import Plan
from ..tiff import Page, Tiff, copies_of_first
from .level import StoredLevel, StoredTile
from .slicing import read_level

MOST_TILE_BYTES = 16 * 1024 * 1024
"""Bytes of one stored tile. A tile of 1024 x 1024 pixels has 3 MB before it is compressed."""


class PyramidIndex(msgspec.Struct, frozen=True):
    """What a tiled TIFF stores. Immutable: keep it for as long as the file's version is the same.

    ``width``, ``height`` and ``tile`` are in pixels, as stored, before ``orientation`` (1 to 8) is applied. ``levels``
    begins with the full picture, largest first. ``qualities`` are those that the stored tiles have; it is empty if no
    tile can be handed out as it is.
    """

    width: int
    height: int
    orientation: int
    tile: tuple[int, int]
    levels: tuple[StoredLevel, ...]
    qualities: frozenset[str]

    @property
    def weight(self) -> int:
        """About how many bytes of memory the index takes."""
        return 2048 + sum(
            1024
            + len(level.offsets) * level.offsets.itemsize
            + len(level.lengths) * level.lengths.itemsize
            + (len(level.tables.beginning) if level.tables else 0)
            for level in self.levels
        )

    def find(self, plan: Plan) -> StoredTile | None:
        """Return the stored JPEG tile that is exactly this plan's picture; None if it has to be rendered."""
        side = self.tile[0]
        if plan.width != side or plan.height != side or plan.format != "jpg" or plan.quality not in self.qualities:
            return None
        if plan.mirror or plan.degrees:
            return None
        region = plan.region
        for position, level in enumerate(self.levels):
            span = side * level.factor
            column, past_column = divmod(region.x, span)
            row, past_row = divmod(region.y, span)
            if (
                not past_column
                and not past_row
                and region.width == min(span, self.width - region.x)
                and region.height == min(span, self.height - region.y)
                and (column + 1) * side <= level.width
                and (row + 1) * side <= level.height
                and level.tables is not None
            ):
                number = row * level.columns + column
                length = level.lengths[number]
                return StoredTile(position, column, row, level.offsets[number], length) if length else None
        return None


def read_index(blob: Blob) -> PyramidIndex | None:
    """Read the directories of a TIFF file; None if the file is none, or its full picture is not tiled.

    Takes one read for the header and about one for each level, and two more for each level of very many tiles. Raises
    `BrokenImage` for directories that are truncated, contradict themselves or run in circles, and what
    ``blob.read`` raises.
    """
    tiff = Tiff.open(blob)
    full = Page(tiff.directory(tiff.first), 0) if tiff else None
    if full is None or full.tile is None:
        return None
    pages = [(1, full), *((factor, page) for factor, page in copies_of_first(full) if page.tile)]
    levels = tuple(read_level(page, full, factor) for factor, page in pages)
    qualities = ("color", "gray") if full.gray else ("color",)
    return PyramidIndex(
        width=full.width,
        height=full.height,
        orientation=full.orientation,
        tile=full.tile,
        levels=levels,
        qualities=frozenset(qualities if any(level.sliceable for level in levels) else ()),
    )


def slice_tile(index: PyramidIndex, tile: StoredTile, blob: Blob) -> bytes:
    """Return a stored tile as a complete JPEG file, not decoded, with one read of the Blob that was indexed.

    Raises `BrokenImage` if the tile is truncated, outside the file, or not what its directory says;
    `UnsupportedImage` if it is a sound JPEG that browsers do not show, so that it has to be rendered; and what
    ``blob.read`` raises.
    """
    tables = index.levels[tile.level].tables
    if tables is None:
        raise ValueError("this level's tiles cannot be handed out as they are")
    if tile.length > MOST_TILE_BYTES or tile.offset + tile.length > blob.size:
        raise BrokenImage("The TIFF file is truncated or malformed: a stored tile does not lie in it.")
    data = blob.read(tile.offset, tile.length)
    if len(data) != tile.length:
        raise BrokenImage("The file became shorter while it was read.")
    return tables.complete(data)
