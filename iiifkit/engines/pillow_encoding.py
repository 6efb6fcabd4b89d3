"""Storing pictures with Pillow."""

import io
import os
from typing import TYPE_CHECKING, Any

from ..encoding import EncodeOptions
from ..errors import UnsupportedImage
from ..raster import Animation
from . import pillow_abilities, pillow_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

WRITERS = {
    "jpg": ("JPEG", "jpg"),
    "png": ("PNG", "zlib"),
    "tif": ("TIFF", "libtiff"),
    "gif": ("GIF", None),
    "webp": ("WEBP", "webp"),
    "avif": ("AVIF", "avif"),
    "jp2": ("JPEG2000", "jpg_2000"),
    "pdf": ("PDF", "jpg"),
}
"""Pillow's name of each format, and the library that it needs."""

_HELD_PIXELS = 256 * 256
"""Larger pictures take longer to encode than a file costs."""

_OPAQUE = ("jpg", "pdf")
_ONE_BIT = ("png", "tif", "pdf")


def save(image: "Image", format: str, options: EncodeOptions, bitonal: bool) -> bytes:
    """Store one picture, with no metadata but its colors."""
    if image.info:
        image = image.copy()
        image.info = {}
    if format in _OPAQUE:
        image = pillow_pixels.flat(image)
    if bitonal and format in _ONE_BIT:
        from PIL.Image import Dither

        image = image.convert("1", dither=Dither.NONE)
    if format == "gif":
        image = _sharp_edges(image)
    return _written(image, format, _settings(image, format, options))


def save_animation(animation: Animation, format: str, options: EncodeOptions) -> bytes:
    """Store all frames, with their durations."""
    frames = [frame.raster.to_pillow() for frame in animation.frames]
    if format == "gif":
        frames = [_sharp_edges(frame) for frame in frames]
    together = {
        "save_all": True,
        "append_images": frames[1:],
        "duration": [frame.milliseconds for frame in animation.frames],
        "loop": animation.loop,
    }
    return _written(frames[0], format, _settings(frames[0], format, options) | together)


def _written(image: "Image", format: str, arguments: dict[str, Any]) -> bytes:
    name, library = WRITERS.get(format, ("", None))
    if not name or (library and not pillow_abilities.has(library)):
        raise UnsupportedImage(f"Pillow cannot write the format {format} here.")
    if format == "jpg" and image.width * image.height > _HELD_PIXELS and hasattr(os, "memfd_create"):
        # Into a file Pillow encodes without holding up all other threads; this one is in memory.
        with open(os.memfd_create("iiifkit"), "w+b") as file:  # noqa: PTH123
            image.save(file, name, **arguments)
            file.seek(0)
            return file.read()
    target = io.BytesIO()
    image.save(target, name, **arguments)
    return target.getvalue()


def _settings(image: "Image", format: str, options: EncodeOptions) -> dict[str, Any]:
    """Return the arguments of Pillow's writer."""
    if format == "jpg":
        full = options.jpg.subsampling == "4:4:4" or (options.jpg.subsampling == "auto" and options.jpg.quality >= 90)
        arguments = {"quality": options.jpg.quality, "progressive": options.jpg.progressive}
        return arguments | ({} if image.mode == "L" else {"subsampling": "4:4:4" if full else "4:2:0"})
    if format == "png":
        return {"compress_level": options.png.compression}
    if format == "tif":
        compression = options.tif.compression_of(len(image.getbands()), image.mode == "1")
        if compression == "jpeg":
            return {"compression": "jpeg", "quality": 80}
        return {"compression": {"none": "raw", "lzw": "tiff_lzw"}.get(compression, "tiff_adobe_deflate")}
    if format == "webp":
        return {"quality": options.webp.quality, "method": options.webp.effort, "lossless": options.webp.lossless}
    if format == "avif":
        speed = 9 - options.avif.effort
        return {"quality": 100 if options.avif.lossless else options.avif.quality, "speed": speed} | (
            {"subsampling": "4:4:4"} if options.avif.lossless else {}
        )
    if format == "jp2":
        decibels = options.jp2.decibels
        if decibels is None:
            return {"irreversible": False}
        return {"quality_mode": "dB", "quality_layers": [decibels], "irreversible": True}
    if format == "pdf":
        return {"quality": options.pdf.quality, "resolution": 72.0, "creationDate": None, "modDate": None}
    return {}


def _sharp_edges(image: "Image") -> "Image":
    """Return a picture for GIF, where a pixel is transparent or is not."""
    if image.mode not in ("LA", "RGBA"):
        return image
    image = image.convert("RGBA")
    image.putalpha(image.getchannel("A").point([0] * 128 + [255] * 128))
    return image
