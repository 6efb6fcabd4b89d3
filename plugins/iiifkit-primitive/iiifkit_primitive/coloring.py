"""Blending, and the best color for what a shape covers.

Shapes are compared with colors that follow from sums. The one that is laid gets a color chosen among all 256, on the
canvas as it is, whose values are rounded. That takes no longer for large shapes than for small ones, because pixels
with one color on the canvas stay alike.
"""

import numpy as np
from numpy.typing import NDArray

from .compiling import Number, part
from .outlines import LEFT, RIGHT, Outline, columns
from .sums import Small

Counts = NDArray[np.int64]
"""One number for each of the 256 colors of the canvas, in one band."""


@part
def blend(below: Number, color: Number, weight: Number, whole: Number) -> Number:
    """Return ``color`` laid over ``below``, weighing ``weight`` of ``whole``, rounded."""
    return (below * (whole - weight) + color * weight + whole // 2) // whole


@part
def best_color(missing: int, present: int, pixels: int, alpha: int) -> int:
    """Return the best color if blending is exact: the mean of c + d * 255 / alpha, rounded, within 0 to 255.

    ``missing`` is the sum of all d, ``present`` that of all c, as in `sums`.
    """
    divisor = pixels * alpha
    return max(0, min((2 * (present * alpha + missing * 255) + divisor) // (2 * divisor), 255))


@part
def count_colors(
    target: Small, canvas: Small, band: int, outline: Outline, top: int, bottom: int, spans: int
) -> tuple[Counts, Counts]:
    """Return, for each color on the canvas inside an outline, how many pixels have it, and the sum of their targets."""
    counts, wanted = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for span in range(0, 2 * spans, 2):
        for y in range(top, bottom):
            first, end = columns(outline[LEFT + span, y], outline[RIGHT + span, y], canvas.shape[1])
            for x in range(first, end):
                counts[canvas[y, x, band]] += 1
                wanted[canvas[y, x, band]] += target[y, x, band]
    return counts, wanted


@part
def error_of(counts: Counts, wanted: Counts, color: int, alpha: int) -> int:
    """Return the squared error after blending, less the sum of the squared targets, which no color changes."""
    error = 0
    for below in range(256):
        after = blend(below, color, alpha, 255)
        error += after * (after * counts[below] - 2 * wanted[below])
    return error


@part
def best_rounded_color(counts: Counts, wanted: Counts, alpha: int, guess: int) -> tuple[int, int]:
    """Return the color with the least error, and its `error_of`; ``guess`` if no other is better."""
    best, least = guess, error_of(counts, wanted, guess, alpha)
    for color in range(256):
        error = error_of(counts, wanted, color, alpha)
        if error < least:
            best, least = color, error
    return best, least
