"""The outline of a shape: where it begins and ends in each row of a grid, in whole numbers.

Every shape is convex, so a row crosses it once, from a left place to a right one. The same code serves the search,
whose grid is the small copy, and the drawing, whose grid is finer than the picture. Places in a grid are counted in
1/256 of a cell; a scale says how many cells a pixel of the small copy has, in 1 / 2**24.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .compiling import part
from .shapes import CIRCLE, ELLIPSE, KIND, RECTANGLE, TRIANGLE, Shape

Outline = NDArray[np.int64]

SCALE_BITS = 24
CELL_BITS = 8
HALF = 1 << CELL_BITS - 1
_SINE_BITS = 16
_SLOPE_BITS = 24
_FINE = SCALE_BITS + _SINE_BITS + 1 - CELL_BITS
_FAR = 1 << 40

LEFT, RIGHT = 0, 1

SINES = np.array([round(math.sin(math.radians(degrees)) * (1 << _SINE_BITS)) for degrees in range(450)], np.int64)
"""The sine of 0 to 449 degrees in 1/65536; the cosine of an angle is the sine 90 degrees on."""


@part
def trace(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    """Write where the shape begins and ends in each row into ``outline``, of shape ``(2, rows)``.

    Returns the first row and the one after the last. A row is sampled in its middle. Places may lie outside the
    grid, and the right one left of the left one.
    """
    kind = shape[KIND]
    if kind == TRIANGLE:
        return _trace_triangle(shape, x_scale, y_scale, outline)
    if kind == RECTANGLE:
        return _trace_rectangle(shape, x_scale, y_scale, outline)
    if kind in (ELLIPSE, CIRCLE):
        return _trace_ellipse(shape, x_scale, y_scale, outline)
    return _trace_rotated_rectangle(shape, x_scale, y_scale, outline)


@part
def _trace_triangle(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    ax, ay = _middle(shape[1], x_scale), _middle(shape[2], y_scale)
    bx, by = _middle(shape[3], x_scale), _middle(shape[4], y_scale)
    cx, cy = _middle(shape[5], x_scale), _middle(shape[6], y_scale)
    top, bottom = _row(min(ay, by, cy), outline), _row(max(ay, by, cy), outline)
    _fill(_FAR, -_FAR, top, bottom, outline)
    _trace_edge(ax, ay, bx, by, outline)
    _trace_edge(bx, by, cx, cy, outline)
    _trace_edge(cx, cy, ax, ay, outline)
    return top, bottom


@part
def _trace_rectangle(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    top = _row(_start(min(shape[2], shape[4]), y_scale), outline)
    bottom = _row(_start(max(shape[2], shape[4]) + 1, y_scale), outline)
    left, right = _start(min(shape[1], shape[3]), x_scale), _start(max(shape[1], shape[3]) + 1, x_scale)
    _fill(left, right, top, bottom, outline)
    return top, bottom


@part
def _trace_ellipse(shape: Shape, x_scale: int, y_scale: int, outline: Outline) -> tuple[int, int]:
    x, y = _middle(shape[1], x_scale), _middle(shape[2], y_scale)
    x_radius, y_radius = _start(shape[3], x_scale), _start(shape[4], y_scale)
    top, bottom = _row(y - y_radius, outline), _row(y + y_radius, outline)
    ratio = (x_radius << _SLOPE_BITS) // y_radius
    for row in range(top, bottom):
        away = (row << CELL_BITS) + HALF - y
        # IEEE 754 rounds the conversion and the root alike everywhere; what follows is whole numbers again.
        root = np.int64(math.sqrt(np.float64(max(0, y_radius * y_radius - away * away))))
        half = (root * ratio) >> _SLOPE_BITS
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
    _fill(_FAR, -_FAR, top, bottom, outline)
    _trace_edge(ax, ay, bx, by, outline)
    _trace_edge(bx, by, cx, cy, outline)
    _trace_edge(cx, cy, dx, dy, outline)
    _trace_edge(dx, dy, ax, ay, outline)
    return top, bottom


@part
def _trace_edge(ax: int, ay: int, bx: int, by: int, outline: Outline) -> None:
    """Widen the rows that one edge of a polygon crosses, so that they reach it."""
    if ay > by:
        ax, ay, bx, by = bx, by, ax, ay
    top, bottom = _row(ay, outline), _row(by, outline)
    if top == bottom:
        return
    slope = ((bx - ax) << _SLOPE_BITS) // (by - ay)
    for row in range(top, bottom):
        x = ax + ((((row << CELL_BITS) + HALF - ay) * slope) >> _SLOPE_BITS)
        outline[LEFT, row] = min(outline[LEFT, row], x)
        outline[RIGHT, row] = max(outline[RIGHT, row], x)


@part
def _fill(left: int, right: int, top: int, bottom: int, outline: Outline) -> None:
    for row in range(top, bottom):
        outline[LEFT, row], outline[RIGHT, row] = left, right


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
