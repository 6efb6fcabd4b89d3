"""One color of a tiled picture whose planes lie apart, as a file of its own: libvips reads no others of that kind."""

from ..blob import Blob, clip
from ..errors import UnsupportedImage
from .page import (
    BITS,
    BLACK_IS_ZERO,
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    JPEG_TABLES,
    PHOTOMETRIC,
    PREDICTOR,
    SAMPLE_FORMAT,
    SAMPLES,
    TILE_HEIGHT,
    TILE_WIDTH,
    WIDTH,
    Page,
)

_KEPT = (WIDTH, HEIGHT, COMPRESSION, FILL_ORDER, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, JPEG_TABLES)
_ALIGNMENT = 8
_MOST_OF_CLASSIC = 1 << 32


class Plane(Blob):
    """Another Blob, a TIFF file, that begins with one plane of a picture in it: a gray picture of the same size.

    It is the same bytes but for the header, and for a directory behind their end.
    """

    def __init__(self, blob: Blob, page: Page, number: int) -> None:
        """Take plane ``number``, from 0, of a ``page`` of the file. Raises `BrokenImage` or `UnsupportedImage`."""
        directory, tiles = page.directory, page.columns * page.rows
        tiff = directory.tiff
        entries = directory.entries((*_KEPT, BITS, SAMPLE_FORMAT, *page.lists))
        entries |= {tag: tiff.part(entries[tag], number * tiles, tiles) for tag in page.lists if tag in entries}
        entries |= {tag: tiff.part(entries[tag], 0, 1) for tag in (BITS, SAMPLE_FORMAT) if tag in entries}
        entries |= {SAMPLES: tiff.short(1), PHOTOMETRIC: tiff.short(BLACK_IS_ZERO)}
        place = -(-blob.size // _ALIGNMENT) * _ALIGNMENT
        if not tiff.big and place >= _MOST_OF_CLASSIC:
            raise UnsupportedImage("The TIFF file is too large for planes that lie apart.")
        self._blob = blob
        self._first, self._first_at = tiff.beginning_with(place)
        self._tail = bytes(place - blob.size) + tiff.packed(entries)
        self.size = blob.size + len(self._tail)
        self.version = blob.version
        self.remote = blob.remote

    def read(self, offset: int, length: int) -> bytes:
        """Read through to the Blob underneath, and put what is different into it."""
        end = offset + clip(offset, length, self.size)
        data = self._blob.read(offset, max(0, min(end, self._blob.size) - offset))
        at, first = self._first_at, self._first
        if offset < at + len(first) and end > at:
            header = self._blob.read(0, at) + first
            data = header[offset:end] + data[max(0, len(header) - offset) :]
        if end > self._blob.size:
            data += self._tail[max(0, offset - self._blob.size) : end - self._blob.size]
        return data

    def unchanged(self) -> bool:
        """Ask the Blob underneath."""
        return self._blob.unchanged()
