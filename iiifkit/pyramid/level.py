"""One stored size of the picture: its grid of tiles, and one tile of it."""

from array import array

import msgspec

from .jpeg import SharedTables


class StoredLevel(msgspec.Struct, frozen=True):
    """A copy of the picture, ``factor`` times smaller (1: the full picture), cut into tiles of ``tile`` pixels.

    Sizes are in pixels, as stored. ``columns`` and ``rows`` count tiles, those at the right and the bottom edge padded.
    ``locator`` is the page in the file, or its number among the first page's sub-directories if ``subdirectory``.
    ``tables`` is None if its tiles cannot be handed out as they are; ``offsets`` and ``lengths`` are empty then, else
    they tell the bytes of each tile, row by row.
    """

    width: int
    height: int
    factor: int
    tile: tuple[int, int]
    columns: int
    rows: int
    locator: int
    subdirectory: bool
    tables: SharedTables | None = None
    offsets: "array[int]" = msgspec.field(default_factory=lambda: array("B"))
    lengths: "array[int]" = msgspec.field(default_factory=lambda: array("B"))

    @property
    def sliceable(self) -> bool:
        """Whether stored tiles of this level can be handed out as JPEG files."""
        return self.tables is not None


class StoredTile(msgspec.Struct, frozen=True):
    """One stored JPEG tile: its place in the grid of a level (a position in the index), and its bytes in the file."""

    level: int
    column: int
    row: int
    offset: int
    length: int
