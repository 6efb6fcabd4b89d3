"""The engine Pillow: reads JPEG 2000, writes PDF, and works where libvips is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from .. import tiff
from ..blob import Blob
from ..contracts import NO_LIMIT, Picture, PyramidSettings, Work
from ..encoding import EncodeOptions
from ..errors import BrokenImage, UnsupportedImage
from ..image_api.formats import FORMATS
from ..image_api.image import ImageInfo
from ..image_api.plan import Box, Plan
from ..raster import Animation, Raster
from . import jp2_header, pillow_abilities, pillow_encoding, pillow_memory, pillow_pixels
from .joining import joined
from .orientation import StoredPlan, in_stored_pixels, upright
from .pillow_files import NEEDS, BlobFile, check, open_image, told
from .shrinking import Choice, Copy, choose, stored_levels

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_JPEG_SHRINKS = (2, 4, 8)
_COMMON = ("jpg", "png", "gif")
_ORIENTATION_TAG = 0x0112
_GRAY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")


class PillowPicture(msgspec.Struct):
    """A finished picture of mode L, LA, RGB or RGBA."""

    image: "Image"

    def raster(self) -> Raster:
        """Return the pixels."""
        return Raster.from_pillow(self.image)


class PillowEngine:
    """Reads and writes with Pillow, without its own limit of pixels: the limits of the config stand before it."""

    def __init__(self, encode: EncodeOptions | None = None) -> None:
        """Find out what Pillow can do; it is loaded when it is needed. Raises `SetupError` if it is not there."""
        self._encode = encode or EncodeOptions()
        self.fingerprint = pillow_abilities.fingerprint()
        self.reads = frozenset(("gif", *(name for name, library in NEEDS.items() if pillow_abilities.has(library))))
        self.writes = frozenset(
            name
            for name, (_, library) in pillow_encoding.WRITERS.items()
            if not library or pillow_abilities.has(library)
        )

    def probe(self, blob: Blob, format: str) -> ImageInfo:
        """Return size and nature of the image, from its header. Raises `BrokenImage` or `UnsupportedImage`."""
        if format == "tif":
            return tiff.probe(blob)
        with told(NO_LIMIT), _opened(blob, format) as image:
            orientation = _orientation(image)
            width, height = upright(orientation).size(*image.size)
            return ImageInfo(
                width,
                height,
                format,
                color=image.mode not in _GRAY if format != "png" else blob.read(25, 1) not in (b"\0", b"\4"),
                alpha=image.has_transparency_data,
                bits=_bits(blob, format, image.mode),
                orientation=1 if format == "avif" else orientation,
                progressive=bool(image.info.get("progressive") or image.info.get("interlace")),
            )

    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> PillowPicture:
        """Make the plan's picture. Raises `BrokenImage` or `Stopped`."""
        if info.format == "tif":
            return self._transform_tiff(blob, info, plan, work)
        with told(work), _opened(blob, info.format) as image:
            orientation = _orientation(image) if info.format == "avif" else info.orientation
            stored = in_stored_pixels(replace(info, orientation=orientation), plan)
            choice = choose(stored, _copies(blob, info))
            _shrink(image, choice.copy.factor)
            picture, profile = _decoded(image, info, choice)
            return _finished(picture, profile, choice.region, stored, plan, work)

    def _transform_tiff(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work) -> PillowPicture:
        with told(work):
            if info.orientation != 1:  # Pillow applies each directory's own, so levels would need their tags read
                info = replace(info, orientation=1, levels=())
            stored = in_stored_pixels(info, plan)
            choice = choose(stored, stored_levels(info))
            tiles = joined(blob, choice, plan.quality in ("gray", "bitonal"), work)
            if tiles is not None:
                return _finished(tiles, None, replace(choice.region, x=0, y=0), stored, plan, work)
            directory = tiff.find(blob, choice.copy.level).directory
            patch = directory.tiff.beginning_with(directory.offset)
            with _opened(blob, "tif", *patch) as image:
                picture, profile = _decoded(image, info, choice)
                return _finished(picture, profile, choice.region, stored, plan, work)

    def encode(self, picture: Picture | Raster | Animation, plan: Plan, work: Work = NO_LIMIT) -> bytes:
        """Store the picture in ``plan.format``. Raises `BrokenImage` or `Stopped`."""
        pillow_abilities.load_common() if plan.format in _COMMON else pillow_abilities.load()
        if isinstance(picture, Animation) and FORMATS[plan.format].animated and len(picture.frames) > 1:
            with told(work):
                return pillow_encoding.save_animation(picture, plan.format, self._encode)
        if isinstance(picture, Animation):
            picture = picture.last
        if isinstance(picture, PillowPicture):
            image = picture.image
        else:
            image = (picture if isinstance(picture, Raster) else picture.raster()).to_pillow()
        with told(work):
            return pillow_encoding.save(image, plan.format, self._encode, plan.quality == "bitonal")

    saves_pyramids = False

    def save_pyramid(
        self, picture: Picture | Raster, path: Path, settings: PyramidSettings, work: Work = NO_LIMIT
    ) -> None:
        """Refuse: Pillow holds whole pictures in memory."""
        raise UnsupportedImage("Pillow does not build pyramids.")

    def estimate(self, info: ImageInfo, plan: Plan) -> int:
        """Return about how many bytes `transform` and `encode` need: the whole decoded picture, and the result."""
        stored = in_stored_pixels(replace(info, levels=()), plan)
        shrinks = _JPEG_SHRINKS if info.format == "jpg" else ()
        copies = [Copy(by, -(-stored.full_width // by), -(-stored.full_height // by)) for by in shrinks]
        choice = choose(stored, [*copies, *(stored_levels(info) if info.format == "tif" else ())])
        return pillow_memory.estimate(info, plan, stored, choice)


@contextmanager
def _opened(blob: Blob, format: str, directory: bytes = b"", directory_at: int = 0) -> Iterator["ImageFile"]:
    """Open an image for as long as it is read."""
    pillow_abilities.load()
    with BlobFile(blob, directory, directory_at) as file, open_image(file, format) as image:
        yield image


def _decoded(image: "ImageFile", info: ImageInfo, choice: Choice) -> tuple["Image", bytes | None]:
    """Return a copy's pixels, and the profile that they are to be seen with."""
    profile = image.info.get("icc_profile")
    image.load()
    if image.size != (choice.copy.width, choice.copy.height):
        raise BrokenImage("The image file is damaged: its picture has another size than its header says.")
    picture = pillow_pixels.plain(_kept(image))
    if picture.mode == "RGBA" and not info.color:
        picture = picture.convert("LA")  # 16-bit gray with alpha is opened as color
    return picture, profile


def _finished(
    picture: "Image", profile: bytes | None, region: Box, stored: StoredPlan, plan: Plan, work: Work
) -> PillowPicture:
    """Cut the region out of a copy, and do all that comes after it."""
    picture = pillow_pixels.crop(picture, region.x, region.y, region.width, region.height)
    check(work)
    picture = pillow_pixels.scale(picture, stored.width, stored.height)
    check(work)
    picture = pillow_pixels.move(pillow_pixels.to_srgb(picture, profile), stored.move)
    if stored.degrees:
        picture = pillow_pixels.turn(picture, stored.degrees)
    check(work)
    if plan.quality == "gray":
        picture = pillow_pixels.gray(picture)
    elif plan.quality == "bitonal":
        picture = pillow_pixels.bitonal(picture)
    return PillowPicture(picture)


def _kept(image: "ImageFile") -> "Image":
    """Return the decoded picture with what its colors need to be understood, and nothing else."""
    transparency = image.info.get("transparency")
    image.info = {} if transparency is None else {"transparency": transparency}
    return image


def _orientation(image: "ImageFile") -> int:
    """Return the EXIF orientation, without decoding a PNG to its end as ``image.getexif()`` does."""
    from PIL import Image

    exif = Image.Exif()
    exif.load(image.info.get("exif") or b"")
    value: Any = exif.get(_ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _bits(blob: Blob, format: str, mode: str) -> int:
    if format == "png":
        return min(16, max(1, blob.read(24, 1)[0]))
    return {"1": 1}.get(mode, 16 if mode.startswith("I") else 8)


def _copies(blob: Blob, info: ImageInfo) -> list[Copy]:
    """Return what the decoder itself can make, in stored pixels."""
    width, height = upright(info.orientation).inverse.size(info.width, info.height)
    if info.format == "jp2":
        factors, slack = [2**power for power in range(1, min(8, jp2_header.halvings(blob)) + 1)], 2
    else:
        factors, slack = list(_JPEG_SHRINKS) if info.format == "jpg" else [], 1
    return [Copy(factor, -(-width // factor), -(-height // factor), slack=slack) for factor in factors]


def _shrink(image: "ImageFile", factor: int) -> None:
    """Tell the decoder to make the picture ``factor`` times smaller, sides rounded up."""
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

    if factor == 1:
        return
    if isinstance(image, Jpeg2KImageFile):
        image.reduce = factor.bit_length() - 1
    else:
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
