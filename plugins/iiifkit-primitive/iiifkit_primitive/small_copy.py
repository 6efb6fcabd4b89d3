"""The small copy of a picture that is searched on: each of its pixels is the mean of what it stands for."""

import numpy as np
from numpy.typing import NDArray

from .compiling import kernel
from .sums import Small

SIDE = 400
"""The longest side of a small copy."""

Picture = NDArray[np.uint8]


def small_copy(picture: Picture) -> Small:
    """Return the small copy, of shape ``(height, width, 3)``, of a picture of one to four bands.

    Bands are as in `iiifkit.Raster`. A visible pixel weighs as much as it is opaque; what stands for invisible ones
    only takes the mean color of the others, so that no shape is spent on it.
    """
    height, width = picture.shape[:2]
    longest = max(width, height, SIDE)
    small_height = max(1, (2 * height * SIDE + longest) // (2 * longest))
    small_width = max(1, (2 * width * SIDE + longest) // (2 * longest))
    small = np.zeros((small_height, small_width, 3), np.uint8)
    seen = np.zeros((small_height, small_width), np.bool_)
    shrink(picture, small, seen)
    if seen.any() and not seen.all():
        small[~seen] = small[seen].sum(0, dtype=np.int64) // np.count_nonzero(seen)
    return small


@kernel
def shrink(picture: Picture, small: Small, seen: NDArray[np.bool_]) -> None:
    """Average the picture into ``small``; write into ``seen`` which of its pixels are visible at all.

    A side is measured in pixels of the one times pixels of the other, in which both grids are whole numbers.
    """
    height, width, bands = picture.shape
    rows, columns, _ = small.shape
    last, has_alpha = (2 if bands > 2 else 0), bands % 2 == 0
    for y in range(rows):
        for x in range(columns):
            red = green = blue = whole = 0
            for v in range(y * height // rows, -(-(y + 1) * height // rows)):
                tall = min((v + 1) * rows, (y + 1) * height) - max(v * rows, y * height)
                for u in range(x * width // columns, -(-(x + 1) * width // columns)):
                    weight = tall * (min((u + 1) * columns, (x + 1) * width) - max(u * columns, x * width))
                    if has_alpha:
                        weight *= np.int64(picture[v, u, bands - 1])
                    red += weight * picture[v, u, 0]
                    green += weight * picture[v, u, last // 2]
                    blue += weight * picture[v, u, last]
                    whole += weight
            if whole > 0:
                seen[y, x] = True
                small[y, x, 0] = (2 * red + whole) // (2 * whole)
                small[y, x, 1] = (2 * green + whole) // (2 * whole)
                small[y, x, 2] = (2 * blue + whole) // (2 * whole)
