"""A pyramid of 10 GB that takes little room: a BigTIFF whose file has holes, and a server that speaks S3 for it."""

import io
import os
import struct
from pathlib import Path

from between import Handler, Request
from PIL import Image

WIDTH, HEIGHT, TILE, LEVELS = 131_072, 98_304, 256, 10
SLOT = 40_000
"""Bytes from one tile to the next."""

_ENTRY = struct.Struct("<HHQQ")
_SHORT, _LONG, _LONG8 = 3, 4, 16


class SparsePyramid:
    """A file as libvips writes it: each level's tiles, then their places, then the directory. It is closed by `close`.

    Every tile has a size and a place; only some are written, in ``color``, and the others are zeros that take no room.
    """

    def __init__(self, path: Path, color: str = "navy") -> None:
        self._etag = f'"{color}-1250"'
        picture = Image.new("RGB", (TILE, TILE), color)
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=80, subsampling="4:2:0")
        self._jpeg = jpeg.getvalue()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        end = self._write(0, b"II+\0" + struct.pack("<HHQ", 8, 0, 0))
        pointer = 8
        for level in range(LEVELS):
            end, directory, following = self._level(end, 2**level)
            self._write(pointer, struct.pack("<Q", directory))
            pointer = following
        self.size = end

    def close(self) -> None:
        os.close(self._descriptor)

    def _level(self, start: int, factor: int) -> tuple[int, int, int]:
        """Write a level; return the end of it, its directory's offset, and where that says what comes next."""
        width, height = WIDTH // factor, HEIGHT // factor
        columns, rows = -(-width // TILE), -(-height // TILE)
        count = columns * rows
        for number in {0, columns // 4, columns // 2, rows // 2 * columns, count - 1}:
            self._write(start + number * SLOT, self._jpeg)
        offsets = start + count * SLOT
        lengths = self._write(offsets, struct.pack(f"<{count}Q", *range(start, offsets, SLOT)))
        directory = self._write(lengths, struct.pack("<I", len(self._jpeg)) * count)
        bits, subsampling = struct.pack("<HHHH", 8, 8, 8, 0), struct.pack("<HHHH", 2, 2, 0, 0)
        entries = [
            (254, _LONG, 1, int(factor > 1)),
            (256, _LONG, 1, width),
            (257, _LONG, 1, height),
            (258, _SHORT, 3, int.from_bytes(bits, "little")),
            (259, _SHORT, 1, 7),
            (262, _SHORT, 1, 6),
            (277, _SHORT, 1, 3),
            (284, _SHORT, 1, 1),
            (322, _LONG, 1, TILE),
            (323, _LONG, 1, TILE),
            (324, _LONG8, count, offsets if count > 1 else start),
            (325, _LONG, count, lengths if count > 2 else len(self._jpeg)),
            (530, _SHORT, 2, int.from_bytes(subsampling, "little")),
        ]
        data = struct.pack("<Q", len(entries)) + b"".join(_ENTRY.pack(*entry) for entry in entries)
        pointer = self._write(directory, data)
        return self._write(pointer, bytes(8)), directory, pointer

    def _write(self, offset: int, data: bytes) -> int:
        os.pwrite(self._descriptor, data, offset)
        return offset + len(data)

    def answer(self, handler: Handler, request: Request) -> bool:
        """Answer a GET of a part as S3 does."""
        if request.headers.get("if-match", self._etag) != self._etag:
            return handler.refuse(412, "PreconditionFailed")
        first, last = map(int, request.range.removeprefix("bytes=").split("-"))
        data = os.pread(self._descriptor, last + 1 - first, first)
        told = f"bytes {first}-{first + len(data) - 1}/{self.size}"
        headers = {"ETag": self._etag, "Content-Range": told, "Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
        return handler.reply(206, data, headers)
