"""A tiled TIFF whose directories have been read: still a Blob, and one that knows its stored tiles."""

from ..blob import Blob, Buffered
from ..image_api.image import Level
from .index import PyramidIndex, slice_tile
from .level import StoredLevel, StoredTile


class Pyramid(Blob):
    """Another Blob, ``blob``, with its ``index``. Engines that do not know this class read it like any file."""

    def __init__(self, blob: Blob, index: PyramidIndex) -> None:
        self.blob = blob
        self.index = index
        self.size = blob.size
        self.version = blob.version
        self.modified = blob.modified
        self.path = blob.path
        self.remote = blob.remote
        self._tiles = Buffered(blob) if blob.remote and not isinstance(blob, Buffered) else blob

    def read(self, offset: int, length: int) -> bytes:
        """Read from the Blob underneath."""
        return self.blob.read(offset, length)

    def read_all(self) -> bytes:
        """Return all bytes of the Blob underneath."""
        return self.blob.read_all()

    def unchanged(self) -> bool:
        """Ask the Blob underneath."""
        return self.blob.unchanged()

    def close(self) -> None:
        """Close the Blob underneath."""
        self.blob.close()

    def level(self, level: Level | None) -> tuple[int, StoredLevel] | None:
        """Return where a copy, or the full picture for None, is in the index; None if it is not there."""
        wanted = (level.locator, level.subdirectory) if level else (0, False)
        for position, stored in enumerate(self.index.levels):
            if (stored.locator, stored.subdirectory) == wanted:
                return position, stored
        return None

    def tile(self, position: int, column: int, row: int) -> bytes | None:
        """Return a stored tile as a complete JPEG file; None if it is empty. Raises what `slice_tile` raises."""
        level = self.index.levels[position]
        number = row * level.columns + column
        length = level.lengths[number]
        if not length:
            return None
        return slice_tile(self.index, StoredTile(position, column, row, level.offsets[number], length), self._tiles)
