"""What Pillow does to pixels: scaling, color management, turning, gray and black and white."""

import io
import math
from functools import cache
from typing import TYPE_CHECKING

from ..icc import is_srgb
from .canvas import turned_size
from .orientation import Move

if TYPE_CHECKING:
    from PIL.Image import Image

_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def plain(image: "Image") -> "Image":
    """Return the same colors in a mode that can be scaled: L, LA, RGB, RGBA or CMYK."""
    if image.mode in _SIXTEEN_BITS:
        return image.point(lambda value: value / 256).convert("L")
    if image.mode == "F":
        return image.convert("L")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode in ("1", "L") and "transparency" in image.info:
        return image.convert("RGBA").convert("LA")
    if image.has_transparency_data and image.mode != "LA":
        return image if image.mode == "RGBA" else image.convert("RGBA")
    wanted = {"1": "L", "L": "L", "LA": "LA", "CMYK": "CMYK"}.get(image.mode, "RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _from_lab(image: "Image") -> "Image":
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB")) or image


def crop(image: "Image", x: int, y: int, width: int, height: int) -> "Image":
    """Cut a part out; what lies beyond the right and lower edge repeats the last pixels."""
    from PIL import Image

    if (x, y, width, height) == (0, 0, image.width, image.height):
        return image
    inside_width, inside_height = min(width, image.width - x), min(height, image.height - y)
    part = Image.new(image.mode, (width, height))
    part.paste(image, (-x, -y))
    if inside_width < width:
        last = part.resize((width - inside_width, height), box=(inside_width - 1, 0, inside_width, height))
        part.paste(last, (inside_width, 0))
    if inside_height < height:
        last = part.resize((width, height - inside_height), box=(0, inside_height - 1, width, inside_height))
        part.paste(last, (0, inside_height))
    return part


def scale(image: "Image", width: int, height: int) -> "Image":
    """Return exactly ``width`` x ``height`` pixels; what is transparent does not stain what is not."""
    from PIL import Image

    if image.size == (width, height):
        return image
    if width >= image.width and height >= image.height:
        return image.resize((width, height), Image.Resampling.BICUBIC)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def to_srgb(image: "Image", profile: bytes | None) -> "Image":
    """Return L, LA, RGB or RGBA in sRGB; ``profile`` is the one that the file carries."""
    converted = None
    if profile and not is_srgb(profile):
        converted = _managed(image, profile)
    if converted is None and image.mode == "CMYK":
        press = _press_profile()
        converted = (_managed(image, press) if press else None) or inks_to_srgb(image)
    return image if converted is None else converted


@cache
def _press_profile() -> bytes | None:
    """Return what libvips takes CMYK without a profile for, so that both engines agree; None without libvips."""
    try:
        import pyvips
    except (ImportError, OSError):
        return None
    try:
        return bytes(pyvips.Operation.call("profile_load", "cmyk"))
    except pyvips.Error:
        return None


def _managed(image: "Image", profile: bytes) -> "Image | None":
    """Apply a profile; None if it is of no use for this picture."""
    from PIL import ImageCms

    colors = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    try:
        converted = ImageCms.profileToProfile(
            colors,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if converted is None:
        return None
    if image.mode in ("L", "LA"):
        converted = converted.getchannel("G")
    if image.mode in ("LA", "RGBA"):
        converted.putalpha(image.getchannel("A"))
    return converted


_PRINTED = {
    "": (255, 255, 255),
    "K": (12, 0, 19),
    "Y": (255, 240, 0),
    "YK": (12, 0, 1),
    "M": (234, 0, 130),
    "MK": (9, 0, 10),
    "MY": (231, 0, 17),
    "MYK": (19, 0, 10),
    "C": (0, 153, 228),
    "CK": (0, 0, 15),
    "CY": (0, 140, 51),
    "CYK": (0, 0, 0),
    "CM": (28, 0, 119),
    "CMK": (0, 0, 3),
    "CMY": (29, 9, 40),
    "CMYK": (0, 0, 20),
}
"""What full inks of offset printing look like on top of each other, in sRGB."""

_DOT_LOSS = 1.2


def inks_to_srgb(image: "Image") -> "Image":
    """Return how CMYK without a profile looks in print: paper, inks and overprints mixed by the area they cover."""
    from PIL import Image

    curve = [round(255 * (level / 255) ** _DOT_LOSS) for level in range(256)]
    covers = {ink: band.point(curve) for ink, band in zip("CMYK", image.split(), strict=True)}

    def mixed(inks: str, printed: str) -> Image.Image:
        if not inks:
            return Image.new("RGB", image.size, _PRINTED[printed])
        return Image.composite(mixed(inks[1:], printed + inks[0]), mixed(inks[1:], printed), covers[inks[0]])

    return mixed("CMYK", "")


def move(image: "Image", wanted: Move) -> "Image":
    """Reflect and make quarter turns clockwise."""
    from PIL.Image import Transpose

    if wanted.mirror:
        image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
    turns = {1: Transpose.ROTATE_270, 2: Transpose.ROTATE_180, 3: Transpose.ROTATE_90}
    return image.transpose(turns[wanted.quarters]) if wanted.quarters else image


def turn(image: "Image", degrees: float) -> "Image":
    """Turn clockwise by 0 to 90 degrees on a canvas that just holds the result; its corners are transparent."""
    from PIL import Image

    width, height = turned_size(image.width, image.height, degrees)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    image = image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
    left = image.width / 2 - cosine * width / 2 - sine * height / 2
    top = image.height / 2 + sine * width / 2 - cosine * height / 2
    return image.transform(
        (width, height),
        Image.Transform.AFFINE,
        (cosine, sine, left, -sine, cosine, top),
        Image.Resampling.BICUBIC,
    )


def gray(image: "Image") -> "Image":
    """Return the picture's light (ITU-R BT.601), with its alpha if it has any."""
    wanted = "LA" if image.mode in ("LA", "RGBA") else "L"
    return image if image.mode == wanted else image.convert(wanted)


def bitonal(image: "Image") -> "Image":
    """Return one band of 0 and 255; what is transparent is white."""
    return flat(gray(image)).point([0] * 128 + [255] * 128)


def flat(image: "Image") -> "Image":
    """Return the picture on white paper, without alpha."""
    from PIL import Image

    if image.mode not in ("LA", "RGBA"):
        return image
    paper = Image.new("L" if image.mode == "LA" else "RGB", image.size, "white")
    paper.paste(image.convert(paper.mode), mask=image.getchannel("A"))
    return paper
