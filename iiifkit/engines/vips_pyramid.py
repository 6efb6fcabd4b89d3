"""Writing pyramids with libvips: a tiled TIFF with all its halved copies, in one pass."""

import errno
import os
from pathlib import Path
from typing import Any

from ..contracts import PyramidSettings
from ..errors import CacheError

_CLASSIC = 3_500_000_000
"""Uncompressed bytes above which the file gets 64-bit offsets; 4 GB is where the others end."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def save(image: Any, path: Path, settings: PyramidSettings) -> None:
    """Write ``image``, which is streamed once. Raises `CacheError` if the disk is full, and libvips' own error."""
    import pyvips

    jpeg = settings.quality is not None
    bytes_in_all = image.width * image.height * image.bands * 4 // 3
    options = (
        {"compression": "jpeg", "Q": settings.quality}
        if jpeg
        else {"compression": "deflate", "predictor": "horizontal"}
    )
    image = image.copy()
    if image.get_typeof("orientation"):
        image.remove("orientation")  # the picture is upright, and tiffsave would say that it is not
    if settings.threads > 1:
        image.set_type(pyvips.GValue.gint_type, "concurrency", settings.threads)
    try:
        image.tiffsave(
            str(path),
            tile=True,
            tile_width=settings.tile,
            tile_height=settings.tile,
            pyramid=True,
            depth="onetile",
            bigtiff=bytes_in_all > _CLASSIC,
            keep="none",
            **options,
        )
    except pyvips.Error as error:
        if any(os.strerror(number) in str(error) for number in _FULL) or _is_full(path):
            raise CacheError("There is no room left on the disk.") from None
        raise


def _is_full(path: Path) -> bool:
    """Return whether the disk is full: libvips' error does not always tell."""
    try:
        with path.open("ab") as file:
            file.write(b"\0" * 65_536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in _FULL
    return False
