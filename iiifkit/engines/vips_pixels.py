"""What libvips does to pixels: scaling, color management, turning, gray and black and white."""

import math
from typing import Any

from ..icc import is_srgb
from .canvas import turned_size
from .orientation import Move

LUMA = (0.299, 0.587, 0.114)
"""How much of red, green and blue the eye sees as light (ITU-R BT.601)."""

_MANAGED = ("b-w", "grey16", "srgb", "rgb16", "cmyk")

IN_MEMORY = 128 * 1024 * 1024
"""Pictures that need more bytes than this, and whose rows are not made in order, wait in a temporary file."""


def crop(image: Any, x: int, y: int, width: int, height: int) -> Any:
    """Cut a part out; what lies beyond the right and lower edge repeats the last pixels."""
    right, bottom = max(0, x + width - image.width), max(0, y + height - image.height)
    if right or bottom:
        image = image.embed(0, 0, image.width + right, image.height + bottom, extend="copy")
    if (x, y, width, height) == (0, 0, image.width, image.height):
        return image
    return image.crop(x, y, width, height)


def known_bands(image: Any, alpha: bool) -> Any:
    """Drop the samples that are neither color nor, if there is any ``alpha``, the alpha that comes after them."""
    sixteen = image.format == "ushort"
    if image.interpretation == "multiband":
        gray = image.bands < 3
        name = ("grey16" if gray else "rgb16") if sixteen else ("b-w" if gray else "srgb")
        image = image.copy(interpretation=name)
    colors = {"b-w": 1, "grey16": 1, "cmyk": 4}.get(image.interpretation, 3)
    known = colors + (alpha and colors < 4)
    return image.extract_band(0, n=known) if image.bands > known else image


def scale(image: Any, width: int, height: int) -> Any:
    """Return exactly ``width`` x ``height`` pixels; what is transparent does not stain what is not."""
    if (image.width, image.height) == (width, height):
        return image
    band_format = image.format
    transparent = image.hasalpha()
    if transparent:
        image = image.premultiply()
    image = _shrunk(image, min(width, image.width), min(height, image.height))
    image = _enlarged(image, width, height)
    return image.unpremultiply().cast(band_format) if transparent else image


def _shrunk(image: Any, width: int, height: int) -> Any:
    if (image.width, image.height) == (width, height):
        return image
    image = image.resize(width / image.width, vscale=height / image.height)
    return crop(image, 0, 0, width, height)


def _enlarged(image: Any, width: int, height: int) -> Any:
    """Enlarge about the center; libvips' own `resize` moves the picture by up to half a pixel then."""
    import pyvips

    if (image.width, image.height) == (width, height):
        return image
    across, down = width / image.width, height / image.height
    return image.affine(
        [across, 0, 0, down],
        oarea=[0, 0, width, height],
        odx=(across - 1) / 2,
        ody=(down - 1) / 2,
        interpolate=pyvips.Interpolate.new("bicubic"),
        extend="copy",
        premultiplied=True,
    )


def to_srgb(image: Any) -> Any:
    """Return sRGB or gray with 8 bits a sample, with or without alpha, and no profile."""
    gray = image.interpretation in ("b-w", "grey16")
    converted = None
    if image.get_typeof("icc-profile-data"):
        if image.interpretation in _MANAGED and not is_srgb(bytes(image.get("icc-profile-data"))):
            converted = _managed(image, embedded=True)
        if converted is None:
            image = image.copy()
            image.remove("icc-profile-data")
    if converted is None and image.interpretation == "cmyk":
        converted = _managed(image, input_profile="cmyk")
    image = image if converted is None else converted
    if gray and image.bands > 2:
        image = image[1].bandjoin(image[image.bands - 1]) if image.hasalpha() else image[1]
        image = image.copy(interpretation="b-w")
    wanted = "b-w" if gray else "srgb"
    if image.interpretation != wanted:
        image = image.colourspace(wanted)
    return image if image.format == "uchar" else image.cast("uchar")


def _managed(image: Any, **profile: Any) -> Any | None:
    """Convert from a profile; None if it is of no use for this picture."""
    import pyvips

    try:
        return image.icc_transform("srgb", intent="relative", black_point_compensation=True, depth=8, **profile)
    except pyvips.Error:
        return None


def move(image: Any, wanted: Move) -> Any:
    """Reflect and make quarter turns; the picture has been computed, if its rows do not stay in order."""
    if wanted.mirror:
        image = image.fliphor()
    return {0: lambda: image, 1: image.rot90, 2: image.rot180, 3: image.rot270}[wanted.quarters]()


def turn(image: Any, degrees: float) -> Any:
    """Turn clockwise by 0 to 90 degrees on a canvas that just holds the result; its corners are transparent."""
    import pyvips

    width, height = turned_size(image.width, image.height, degrees)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    center_x, center_y = (image.width - 1) / 2, (image.height - 1) / 2
    image = image if image.hasalpha() else image.bandjoin(255)
    image = image.premultiply().affine(
        [cosine, -sine, sine, cosine],
        oarea=[0, 0, width, height],
        odx=(width - 1) / 2 - cosine * center_x + sine * center_y,
        ody=(height - 1) / 2 - sine * center_x - cosine * center_y,
        interpolate=pyvips.Interpolate.new("bicubic"),
        background=[0],
        extend="background",
        premultiplied=True,
    )
    return image.unpremultiply().cast("uchar")


def gray(image: Any) -> Any:
    """Return the picture's light, with its alpha if it has any."""
    if image.bands < 3:
        return image
    light = image.extract_band(0, n=3).recomb([list(LUMA)]).rint().cast("uchar").copy(interpretation="b-w")
    return light.bandjoin(image[3]) if image.hasalpha() else light


def bitonal(image: Any) -> Any:
    """Return one band of 0 and 255; what is transparent is white."""
    return flat(gray(image)) >= 128


def flat(image: Any) -> Any:
    """Return the picture on white paper, without alpha."""
    return image.flatten(background=[255]) if image.hasalpha() else image


def computed(image: Any) -> Any:
    """Compute the picture now, in memory or, if it is large, in a temporary file that vanishes with it."""
    import pyvips

    if image.width * image.height * image.bands <= IN_MEMORY:
        return image.copy_memory()
    waiting = pyvips.Image.new_temp_file("%s.v")
    image.write(waiting)
    return waiting
