"""Pictures joined from a few stored JPEG tiles: for these, opening the file costs more than all of the decoding."""

from typing import TYPE_CHECKING

from ..blob import Blob
from ..contracts import Work
from ..errors import UnsupportedImage
from ..pyramid import Pyramid, StoredLevel
from .pillow_files import check, told
from .shrinking import Choice

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 4_000_000
"""Pixels of the tiles that are decoded for one picture; four bytes each. Larger ones are left to be streamed."""


def joined(blob: Blob, choice: Choice, gray: bool, work: Work) -> "Image | None":
    """Return the region of a copy, as far as the copy reaches, in RGB or, if ``gray``, in mode L.

    None if the Blob is no pyramid, or the region is not made of few tiles that can be decoded one by one.
    Raises `BrokenImage` or `Stopped`.
    """
    found = blob.level(choice.copy.level) if isinstance(blob, Pyramid) else None
    if not isinstance(blob, Pyramid) or found is None:
        return None
    position, level = found
    if level.tables is None:
        return None
    region, side = choice.region, level.tile[0]
    right, bottom = min(region.x + region.width, level.width), min(region.y + region.height, level.height)
    places = [(x, y) for y in _starts(region.y, bottom, side) for x in _starts(region.x, right, side)]
    if len(places) * side * side > MOST_PIXELS:
        return None
    mode = "L" if gray or level.tables.gray else "RGB"
    from PIL import Image

    with told(work):
        picture = Image.new(mode, (right - region.x, bottom - region.y), None)
        for x, y in places:
            check(work)
            tile = _decoded(blob, position, level, x, y, mode)
            if tile is None:
                return None
            picture.paste(tile, (x - region.x, y - region.y))
        return picture


def _starts(first: int, end: int, side: int) -> range:
    return range(first // side * side, end, side)


def _decoded(blob: Pyramid, position: int, level: StoredLevel, x: int, y: int, mode: str) -> "Image | None":
    from PIL import Image

    side = level.tile[0]
    try:
        data = blob.tile(position, x // side, y // side)
    except UnsupportedImage:
        return None
    if data is None:
        return None
    return Image.frombytes(mode, (side, side), data, "jpeg", mode, "")
