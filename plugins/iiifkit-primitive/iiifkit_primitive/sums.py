"""What the search knows of each row: running sums that tell in one subtraction what a run of pixels holds.

With the color c on the canvas and d, what the target has more than that, entry ``[y, x]`` holds the sums over the
pixels of row y before x: of d (red, green, blue), of c (red, green, blue), of d*c, and of c*c over all three.
"""

import numpy as np
from numpy.typing import NDArray

from .compiling import part
from .outlines import LEFT, RIGHT, Outline, columns

Sums = NDArray[np.int32]
Total = NDArray[np.int64]
Small = NDArray[np.uint8]

SUMS = 8
MISSING, PRESENT, PRODUCT, SQUARE = 0, 3, 6, 7

LONGEST_ROW = 1 << 13
"""More pixels in a row could overflow the sums: 3 * 255**2 * 2**13 is just below 2**31."""


@part
def sum_rows(target: Small, canvas: Small, sums: Sums, top: int, bottom: int) -> None:
    """Compute the running sums of the rows from ``top`` to before ``bottom``."""
    for y in range(top, bottom):
        for place in range(SUMS):
            sums[y, 0, place] = 0
        for x in range(target.shape[1]):
            product, square = sums[y, x, PRODUCT], sums[y, x, SQUARE]
            for color in range(3):
                present = np.int32(canvas[y, x, color])
                missing = np.int32(target[y, x, color]) - present
                sums[y, x + 1, MISSING + color] = sums[y, x, MISSING + color] + missing
                sums[y, x + 1, PRESENT + color] = sums[y, x, PRESENT + color] + present
                product += missing * present
                square += present * present
            sums[y, x + 1, PRODUCT], sums[y, x + 1, SQUARE] = product, square


@part
def sum_runs(sums: Sums, outline: Outline, top: int, bottom: int, spans: int, total: Total) -> int:
    """Write the sums over the pixels inside an outline into ``total``; return how many pixels they are."""
    pixels, last = 0, sums.shape[1] - 1
    for place in range(SUMS):
        total[place] = 0
    for span in range(0, 2 * spans, 2):
        for y in range(top, bottom):
            first, end = columns(outline[LEFT + span, y], outline[RIGHT + span, y], last)
            if first < end:
                pixels += end - first
                for place in range(SUMS):
                    total[place] += sums[y, end, place] - sums[y, first, place]
    return pixels
