"""What a shape is worth: how much it lowers the squared error on the canvas."""

from .coloring import best_color
from .compiling import part
from .outlines import SCALE_BITS, Outline, trace
from .shapes import ALPHA, Shape
from .sums import MISSING, PRESENT, PRODUCT, SQUARE, Sums, Total, sum_runs

ONE = 1 << SCALE_BITS
WORTHLESS = 1 << 62


@part
def score(shape: Shape, sums: Sums, outline: Outline, total: Total) -> int:
    """Return by how much the shape, in its best colors, changes the squared error, times 255**2; less is better.

    Blending is taken as exact. A shape that covers no pixel is `WORTHLESS`.
    """
    top, bottom, spans = trace(shape, ONE, ONE, outline)
    pixels, alpha = sum_runs(sums, outline, top, bottom, spans, total), shape[ALPHA]
    if pixels == 0:
        return WORTHLESS
    gained, spread = -total[PRODUCT], total[SQUARE]
    for color in range(3):
        missing, present = total[MISSING + color], total[PRESENT + color]
        best = best_color(missing, present, pixels, alpha)
        gained += best * missing
        spread += best * (pixels * best - 2 * present)
    change: int = alpha * (alpha * spread - 2 * 255 * gained)
    return change
