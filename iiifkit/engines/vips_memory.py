"""How much memory libvips needs for a picture: what was measured, in formulas."""

from ..image_api.image import ImageInfo
from ..image_api.plan import Plan
from .canvas import turned_size
from .joining import MOST_PIXELS
from .orientation import StoredPlan
from .shrinking import Choice
from .vips_pixels import IN_MEMORY

FIXED = 3_000_000

MOST_OF_A_FILE = 8 * 1024 * 1024
"""Files up to this size are handed over as bytes; reading larger ones piece by piece takes no longer."""

_ROWS, _ROWS_SCALED = 450, 1250
"""Rows of a picture that stream through at a time, in decoder, scaler and encoder together."""

_ROWS_TURNED = 16 * 200
"""Bytes for each column of what is turned by any angle: rows of four floating-point samples."""

_WHOLE = {"jpg": 1.5, "png": 1.2, "webp": 2.8, "avif": 5.0, "gif": 1.9}
"""Bytes for each sample of formats that are decoded whole."""

_RESULT = {"jpg": 0.5, "png": 3.5, "tif": 3.5, "webp": 4.5, "gif": 20.0, "avif": 30.0}
"""Bytes for each pixel of what is encoded; where another engine has to do it, `_NEUTRAL`."""

_NEUTRAL = 16.0


def estimate(info: ImageInfo, plan: Plan, stored: StoredPlan, choice: Choice) -> int:
    """Return about how many bytes making and encoding a picture needs at once."""
    pixels = stored.width * stored.height
    width, height = turned_size(stored.width, stored.height, stored.degrees)
    result = _RESULT.get(plan.format, _NEUTRAL) * max(width * height, pixels)
    if stored.degrees or not stored.move.keeps_rows:
        result += min(_bands(info) * pixels, IN_MEMORY)
    if stored.degrees:
        result += _ROWS_TURNED * width
    return FIXED + int(result + _decoded(info, stored, choice))


def _decoded(info: ImageInfo, stored: StoredPlan, choice: Choice) -> float:
    region, bands, sample = choice.region, _bands(info), 2 if info.bits > 8 else 1
    scaled = region.width > stored.width or region.height > stored.height
    if info.format == "tif" and info.tile:
        tiles = 3 * info.tile[1] * (region.width + 2 * info.tile[0]) * bands * sample
        joined = 4 * region.width * region.height
        return max(tiles, joined if joined <= 4 * MOST_PIXELS else 0)
    file = min(MOST_OF_A_FILE, info.pixels * bands * sample // 25)
    wide = 4 if scaled and info.alpha else sample
    streamed = (_ROWS_SCALED if scaled else _ROWS) * choice.copy.width * bands * wide
    if info.progressive or info.format in ("webp", "avif", "gif", "jp2"):
        return _WHOLE.get(info.format, 3.0) * info.pixels * bands * sample + file + streamed / 4
    return min(streamed, info.pixels * bands * wide) + file


def _bands(info: ImageInfo) -> int:
    return (3 if info.color else 1) + info.alpha
