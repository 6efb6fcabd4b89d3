"""Opening a Blob with Pillow, and turning whatever it raises on hostile files into our errors."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..blob import Blob, Buffered, file_version
from ..contracts import Work
from ..errors import BrokenImage, IIIFKitError, Stopped, UnsupportedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

NEEDS = {"jpg": "jpg", "png": "zlib", "tif": "libtiff", "webp": "webp", "avif": "avif", "jp2": "jpg_2000"}
"""The library behind each format; GIF needs none."""

_HOSTILE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError),
    *(EOFError, NotImplementedError, RecursionError, RuntimeError, struct.error, zlib.error),
)
"""What Pillow's plugins raise on malformed files, as found in their sources."""


@contextmanager
def told(work: Work) -> Iterator[None]:
    """Turn Pillow's errors into `BrokenImage`, and begin nothing if the work was stopped."""
    check(work)
    try:
        yield
    except IIIFKitError:
        raise
    except _HOSTILE as failure:
        raise BrokenImage("The image file is damaged or incomplete, so no picture can be made of it.") from failure


def check(work: Work) -> None:
    """Raise `Stopped` if nobody waits for the picture any more."""
    if work.stopped():
        raise Stopped("The picture is not needed any more.")


class BlobFile(io.RawIOBase):
    """A Blob as a file, for as long as one picture is read.

    A local file is also handed over by descriptor, which libtiff reads by itself. ``directory`` makes a TIFF file
    begin with another of its directories.
    """

    def __init__(self, blob: Blob, directory: bytes = b"", directory_at: int = 0) -> None:
        self._blob = Buffered(blob) if blob.remote and not isinstance(blob, Buffered) else blob
        self._position = 0
        self._patch, self._patch_at = directory, directory_at
        self._descriptor = _same_file(blob)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the local file. Raises `OSError` if there is none."""
        if self._descriptor is None:
            raise OSError("not a local file")
        return self._descriptor

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, not before the beginning."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._blob.size}[whence]
        if start + offset < 0:
            raise OSError("a position before the beginning")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read from the position on."""
        left = max(0, self._blob.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._blob.read(self._position, wanted) if wanted else b""
        data = self._patched(data)
        self._position += len(data)
        return data

    def _patched(self, data: bytes) -> bytes:
        start = self._patch_at - self._position
        if not self._patch or start + len(self._patch) <= 0 or start >= len(data):
            return data
        patched = bytearray(data)
        for at, byte in enumerate(self._patch, start):
            if 0 <= at < len(patched):
                patched[at] = byte
        return bytes(patched)

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the descriptor; the Blob is the caller's."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        super().close()


def _same_file(blob: Blob) -> int | None:
    """Open the Blob's local file once more; None if there is none, or another by that name meanwhile."""
    if blob.path is None or blob.remote:
        return None
    try:
        descriptor = os.open(blob.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    if file_version(os.fstat(descriptor)) == blob.version:
        return descriptor
    os.close(descriptor)
    return None


def open_image(file: BlobFile, format: str) -> "ImageFile":
    """Open an image whose format is known; only that format's plugin sees the bytes.

    Raises `UnsupportedImage`, or whatever the plugin raises on a malformed file: call it within `told`.
    """
    from PIL import features

    if format in NEEDS and not features.check(NEEDS[format]):
        raise UnsupportedImage(f"Pillow cannot read the format {format} here.")
    plugin = _plugins().get(format)
    if plugin is None:
        raise UnsupportedImage(f"Pillow cannot read the format {format}.")
    image: ImageFile = plugin(file)
    return image


def _plugins() -> dict[str, Any]:
    from PIL import (
        AvifImagePlugin,
        GifImagePlugin,
        Jpeg2KImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "jpg": JpegImagePlugin.JpegImageFile,
        "png": PngImagePlugin.PngImageFile,
        "tif": TiffImagePlugin.TiffImageFile,
        "gif": GifImagePlugin.GifImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
        "avif": AvifImagePlugin.AvifImageFile,
        "jp2": Jpeg2KImagePlugin.Jpeg2KImageFile,
    }
