"""What a TIFF file's directories say of its first picture, before a pixel of it is decoded."""

from ..blob import Blob
from ..image_api.image import ImageInfo, Level
from .copies import copies_of_first, first_page
from .page import Page


def probe(blob: Blob) -> ImageInfo:
    """Return size, nature and levels of a TIFF file's first picture. Raises `BrokenImage`."""
    page = first_page(blob)
    width, height = _upright(page, page.orientation)
    return ImageInfo(
        width,
        height,
        "tif",
        color=page.color,
        alpha=page.alpha,
        bits=page.bits[0],
        orientation=page.orientation,
        tile=page.tile,
        levels=tuple(
            Level(*_upright(copy, page.orientation), copy.locator, copy.subdirectory)
            for _, copy in copies_of_first(page)
        ),
    )


def _upright(page: Page, orientation: int) -> tuple[int, int]:
    return (page.height, page.width) if orientation >= 5 else (page.width, page.height)
