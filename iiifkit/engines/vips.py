"""The engine VIPS: libvips, which streams pictures through and reads only what it needs."""

import logging
import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from .. import tiff
from ..blob import Blob
from ..contracts import NO_LIMIT, Picture, PyramidSettings, Work
from ..encoding import EncodeOptions
from ..errors import BrokenImage, SetupError
from ..image_api.image import ImageInfo
from ..image_api.plan import Plan
from ..raster import Animation, Raster
from . import vips_encoding, vips_memory, vips_pixels, vips_pyramid
from .joining import MOST_PIXELS, joined
from .orientation import StoredPlan, in_stored_pixels, upright
from .pillow import PillowEngine, PillowPicture
from .shrinking import Choice, Copy, choose, stored_levels
from .vips_files import LOADERS, Trouble, open_part, open_whole
from .vips_planes import open_planes

_SHRINKS = (2, 4, 8)
"""How much smaller libjpeg can make a picture while it decodes."""


class VipsPicture(msgspec.Struct):
    """A libvips pipeline, and what went wrong in it so far."""

    image: Any
    trouble: Trouble

    def raster(self) -> Raster:
        """Compute the pixels. Raises `BrokenImage` or `Stopped`."""
        with self.trouble.told():
            data = self.image.write_to_memory()
        return Raster(self.image.width, self.image.height, self.image.bands, bytes(data))


class VipsEngine:
    """Reads and writes with libvips, one thread for each render."""

    def __init__(self, encode: EncodeOptions | None = None, temporary_folder: str | None = None) -> None:
        """Load libvips. Raises `SetupError` if it is not there."""
        os.environ.setdefault("VIPS_CONCURRENCY", "1")
        if temporary_folder:
            os.putenv("TMPDIR", temporary_folder)  # for libvips alone: Python reads os.environ
        try:
            import pyvips
        except (ImportError, OSError) as error:
            raise SetupError("The engine VIPS needs pyvips and libvips, and one of them is not installed.") from error
        logging.getLogger("pyvips").setLevel(logging.ERROR)  # a damaged file is a warning for each of its tiles
        pyvips.cache_set_max(0)
        pyvips.block_untrusted_set(True)
        self._encode = encode or EncodeOptions()
        self._pillow = PillowEngine(self._encode)
        version = ".".join(str(pyvips.version(part)) for part in range(3))
        self.fingerprint = f"libvips {version}, pyvips {pyvips.__version__}, {self._pillow.fingerprint}"
        self.reads = frozenset(name for name, loader in LOADERS.items() if pyvips.type_find("VipsOperation", loader))
        self.writes = frozenset(
            name for name, saver in vips_encoding.SAVERS.items() if pyvips.type_find("VipsOperation", saver)
        )

    def probe(self, blob: Blob, format: str) -> ImageInfo:
        """Return size and nature of the image, from its header. Raises `BrokenImage` or `UnsupportedImage`."""
        if format == "tif":
            return tiff.probe(blob)
        trouble = Trouble(NO_LIMIT)
        image = open_part(blob, format, trouble)
        orientation = _number(image, "orientation", 1)
        orientation = orientation if 1 <= orientation <= 8 else 1
        width, height = upright(orientation).size(image.width, image.height)
        return ImageInfo(
            width,
            height,
            format,
            color=image.interpretation not in ("b-w", "grey16"),
            alpha=bool(image.hasalpha()),
            bits=_number(image, "bits-per-sample", 16 if image.format == "ushort" else 8),
            orientation=orientation,
            progressive=format in ("jpg", "png") and bool(_number(image, "interlaced", 0)),
        )

    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> VipsPicture | PillowPicture:
        """Return the pipeline that makes the plan's picture, or the picture itself if it is but a few stored tiles.

        Raises `BrokenImage` or `Stopped`.
        """
        stored = in_stored_pixels(info, plan)
        choice = _choice(info, stored)
        tiles = joined(blob, choice, plan.quality in ("gray", "bitonal"), work)
        if tiles is not None and tiles.size == (plan.width, plan.height) and plan.upright and plan.quality != "bitonal":
            return PillowPicture(tiles)
        trouble = Trouble(work)
        if tiles is not None:
            image, region = vips_encoding.from_raster(Raster.from_pillow(tiles)), replace(choice.region, x=0, y=0)
        else:
            image, region = _opened(blob, info, choice, trouble), choice.region
        with trouble.told():
            image = vips_pixels.crop(image, region.x, region.y, region.width, region.height)
            alpha = info.alpha if info.format == "tif" else image.hasalpha()
            image = vips_pixels.known_bands(image, alpha)
            image = vips_pixels.to_srgb(vips_pixels.scale(image, stored.width, stored.height))
            return VipsPicture(_finished(image, stored, plan), trouble)

    def encode(self, picture: Picture | Raster | Animation, plan: Plan, work: Work = NO_LIMIT) -> bytes:
        """Store the picture in ``plan.format``. Raises `BrokenImage` or `Stopped`."""
        if plan.format == "jpg" and _is_small_and_there(picture):
            return self._pillow.encode(picture, plan, work)
        if isinstance(picture, VipsPicture):
            image, trouble = picture.image, picture.trouble
        else:
            image, trouble = self._neutral(picture, plan), Trouble(work)
        bitonal = plan.quality == "bitonal"
        with trouble.told():
            if plan.format not in vips_encoding.ALPHA:
                image = vips_pixels.flat(image)
            trouble.stop_with(image)
            settings = vips_encoding.settings(self._encode, plan.format, image.bands, bitonal)
            return vips_encoding.save(image, plan.format, settings)

    def _neutral(self, picture: Picture | Raster | Animation, plan: Plan) -> Any:
        if isinstance(picture, Animation):
            if plan.format in vips_encoding.ANIMATED:
                return vips_encoding.from_animation(picture)
            return vips_encoding.from_raster(picture.last)
        return vips_encoding.from_raster(picture if isinstance(picture, Raster) else picture.raster())

    saves_pyramids = True

    def save_pyramid(
        self, picture: Picture | Raster, path: Path, settings: PyramidSettings, work: Work = NO_LIMIT
    ) -> None:
        """Stream the picture into a tiled TIFF. Raises `BrokenImage`, `Stopped` or `CacheError`."""
        image, trouble = (picture.image, picture.trouble) if isinstance(picture, VipsPicture) else (None, Trouble(work))
        if image is None:
            image = vips_encoding.from_raster(picture if isinstance(picture, Raster) else picture.raster())
        trouble.stop_with(image)
        with trouble.told():
            vips_pyramid.save(image, path, settings)

    def estimate(self, info: ImageInfo, plan: Plan) -> int:
        """Return about how many bytes `transform` and `encode` need: what is decoded at once, and the result."""
        stored = in_stored_pixels(info, plan)
        return vips_memory.estimate(info, plan, stored, _choice(info, stored))


