"""The pictures that the contract of engines is tested with, and how results are looked at. Needs Pillow."""

import io
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..blob import Blob, BytesBlob
from ..errors import SourceError
from ..image_api.plan import Box, Plan

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT = 96, 64
"""Size of the chart that most tests use."""

WHOLE = Box(0, 0, WIDTH, HEIGHT)
PILLOW_NAMES = {
    "jpg": "JPEG",
    "png": "PNG",
    "tif": "TIFF",
    "gif": "GIF",
    "webp": "WEBP",
    "avif": "AVIF",
    "jp2": "JPEG2000",
}
"""The formats that test pictures can be stored in, and what Pillow calls them."""

_BEST: Mapping[str, Mapping[str, Any]] = {
    "jpg": {"quality": 98, "subsampling": "4:4:4"},
    "webp": {"lossless": True},
    "avif": {"quality": 98, "subsampling": "4:4:4", "speed": 9},
}
NEARLY = 8
"""By how much a sample may differ after formats that lose detail, on average."""


def chart(width: int = WIDTH, height: int = HEIGHT) -> "Image":
    """Return a smooth color picture in which no two rows and no two columns are the same."""
    from PIL import Image

    across = Image.frombytes("L", (width, 1), bytes(x * 255 // max(1, width - 1) for x in range(width)))
    down = Image.frombytes("L", (1, height), bytes(y * 255 // max(1, height - 1) for y in range(height)))
    red, green = across.resize((width, height)), down.resize((width, height))
    return Image.merge("RGB", (red, green, Image.blend(red, green, 0.5)))


def stored(image: "Image", format: str = "png", **options: Any) -> BytesBlob:
    """Return the picture as a file in memory; ``options`` are Pillow's."""
    target = io.BytesIO()
    image.save(target, PILLOW_NAMES[format], **{**_BEST.get(format, {}), **options})
    return BytesBlob(target.getvalue(), version="1")


def lying(orientation: int) -> BytesBlob:
    """Return the chart as a jpg whose pixels lie as the EXIF orientation, 1 to 8, says."""
    from PIL import Image
    from PIL.Image import Transpose

    moves = (
        *(None, Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM),
        *(Transpose.TRANSPOSE, Transpose.ROTATE_90, Transpose.TRANSVERSE, Transpose.ROTATE_270),
    )
    move, exif = moves[orientation - 1], Image.Exif()
    exif[0x0112] = orientation
    return stored(chart() if move is None else chart().transpose(move), "jpg", exif=exif)


def looked_at(data: bytes) -> "Image":
    """Return an encoded picture, decoded by Pillow, in mode L, LA, RGB or RGBA."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    return image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")


def difference(one: "Image", other: "Image") -> float:
    """Return by how much two pictures of one size differ: the mean over all samples, 0 to 255."""
    from PIL import ImageChops, ImageStat

    assert one.size == other.size, f"{one.size} is not {other.size}"
    return float(max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean))


def pixel(image: "Image", x: int, y: int) -> tuple[int, ...]:
    """Return one pixel's samples."""
    value = image.getpixel((x, y))
    return tuple(int(sample) for sample in value) if isinstance(value, tuple) else (int(value or 0),)


def plan_of(region: Box = WHOLE, width: int = 0, height: int = 0, **other: Any) -> Plan:
    """Return a plan; what is not given is not changed, and the format is png."""
    common = {"mirror": False, "degrees": Fraction(0), "quality": "color", "format": "png"}
    return Plan(region, width or region.width, height or region.height, **{**common, **other})


class FailingBlob(Blob):
    """A place that breaks off after the first kilobytes, as networks do."""

    def __init__(self, data: bytes, good: int) -> None:
        self.size, self.version, self.remote = len(data), "1", True
        self._data, self._good = data, good

    def read(self, offset: int, length: int) -> bytes:
        """Read what is in the good part. Raises `SourceError` beyond it."""
        if min(offset + length, self.size) > self._good:
            raise SourceError("The far end hung up.")
        return self._data[offset : offset + length]
