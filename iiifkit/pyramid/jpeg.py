"""JPEG streams: shared tables and an abbreviated tile, put together to a complete file without decoding."""

import struct
from collections.abc import Iterator

import msgspec

from ..errors import BrokenImage, UnsupportedImage

GRAY, RGB, YCBCR = None, 0, 1
"""The transform of an Adobe segment, which tells every decoder what three components mean; gray needs none."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_HUFFMAN, _END_OF_IMAGE, _SCAN, _QUANTIZATION, _RESTART = 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
_TABLES = frozenset({_HUFFMAN, _QUANTIZATION})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_HUFFMAN, 0xC8, 0xCC}
_DISPLAYABLE = frozenset({0xC0, 0xC1, 0xC2})


class SharedTables(msgspec.Struct, frozen=True):
    """What the JPEG tiles of one level have in common.

    ``beginning`` is what each complete file begins with: start of image, Adobe segment, tables. ``markers`` tells which
    kinds of tables it has. ``frame`` is the start of each frame header: 8 bits, height, width, number of components.
    """

    beginning: bytes
    markers: frozenset[int]
    frame: bytes

    @classmethod
    def read(cls, tables: bytes, side: int, transform: int | None) -> "SharedTables":
        """Read the value of TIFF's tag JPEGTables (it may be empty) for tiles of ``side`` x ``side`` pixels.

        Of it only the quantization and Huffman tables count: decoders forget all else at the next start of image.
        Raises `BrokenImage`.
        """
        segments = list(_segments(tables)) if tables else []
        kept = [tables[start:end] for marker, start, end in segments if marker in _TABLES]
        adobe = b"" if transform is None else b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes((transform,))
        frame = struct.pack(">BHHB", 8, side, side, 1 if transform is None else 3)
        markers = frozenset(marker for marker, _, _ in segments) & _TABLES
        return cls(b"".join((_START, adobe, *kept)), markers, frame)

    @property
    def gray(self) -> bool:
        """Whether the tiles have one component."""
        return self.frame[-1] == 1

    def complete(self, tile: bytes) -> bytes:
        """Return a stored tile as a complete JPEG file.

        Application segments and comments are dropped: a JFIF segment makes decoders take RGB for YCbCr, others turn the
        picture or change its colors. Raises `BrokenImage` if the tile is truncated or of another size or number of
        components, and `UnsupportedImage` if it is sound, but of a kind that browsers do not show.
        """
        parts, markers = [self.beginning], set(self.markers)
        for marker, start, end in _segments(tile):
            if marker in _FRAMES:
                self._check_frame(marker, tile[start + 4 : end], markers)
            if marker in _FRAMES or marker in _TABLES or marker == _RESTART:
                markers.add(marker)
                parts.append(tile[start:end])
            elif marker == _SCAN:
                self._check_kinds(markers)
                parts.append(_scans(tile, start, end))
                return b"".join(parts)
        raise BrokenImage("A stored tile is malformed: it has no scan.")

    def _check_frame(self, marker: int, header: bytes, seen: set[int]) -> None:
        if not seen.isdisjoint(_FRAMES):
            raise BrokenImage("A stored tile is malformed: it has two frame headers.")
        if marker not in _DISPLAYABLE or header[:1] != self.frame[:1]:
            raise UnsupportedImage("A stored tile is a JPEG of a kind that browsers do not show.")
        if header[:6] != self.frame or len(header) != 6 + 3 * header[5]:
            raise BrokenImage("A stored tile is malformed: it is not of the size or kind that its directory says.")

    def _check_kinds(self, seen: set[int]) -> None:
        if seen.isdisjoint(_FRAMES):
            raise BrokenImage("A stored tile is malformed: it has no frame header.")
        if not seen >= _TABLES:
            raise UnsupportedImage("A stored tile is a JPEG without tables, which browsers do not show.")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment from the start of image to the first scan's header or the end."""
    if not data.startswith(_START):
        raise BrokenImage("A stored tile is malformed: it is not a JPEG.")
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _END_OF_IMAGE:
            return
        end = position + 2 + (data[position + 2] << 8 | data[position + 3])
        if end < position + 4 or end > len(data):
            break
        yield marker, position, end
        if marker == _SCAN:
            return
        position = end
    if not data.startswith(_END, position):
        raise BrokenImage("A stored tile is truncated or malformed: its segments do not fit together.")


def _scans(data: bytes, start: int, end: int) -> bytes:
    """Return all from the first scan's header to the end of image; what was stored behind it is padding."""
    if data.endswith(_END) and len(data) >= end + 2:
        return data[start:]
    last = data.rfind(_END, end)
    if last < 0:
        raise BrokenImage("A stored tile is truncated: its end is missing.")
    return data[start : last + 2]
