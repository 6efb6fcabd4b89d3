"""How much memory Pillow needs for a picture: what was measured, in formulas."""

from ..image_api.formats import FORMATS
from ..image_api.image import ImageInfo
from ..image_api.plan import Plan
from .canvas import turned_size
from .orientation import StoredPlan
from .shrinking import Choice

FIXED = 4_000_000

_DECODED = {"webp": 16.0, "avif": 9.5, "gif": 5.3, "tif": 5.0, "jp2": 19.5}
"""Bytes for each pixel of color that is decoded, with the decoder's own copies; 4 for other formats."""

_COEFFICIENTS = 4
"""Bytes for each pixel of a progressive JPEG, which is kept whole besides."""

_RESULT = {"jpg": 0.5, "png": 3.5, "webp": 6.0, "avif": 30.0, "jp2": 20.0}
"""Bytes for each pixel of what is encoded; 5 for other formats."""

_FLATTENED = 9


def estimate(info: ImageInfo, plan: Plan, stored: StoredPlan, choice: Choice) -> int:
    """Return about how many bytes making and encoding a picture needs at once."""
    share = 1.0 if info.color or info.alpha else 0.25
    region, pixels = choice.region, stored.width * stored.height
    total = _DECODED.get(info.format, 4.0) * share * choice.copy.width * choice.copy.height
    if info.progressive:
        total += _COEFFICIENTS * share * info.pixels
    if (region.width, region.height) != (choice.copy.width, choice.copy.height):
        total += 4 * share * region.width * region.height
    if (region.width, region.height) != (stored.width, stored.height):
        total += 4 * share * _scaling(stored, choice, info.alpha)
    if stored.move.mirror or stored.move.quarters:
        total += 4 * share * pixels
    width, height = turned_size(stored.width, stored.height, stored.degrees)
    if stored.degrees:
        total += 4 * (pixels + width * height)
    if (info.alpha or stored.degrees) and not FORMATS[plan.format].alpha:
        total += _FLATTENED * width * height
    return FIXED + int(total + _RESULT.get(plan.format, 5.0) * width * height)


def _scaling(stored: StoredPlan, choice: Choice, alpha: bool) -> float:
    """Return how many pixels are held between the region and the result, and by the result."""
    region = choice.region
    across, down = (
        max(1, have // (2 * wanted)) for have, wanted in ((region.width, stored.width), (region.height, stored.height))
    )
    reduced = region.width * region.height / (across * down) if across * down > 1 else 0
    premultiplied = region.width * region.height if alpha else 0
    return premultiplied + reduced + stored.width * (region.height / down + stored.height)
