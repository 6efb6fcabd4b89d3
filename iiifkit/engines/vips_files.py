"""Opening a Blob with libvips: which way the bytes go in, and whose error counts when something breaks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..blob import Blob, Buffered, file_version
from ..contracts import Work
from ..errors import BrokenImage, IIIFKitError, Stopped, UnsupportedImage

LOADERS = {
    "jpg": "jpegload",
    "png": "pngload",
    "webp": "webpload",
    "tif": "tiffload",
    "gif": "gifload",
    "avif": "heifload",
    "jp2": "jp2kload",
}

_WHOLE = 64 * 1024 * 1024
"""Files up to this size are handed over as bytes, where nearly all of them are needed anyway."""

_READ_WITH_A_DESCRIPTOR = ("tif", "png")
"""Formats whose loaders read; the others may map the file, and a truncated map kills the process."""


class Trouble:
    """What went wrong outside of libvips while it worked: the first error of a read, or a wish to stop."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.error: Exception | None = None
        self._killed = False

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


def open_whole(blob: Blob, format: str, trouble: Trouble, **options: Any) -> Any:
    """Open an image of which many pixels are needed. ``options`` are the loader's.

    Raises `UnsupportedImage`, `BrokenImage`, `Stopped`, or what reading the Blob raises.
    """
    if format not in _READ_WITH_A_DESCRIPTOR and blob.size <= _WHOLE:
        return _load(format, "_buffer", blob.read_all(), trouble, **options)
    return open_part(blob, format, trouble, **options)


def open_part(blob: Blob, format: str, trouble: Trouble, **options: Any) -> Any:
    """Open an image of which few bytes are needed: its header, or some tiles. See `open_whole`."""
    source = _descriptor_source(blob) if format in _READ_WITH_A_DESCRIPTOR else None
    return _load(format, "_source", source or _custom_source(blob, trouble), trouble, **options)


def _load(format: str, kind: str, data: Any, trouble: Trouble, **options: Any) -> Any:
    import pyvips

    if not pyvips.type_find("VipsOperation", LOADERS.get(format, "none")):
        raise UnsupportedImage(f"libvips cannot read the format {format} here.")
    with trouble.told():
        image = pyvips.Operation.call(LOADERS[format] + kind, data, fail_on="truncated", **options)
    trouble.stop_with(image)
    return image


def _descriptor_source(blob: Blob) -> Any:
    """Return a source that reads the local file; None if there is none, or another by that name meanwhile."""
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
        return pyvips.Source.new_from_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _custom_source(blob: Blob, trouble: Trouble) -> Any:
    """Return a source that asks the Blob for every read, and leaves what it raises in ``trouble``."""
    import pyvips

    reads = blob if isinstance(blob, Buffered) else Buffered(blob)
    position = 0

    def read(length: int) -> bytes | None:
        nonlocal position
        if trouble.error:
            return None
        try:
            data = reads.read(position, length)
        except IIIFKitError as error:
            trouble.error = error
            return None
        except Exception as error:
            trouble.error = BrokenImage("The image file could not be read.")
            trouble.error.__cause__ = error
            return None
        position += len(data)
        return data or None

    def seek(offset: int, whence: int) -> int:
        nonlocal position
        start = {os.SEEK_SET: 0, os.SEEK_CUR: position, os.SEEK_END: reads.size}.get(whence)
        if start is None or not 0 <= start + offset <= reads.size:
            return -1
        position = start + offset
        return position

    source = pyvips.SourceCustom()
    source.on_read(read)
    source.on_seek(seek)
    return source
