"""The pictures that the benchmarks serve: photographs from scikit-image's wheel, enlarged, with grain added."""

from pathlib import Path

import numpy
import skimage
from PIL import Image

TIFF = {"tile": True, "tile_width": 256, "tile_height": 256, "compression": "jpeg", "Q": 85, "bigtiff": True}


def photograph(path: Path, width: int, height: int, quality: int = 90) -> Path:
    """Write a JPEG of this size, unless it is there; the grain makes it compress as a photograph does."""
    if path.exists():
        return path
    original = Image.open(Path(skimage.__file__).parent / "data" / "retina.jpg").convert("RGB")
    samples = numpy.asarray(original.resize((width, height), Image.Resampling.LANCZOS)).astype(numpy.int16)
    grain = numpy.random.default_rng(1).integers(-9, 10, samples.shape, dtype=numpy.int16)
    Image.fromarray((samples + grain).clip(0, 255).astype(numpy.uint8)).save(path, quality=quality)
    return path


def pyramid(path: Path, original: Path, quality: int = 80, tile: int = 256) -> Path:
    """Write a tiled pyramid of an image, as libvips makes it, unless it is there."""
    if not path.exists():
        import pyvips

        image = pyvips.Image.new_from_file(str(original), access="sequential")
        image.tiffsave(
            str(path), tile=True, tile_width=tile, tile_height=tile, pyramid=True, compression="jpeg", Q=quality
        )
    return path


def tile_paths(identifier: str, width: int, height: int, tile: int, factors: list[int]) -> list[str]:
    """Return the requests for all whole tiles at some scale factors, in 3.0's spelling."""
    return [
        f"{identifier}/{x},{y},{tile * factor},{tile * factor}/{tile},{tile}/0/default.jpg"
        for factor in factors
        for y in range(0, height - tile * factor + 1, tile * factor)
        for x in range(0, width - tile * factor + 1, tile * factor)
    ]


def mosaic(path: Path, side: int, photo: Path) -> Path:
    """Write a square picture of any size, by tiles of a photograph, without holding it in memory."""
    if not path.exists():
        import pyvips

        image = pyvips.Image.new_from_file(str(photo))
        times = -(-side // min(image.width, image.height))
        image = image.replicate(times, times).crop(0, 0, side, side)
        if path.suffix == ".tif":
            image.tiffsave(str(path), **TIFF)
        else:
            image.jpegsave(str(path), Q=85)
    return path
