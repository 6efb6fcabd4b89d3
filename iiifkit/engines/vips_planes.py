"""Tiled TIFF pictures whose planes lie apart, which libvips does not read: it is given one plane after the other."""

from typing import Any

from ..blob import Blob
from ..errors import UnsupportedImage
from ..tiff import Page, Plane
from ..tiff.page import BLACK_IS_ZERO, CMYK, PROFILE, RGB, UNSIGNED
from .vips_files import Trouble, open_part

MOST_PROFILE_BYTES = 16 * 1024 * 1024

_COLORS = {BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}
_NAMES = {
    (BLACK_IS_ZERO, 8): "b-w",
    (BLACK_IS_ZERO, 16): "grey16",
    (RGB, 8): "srgb",
    (RGB, 16): "rgb16",
    (CMYK, 8): "cmyk",
}


def open_planes(blob: Blob, page: Page, trouble: Trouble) -> Any:
    """Open a picture of the file, its colors and its alpha. Raises `UnsupportedImage` or `BrokenImage`."""
    bits = page.bits[0] if len(set(page.bits)) == 1 and page.formats == {UNSIGNED} else 0
    name = _NAMES.get((page.photometric, bits))
    if name is None or page.samples < _COLORS[page.photometric]:
        raise UnsupportedImage("The TIFF file keeps its colors apart, in a way that is not supported.")
    wanted = min(page.samples, _COLORS[page.photometric] + page.alpha)
    first, *others = (open_part(Plane(blob, page, number), "tif", trouble, access="random") for number in range(wanted))
    with trouble.told():
        image = first.bandjoin(others).copy(interpretation=name)
        profile = page.directory.data(PROFILE, MOST_PROFILE_BYTES)
        if profile:
            import pyvips

            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        return image
