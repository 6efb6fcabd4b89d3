"""Drawing the shapes that were found on a picture of any size, with smooth edges, in whole numbers."""

import numpy as np
from numpy.typing import NDArray

from .coloring import blend
from .compiling import kernel
from .outlines import CELL_BITS, LEFT, RIGHT, SCALE_BITS, SPANS, Outline, trace
from .search import Stroke
from .shapes import ALPHA, Shape
from .small_copy import Picture

LINES = 16
"""In how many lines each row of pixels is sampled."""

FULL = LINES << CELL_BITS
"""The coverage of a pixel that is wholly inside."""

_CELL = 1 << CELL_BITS


class Drawing:
    """A picture on which strokes are drawn, one after the other."""

    def __init__(
        self, width: int, height: int, small_width: int, small_height: int, background: tuple[int, ...]
    ) -> None:
        """Begin with one color, of 1 or 3 bands; strokes are measured in pixels of a small copy of the given size."""
        self.picture = np.empty((height, width, len(background)), np.uint8)
        self.picture[:] = background
        self._x_scale = (width << SCALE_BITS) // small_width
        self._y_scale = (height * LINES << SCALE_BITS) // small_height
        self._outline = np.empty((2 * SPANS, height * LINES), np.int64)
        self._coverage = np.empty(width + 2, np.int32)

    def draw(self, stroke: Stroke) -> None:
        """Draw one stroke over what is there."""
        colors = np.array(stroke.colors[: self.picture.shape[2]], np.int32)
        scales = self._x_scale, self._y_scale
        draw_shape(self.picture, stroke.shape, colors, *scales, self._outline, self._coverage)


@kernel
def draw_shape(
    picture: Picture,
    shape: Shape,
    colors: NDArray[np.int32],
    x_scale: int,
    y_scale: int,
    outline: Outline,
    coverage: NDArray[np.int32],
) -> None:
    """Blend a shape over the picture, each pixel by the part of it that the shape covers.

    A pixel's coverage is the sum, over its `LINES` lines, of the exact lengths inside; it is built up from its
    changes along the row.
    """
    width, bands = picture.shape[1], picture.shape[2]
    edge, whole, alpha = width << CELL_BITS, np.int32(255 * FULL), np.int32(shape[ALPHA])
    top, bottom, spans = trace(shape, x_scale, y_scale, outline)
    for y in range(top // LINES, -(-bottom // LINES)):
        for x in range(len(coverage)):
            coverage[x] = 0
        first, end = width, 0
        for line in range(max(top, y * LINES), min(bottom, (y + 1) * LINES)):
            for span in range(0, 2 * spans, 2):
                start, stop = max(0, outline[LEFT + span, line]), min(edge, outline[RIGHT + span, line])
                if start < stop:
                    first, end = min(first, start >> CELL_BITS), max(end, (stop + _CELL - 1) >> CELL_BITS)
                    coverage[start >> CELL_BITS] += _CELL - (start & (_CELL - 1))
                    coverage[(start >> CELL_BITS) + 1] += start & (_CELL - 1)
                    coverage[stop >> CELL_BITS] -= _CELL - (stop & (_CELL - 1))
                    coverage[(stop >> CELL_BITS) + 1] -= stop & (_CELL - 1)
        covered = np.int32(0)
        for x in range(first, end):
            covered += coverage[x]
            for band in range(bands):
                picture[y, x, band] = blend(np.int32(picture[y, x, band]), colors[band], covered * alpha, whole)
