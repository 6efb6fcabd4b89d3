"""Pictures for the tests."""

from functools import cache
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image


@cache
def photograph(name: str, width: int = 500) -> NDArray[np.uint8]:
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        rgb = image.convert("RGB")
    return np.array(rgb.resize((width, round(rgb.height * width / rgb.width)), Image.Resampling.LANCZOS))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Blotches of several sizes, made with whole numbers only."""
    y, x = np.mgrid[:height, :width]
    bands = [(x * (3 + band) + y * (5 - band) + (x // 7 ^ y // 5) * 40 + seed * 31) % 256 for band in range(3)]
    return np.stack(bands, axis=2).astype(np.uint8)


def shape_of(kind, *parameters, alpha=255):
    """The numbers of a shape: six parameters, alpha, and what parameters curves and polygons have beyond six."""
    padded = [*parameters, *[0] * (8 - len(parameters))]
    return np.array([kind, *padded[:6], alpha, *padded[6:]], np.int64)
