"""The outline of a shape: where it begins and ends in each row of a grid, in whole numbers.

A row crosses a convex shape once, from a left place to a right one; curves and polygons are crossed twice at most, in
two spans that do not overlap. The same code serves the search, whose grid is the small copy, and the drawing, whose
grid is finer than the picture. Places in a grid are counted in 1/256 of a cell; a scale says how many cells a pixel
of the small copy has, in 1 / 2**24.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .compiling import Number, part
from .shapes import (
    CIRCLE,
    CURVE,
    ELLIPSE,
    FOURTH,
    KIND,
    POLYGON,
    RECTANGLE,
    ROTATED_RECTANGLE,
    TRIANGLE,
    WIDTH,
    Shape,
)

Outline = NDArray[np.int64]

SCALE_BITS = 24
CELL_BITS = 8
HALF = 1 << CELL_BITS - 1
_SINE_BITS = 16
_SLOPE_BITS = 24
_RATIO_BITS = 20
_PIECES_BITS = 5
_LITTLE = 12
_FINE = SCALE_BITS + _SINE_BITS + 1 - CELL_BITS
_FAR = 1 << 40

LEFT, RIGHT = 0, 1
"""Where the first span of a row is in an outline; the second is two places on."""

SPANS = 2
"""The most spans of a row."""

SINES = np.array([round(math.sin(math.radians(degrees)) * (1 << _SINE_BITS)) for degrees in range(450)], np.int64)
"""The sine of 0 to 449 degrees in 1/65536; the cosine of an angle is the sine 90 degrees on."""


@part
def trace(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int, int]:
    """Write where the shape begins and ends in each row into ``outline``, of shape ``(2 * SPANS, rows)``.

    Returns the first row, the one after the last, and how many spans were written for each. A row is sampled in its
    middle. Places may lie outside the grid, and the right one of a span left of the left one.
    """
    kind, spans = shape[KIND], 1
    if kind == TRIANGLE:
        top, bottom = _trace_triangle(shape, x_scale, y_scale, outline)
    elif kind == RECTANGLE:
        top, bottom = _trace_rectangle(shape, x_scale, y_scale, outline)
    elif kind in (ELLIPSE, CIRCLE):
        top, bottom = _trace_ellipse(shape, x_scale, y_scale, outline)
    elif kind == ROTATED_RECTANGLE:
        top, bottom = _trace_rotated_rectangle(shape, x_scale, y_scale, outline)
    elif kind == CURVE:
        top, bottom, spans = _trace_curve(shape, x_scale, y_scale, outline)
    elif kind == POLYGON:
        top, bottom = _trace_polygon(shape, x_scale, y_scale, outline)
        spans = 2
    else:
        top, bottom = _trace_rotated_ellipse(shape, x_scale, y_scale, outline)
    return top, bottom, spans


@part
def _trace_triangle(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    ax, ay = _middle(shape[1], x_scale), _middle(shape[2], y_scale)
    bx, by = _middle(shape[3], x_scale), _middle(shape[4], y_scale)
    cx, cy = _middle(shape[5], x_scale), _middle(shape[6], y_scale)
    top, bottom = _row(min(ay, by, cy), outline), _row(max(ay, by, cy), outline)
    _fill(_FAR, -_FAR, top, bottom, outline, LEFT)
    _trace_edge(ax, ay, bx, by, outline, LEFT)
    _trace_edge(bx, by, cx, cy, outline, LEFT)
    _trace_edge(cx, cy, ax, ay, outline, LEFT)
    return top, bottom


@part
def _trace_rectangle(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    top = _row(_start(min(shape[2], shape[4]), y_scale), outline)
    bottom = _row(_start(max(shape[2], shape[4]) + 1, y_scale), outline)
    left, right = _start(min(shape[1], shape[3]), x_scale), _start(max(shape[1], shape[3]) + 1, x_scale)
    _fill(left, right, top, bottom, outline, LEFT)
    return top, bottom


@part
def _trace_ellipse(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    x, y = _middle(shape[1], x_scale), _middle(shape[2], y_scale)
    x_radius, y_radius = _start(shape[3], x_scale), _start(shape[4], y_scale)
    top, bottom = _row(y - y_radius, outline), _row(y + y_radius, outline)
    ratio = (x_radius << _SLOPE_BITS) // y_radius
    for row in range(top, bottom):
        away = (row << CELL_BITS) + HALF - y
        half = (_root(max(0, y_radius * y_radius - away * away)) * ratio) >> _SLOPE_BITS
        outline[LEFT, row], outline[RIGHT, row] = x - half, x + half
    return top, bottom


@part
def _trace_rotated_rectangle(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    sine, cosine = SINES[shape[5]], SINES[shape[5] + 90]
    x, y = _fine_middle(shape[1]), _fine_middle(shape[2])
    along_x, along_y = shape[3] * cosine, shape[3] * sine
    across_x, across_y = -shape[4] * sine, shape[4] * cosine
    ax, ay = _cells(x - along_x - across_x, x_scale), _cells(y - along_y - across_y, y_scale)
    bx, by = _cells(x + along_x - across_x, x_scale), _cells(y + along_y - across_y, y_scale)
    cx, cy = _cells(x + along_x + across_x, x_scale), _cells(y + along_y + across_y, y_scale)
    dx, dy = _cells(x - along_x + across_x, x_scale), _cells(y - along_y + across_y, y_scale)
    top, bottom = _row(min(ay, by, cy, dy), outline), _row(max(ay, by, cy, dy), outline)
    _fill(_FAR, -_FAR, top, bottom, outline, LEFT)
    _trace_edge(ax, ay, bx, by, outline, LEFT)
    _trace_edge(bx, by, cx, cy, outline, LEFT)
    _trace_edge(cx, cy, dx, dy, outline, LEFT)
    _trace_edge(dx, dy, ax, ay, outline, LEFT)
    return top, bottom


@part
def _trace_rotated_ellipse(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    """Trace (x cos + y sin)**2 / a**2 + (y cos - x sin)**2 / b**2 = 1, solved for x.

    With r = a**2 sin**2 + b**2 cos**2, the square of its half height, the middle of row y is at
    y (a**2 - b**2) sin cos / r, and half of it is sqrt(r - y**2) a b / r long.
    """
    sine, cosine = SINES[shape[5]], SINES[shape[5] + 90]
    a, b = shape[3], shape[4]
    square = a * a * sine * sine + b * b * cosine * cosine
    x, y = _middle(shape[1], x_scale), _middle(shape[2], y_scale)
    y_radius = (_root(square) * y_scale) >> (SCALE_BITS + _SINE_BITS - CELL_BITS)
    top, bottom = _row(y - y_radius, outline), _row(y + y_radius, outline)
    square >>= _SINE_BITS
    scales = (x_scale << _RATIO_BITS) // y_scale
    ratio = (((a * b) << (_SLOPE_BITS + _SINE_BITS)) // square * scales) >> _RATIO_BITS
    skew = ((((a * a - b * b) * sine * cosine >> _SINE_BITS) << _SLOPE_BITS) // square * scales) >> _RATIO_BITS
    for row in range(top, bottom):
        away = (row << CELL_BITS) + HALF - y
        middle = x + ((away * skew) >> _SLOPE_BITS)
        half = (_root(max(0, y_radius * y_radius - away * away)) * ratio) >> _SLOPE_BITS
        outline[LEFT, row], outline[RIGHT, row] = middle - half, middle + half
    return top, bottom


@part
def _trace_polygon(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    """Write the places where each row crosses the four edges, in order: between them it is inside and outside in turn.

    Four edges cross each other once at most, so that nothing is encircled twice.
    """
    ax, ay = _middle(shape[1], x_scale), _middle(shape[2], y_scale)
    bx, by = _middle(shape[3], x_scale), _middle(shape[4], y_scale)
    cx, cy = _middle(shape[5], x_scale), _middle(shape[6], y_scale)
    dx, dy = _middle(shape[FOURTH], x_scale), _middle(shape[FOURTH + 1], y_scale)
    top, bottom = _row(min(ay, by, cy, dy), outline), _row(max(ay, by, cy, dy), outline)
    _fill(_FAR, _FAR, top, bottom, outline, LEFT)
    _fill(_FAR, _FAR, top, bottom, outline, LEFT + 2)
    _cross_edge(ax, ay, bx, by, outline)
    _cross_edge(bx, by, cx, cy, outline)
    _cross_edge(cx, cy, dx, dy, outline)
    _cross_edge(dx, dy, ax, ay, outline)
    return top, bottom


@part
def _cross_edge(ax: int, ay: int, bx: int, by: int, outline: Outline) -> None:
    """Put the place where each row crosses an edge among those that are there, in order."""
    if ay > by:
        ax, ay, bx, by = bx, by, ax, ay
    top, bottom = _row(ay, outline), _row(by, outline)
    if top == bottom:
        return
    slope = ((bx - ax) << _SLOPE_BITS) // (by - ay)
    for row in range(top, bottom):
        x = ax + ((((row << CELL_BITS) + HALF - ay) * slope) >> _SLOPE_BITS)
        place = 2 * SPANS - 1
        while place > 0 and outline[place - 1, row] > x:
            outline[place, row] = outline[place - 1, row]
            place -= 1
        outline[place, row] = x


@part
def _trace_curve(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int, int]:
    """Trace a broad line of straight pieces. It goes up and then down, or the other way: each way has its span.

    The border of what goes one way is its two sides, and where it begins and ends.
    """
    bits = _pieces_bits(shape) if y_scale == 1 << SCALE_BITS else _PIECES_BITS
    lowest, highest = min(shape[2], shape[4], shape[6]), max(shape[2], shape[4], shape[6])
    top = _row(_start(lowest - shape[WIDTH], y_scale), outline)
    bottom = _row(_start(highest + 1 + shape[WIDTH], y_scale), outline)
    _fill(_FAR, -_FAR, top, bottom, outline, LEFT)
    span, direction, last_y = LEFT, 0, 0
    left_x, left_y, right_x, right_y = 0, 0, 0, 0
    for number in range((1 << bits) + 1):
        x, y, across_x, across_y = _point_of_curve(shape, number, bits)
        ax, ay = _cells(x - across_x, x_scale), _cells(y - across_y, y_scale)
        bx, by = _cells(x + across_x, x_scale), _cells(y + across_y, y_scale)
        if number == 0:
            _trace_edge(ax, ay, bx, by, outline, span)
        else:
            if (y - last_y) * direction < 0:
                _trace_edge(left_x, left_y, right_x, right_y, outline, span)
                span, direction = LEFT + 2, 0
                _fill(_FAR, -_FAR, top, bottom, outline, span)
                _trace_edge(left_x, left_y, right_x, right_y, outline, span)
            elif span == LEFT and y != last_y:
                direction = 1 if y > last_y else -1
            _trace_edge(left_x, left_y, ax, ay, outline, span)
            _trace_edge(right_x, right_y, bx, by, outline, span)
        left_x, left_y, right_x, right_y, last_y = ax, ay, bx, by, y
    _trace_edge(left_x, left_y, right_x, right_y, outline, span)
    if span == LEFT:
        return top, bottom, 1
    _join(top, bottom, outline)
    return top, bottom, 2


@part
def _pieces_bits(shape: Shape) -> int:
    """Return the logarithm of how many pieces a curve has in the search: short ones need fewer."""
    x, y = shape[1] - 2 * shape[3] + shape[5], shape[2] - 2 * shape[4] + shape[6]
    bend = max(abs(x), abs(y))
    return 1 if bend < _LITTLE else 2 if bend < 4 * _LITTLE else 3


@part
def _point_of_curve(shape: Shape, number: int, bits: int) -> tuple[int, int, int, int]:
    """Return a point of a curve, and how far its edge is from there, in 1 / 2**17 of a pixel."""
    pieces = 1 << bits
    rest = pieces - number
    one, two, three = rest * rest, 2 * number * rest, number * number
    x = (one * _fine_middle(shape[1]) + two * _fine_middle(shape[3]) + three * _fine_middle(shape[5])) >> (2 * bits)
    y = (one * _fine_middle(shape[2]) + two * _fine_middle(shape[4]) + three * _fine_middle(shape[6])) >> (2 * bits)
    along_x = rest * (shape[3] - shape[1]) + number * (shape[5] - shape[3])
    along_y = rest * (shape[4] - shape[2]) + number * (shape[6] - shape[4])
    if along_x == 0 and along_y == 0:
        along_x, along_y = shape[5] - shape[1], shape[6] - shape[2]
    length = _root((along_x * along_x + along_y * along_y) << (2 * CELL_BITS))
    reach = (shape[WIDTH] << (_SINE_BITS + CELL_BITS + _RATIO_BITS)) // length
    return x, y, (-along_y * reach) >> _RATIO_BITS, (along_x * reach) >> _RATIO_BITS


@part
def _join(top: int, bottom: int, outline: Outline) -> None:
    """Make one span of two where they overlap."""
    for row in range(top, bottom):
        left, right = max(outline[LEFT, row], outline[LEFT + 2, row]), min(outline[RIGHT, row], outline[RIGHT + 2, row])
        if left <= right:
            outline[LEFT, row] = min(outline[LEFT, row], outline[LEFT + 2, row])
            outline[RIGHT, row] = max(outline[RIGHT, row], outline[RIGHT + 2, row])
            outline[LEFT + 2, row], outline[RIGHT + 2, row] = _FAR, -_FAR


@part
def _trace_edge(ax: int, ay: int, bx: int, by: int, outline: Outline, span: int) -> None:
    """Widen a span of the rows that one edge of a convex polygon crosses, so that they reach it."""
    if ay > by:
        ax, ay, bx, by = bx, by, ax, ay
    top, bottom = _row(ay, outline), _row(by, outline)
    if top == bottom:
        return
    slope = ((bx - ax) << _SLOPE_BITS) // (by - ay)
    for row in range(top, bottom):
        x = ax + ((((row << CELL_BITS) + HALF - ay) * slope) >> _SLOPE_BITS)
        outline[span, row] = min(outline[span, row], x)
        outline[span + 1, row] = max(outline[span + 1, row], x)


@part
def _fill(left: int, right: int, top: int, bottom: int, outline: Outline, span: int) -> None:
    for row in range(top, bottom):
        outline[span, row], outline[span + 1, row] = left, right


@part
def _root(square: int) -> Number:
    """Return the square root, cut to a whole number.

    IEEE 754 rounds the conversion and the root alike everywhere; what follows is whole numbers again.
    """
    return np.int64(math.sqrt(np.float64(square)))


@part
def _row(y: int, outline: Outline) -> int:
    """Return the first row whose middle is not above ``y``, of those that there are."""
    rows: int = outline.shape[1]
    return max(0, min((y + HALF - 1) >> CELL_BITS, rows))


@part
def _start(pixel: int, scale: int) -> int:
    """Return where a pixel of the small copy begins in the grid; also, how long a number of pixels is."""
    return (pixel * scale) >> (SCALE_BITS - CELL_BITS)


@part
def _middle(pixel: int, scale: int) -> int:
    return ((2 * pixel + 1) * scale) >> (SCALE_BITS + 1 - CELL_BITS)


@part
def _fine_middle(pixel: int) -> int:
    """Return the middle of a pixel in the unit of half sides times sines, 1 / 2**17 of a pixel."""
    return (2 * pixel + 1) << _SINE_BITS


@part
def _cells(fine: int, scale: int) -> int:
    return (fine * scale) >> _FINE


@part
def columns(left: int, right: int, width: int) -> tuple[int, int]:
    """Return the cells of a row, first and end, whose middles lie between two places; end may be before first."""
    return max(0, (left + HALF - 1) >> CELL_BITS), min(width, (right + HALF - 1) >> CELL_BITS)