def _is_small_and_there(picture: Picture | Raster | Animation) -> bool:
    """Return whether Pillow stores a picture as JPEG in less time: setting libvips up costs more than a tile."""
    if isinstance(picture, PillowPicture):
        return True
    return isinstance(picture, Raster) and picture.width * picture.height <= MOST_PIXELS


def _choice(info: ImageInfo, stored: StoredPlan) -> Choice:
    return choose(stored, _jpeg_copies(stored) if info.format == "jpg" else stored_levels(info))


def _jpeg_copies(stored: StoredPlan) -> list[Copy]:
    sizes = ((by, stored.full_width // by, stored.full_height // by) for by in _SHRINKS)
    return [Copy(by, width, height) for by, width, height in sizes if width and height]


def _opened(blob: Blob, info: ImageInfo, choice: Choice, trouble: Trouble) -> Any:
    """Open a copy of the picture with libvips."""
    if info.format == "tif":
        image = _opened_level(blob, info, choice, trouble)
    else:
        shrink = {"shrink": choice.copy.factor} if info.format == "jpg" else {}
        image = open_whole(blob, info.format, trouble, access="sequential", **shrink)
    if (image.width, image.height) != (choice.copy.width, choice.copy.height):
        raise BrokenImage("The image file is damaged: its picture has another size than its header says.")
    return image


def _opened_level(blob: Blob, info: ImageInfo, choice: Choice, trouble: Trouble) -> Any:
    level = choice.copy.level
    page = tiff.find(blob, level)
    page.check_rows(choice.region.y, choice.region.height)
    if page.planes_apart:
        return open_planes(blob, page, trouble)
    place = {"subifd" if level.subdirectory else "page": level.locator} if level else {}
    return open_part(blob, "tif", trouble, access="random" if info.tile else "sequential", **place)


def _finished(image: Any, stored: StoredPlan, plan: Plan) -> Any:
    """Do what comes after cutting and scaling."""
    if stored.degrees or not stored.move.keeps_rows:
        image = vips_pixels.computed(image)
    image = vips_pixels.move(image, stored.move)
    if stored.degrees:
        image = vips_pixels.turn(image, stored.degrees)
    if plan.quality == "gray":
        return vips_pixels.gray(image)
    return vips_pixels.bitonal(image) if plan.quality == "bitonal" else image


def _number(image: Any, name: str, default: int) -> int:
    return int(image.get(name)) if image.get_typeof(name) else default
