"""Opening a Blob with libvips: which way the bytes go in, and whose error counts when something breaks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..blob import Blob, Buffered, file_version
from ..contracts import Work
from ..errors import BrokenImage, IIIFKitError, Stopped, UnsupportedImage
from .vips_memory import MOST_OF_A_FILE

LOADERS = {
    "jpg": "jpegload",
    "png": "pngload",
    "webp": "webpload",
    "tif": "tiffload",
    "gif": "gifload",
    "avif": "heifload",
    "jp2": "jp2kload",
}

_FAIL_ON = {"tif": "error"}
"""What is an error besides a file that ends early; libvips does not count short strips as such."""


class Reads:
    """The reads that libvips asks for, one after the other, and the first error that they raised."""

    def __init__(self, blob: Blob) -> None:
        self._blob = Buffered(blob) if blob.remote and not isinstance(blob, Buffered) else blob
        self._position = 0
        self.error: Exception | None = None

    def read(self, length: int) -> bytes | None:
        """Return up to ``length`` bytes; None at the end, or once a read has failed."""
        if self.error:
            return None
        try:
            data = self._blob.read(self._position, length)
        except IIIFKitError as error:
            self.error = error
            return None
        except Exception as error:
            self.error = BrokenImage("The image file could not be read.")
            self.error.__cause__ = error
            return None
        self._position += len(data)
        return data or None

    def seek(self, offset: int, whence: int) -> int:
        """Move within the Blob and return the position; -1 if it would be outside."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._blob.size}[whence]
        if not 0 <= start + offset <= self._blob.size:
            return -1
        self._position = start + offset
        return self._position


class Trouble:
    """What went wrong outside of libvips while it worked: the first error of a read, or a wish to stop.

    It also keeps the sources and their bytes alive: libvips calls back into them, and does not hold them.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self._reads: list[Reads] = []
        self._held: list[Any] = []
        self._file: Blob | None = None
        self._killed = False

    @property
    def error(self) -> Exception | None:
        """What the first failed read raised."""
        return next((reads.error for reads in self._reads if reads.error), None)

    def memory_source(self, data: bytes) -> Any:
        """Return a source of bytes, which are not copied."""
        import pyvips

        source = pyvips.Source.new_from_memory(data)
        self._held += (data, source)
        return source

    def custom_source(self, blob: Blob) -> Any:
        """Return a source that asks the Blob for every read."""
        import pyvips

        reads, source = Reads(blob), pyvips.SourceCustom()
        source.on_read(reads.read)
        source.on_seek(reads.seek)
        self._reads.append(reads)
        self._held.append(source)
        return source

    def descriptor_source(self, blob: Blob) -> Any | None:
        """Return a source that reads the local file by itself; None if there is none, or another by its name now."""
        import pyvips

        if blob.path is None or blob.remote:
            return None
        try:
            descriptor = os.open(blob.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return None
        try:
            if file_version(os.fstat(descriptor)) != blob.version:
                return None
            self._file = blob
            return pyvips.Source.new_from_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def stop_with(self, image: Any) -> None:
        """Make libvips give up on ``image``, and all that is made from it, once the work is stopped."""

        def kill() -> None:
            self._killed = True
            image.set_kill(True)

        self.work.on_stop(kill)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn libvips' errors into ours: the remembered one, `Stopped`, or `BrokenImage`."""
        import pyvips

        if self.work.stopped():
            raise Stopped("The picture is not needed any more.")
        try:
            yield
        except pyvips.Error as failure:
            if self.error:
                raise self.error from None
            if self._killed or self.work.stopped():
                raise Stopped("The picture is not needed any more.") from None
            raise BrokenImage("The image file is damaged or incomplete, so no picture can be made of it.") from failure
        if self.error:
            raise self.error
        if self._file:
            self._file.read(self._file.size - 1, 1)  # its last byte is gone if it was truncated meanwhile


def open_whole(blob: Blob, format: str, trouble: Trouble, **options: Any) -> Any:
    """Open an image of which nearly all bytes are needed. ``options`` are the loader's.

    No loader but TIFF's, which only reads, gets a local file: others map it, and a map that is truncated meanwhile
    kills the process.
    Raises `UnsupportedImage`, `BrokenImage`, `Stopped`, or what reading the Blob raises.
    """
    if blob.size > MOST_OF_A_FILE:
        return open_part(blob, format, trouble, **options)
    return _load(format, trouble.memory_source(blob.read_all()), trouble, **options)


def open_part(blob: Blob, format: str, trouble: Trouble, **options: Any) -> Any:
    """Open an image of which few bytes are needed: its header, or some tiles. See `open_whole`."""
    source = trouble.descriptor_source(blob) if format == "tif" else None
    return _load(format, source or trouble.custom_source(blob), trouble, **options)


def _load(format: str, source: Any, trouble: Trouble, **options: Any) -> Any:
    import pyvips

    if not pyvips.type_find("VipsOperation", LOADERS.get(format, "none")):
        raise UnsupportedImage(f"libvips cannot read the format {format} here.")
    with trouble.told():
        fail_on = _FAIL_ON.get(format, "truncated")
        image = pyvips.Operation.call(f"{LOADERS[format]}_source", source, fail_on=fail_on, **options)
    trouble.stop_with(image)
    return image
