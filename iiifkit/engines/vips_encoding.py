"""Storing pictures with libvips."""

from typing import Any

from ..encoding import EncodeOptions
from ..errors import UnsupportedImage
from ..raster import Animation, Raster

SAVERS = {
    "jpg": "jpegsave_buffer",
    "png": "pngsave_buffer",
    "webp": "webpsave_buffer",
    "tif": "tiffsave_buffer",
    "gif": "gifsave_buffer",
    "avif": "heifsave_buffer",
    "jp2": "jp2ksave_buffer",
}
ALPHA = frozenset(("png", "webp", "tif", "gif", "avif", "jp2"))
ANIMATED = frozenset(("gif", "webp"))


def from_raster(raster: Raster) -> Any:
    """Return libvips' view of a neutral picture; it keeps the bytes alive."""
    import pyvips

    image = pyvips.Image.new_from_memory(raster.data, raster.width, raster.height, raster.bands, "uchar")
    return image.copy(interpretation="b-w" if raster.bands < 3 else "srgb")


def from_animation(animation: Animation) -> Any:
    """Return the frames below each other, as libvips wants them, with their durations."""
    import pyvips

    frames = [from_raster(frame.raster) for frame in animation.frames]
    image = pyvips.Image.arrayjoin(frames, across=1).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    image.set_type(pyvips.GValue.gint_type, "loop", animation.loop)
    image.set_type(pyvips.GValue.array_int_type, "delay", [frame.milliseconds for frame in animation.frames])
    return image


def settings(options: EncodeOptions, format: str, bands: int, bitonal: bool) -> dict[str, Any]:
    """Return the saver's arguments for a picture of ``bands`` samples a pixel."""
    if format == "jpg":
        return {
            "Q": options.jpg.quality,
            "interlace": options.jpg.progressive,
            "subsample_mode": {"auto": "auto", "4:4:4": "off", "4:2:0": "on"}[options.jpg.subsampling],
        }
    if format == "png":
        return {"compression": options.png.compression} | ({"bitdepth": 1} if bitonal else {})
    if format == "tif":
        compression = options.tif.compression_of(bands, bitonal)
        predicted = compression in ("deflate", "lzw") and not bitonal
        arguments = {"compression": compression, "predictor": "horizontal" if predicted else "none", "Q": 80}
        return arguments | ({"bitdepth": 1} if bitonal else {})
    if format == "gif":
        return {"effort": options.gif.effort}
    if format == "webp":
        return {"Q": options.webp.quality, "effort": options.webp.effort, "lossless": options.webp.lossless}
    if format == "avif":
        return {
            "compression": "av1",
            "Q": options.avif.quality,
            "effort": options.avif.effort,
            "lossless": options.avif.lossless,
        }
    decibels = options.jp2.decibels
    return {"lossless": True} if decibels is None else {"Q": decibels}


def save(image: Any, format: str, arguments: dict[str, Any]) -> bytes:
    """Compute and store the picture, with no metadata but its colors."""
    import pyvips

    saver = SAVERS.get(format)
    if saver is None or not pyvips.type_find("VipsOperation", saver):
        raise UnsupportedImage(f"libvips cannot write the format {format} here.")
    bare = {"keep": "none"} if pyvips.at_least_libvips(8, 15) else {"strip": True}
    return bytes(getattr(image, saver)(**arguments, **bare))
