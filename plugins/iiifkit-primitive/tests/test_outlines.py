import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit_primitive.chance import seeded
from iiifkit_primitive.outlines import SINES, SPANS
from iiifkit_primitive.scoring import ONE
from iiifkit_primitive.shapes import (
    CIRCLE,
    CURVE,
    ELLIPSE,
    NUMBERS,
    POLYGON,
    RECTANGLE,
    ROTATED_ELLIPSE,
    ROTATED_RECTANGLE,
    TRIANGLE,
)
from kernels import inside, lives, outline_of
from samples import shape_of

NEAR = 0.02
"""How near an edge a pixel's middle may be to be on either side of it, in pixels."""

BENT = 1.5
"""The same for curves, which are made of few straight pieces."""


def depth(shape, x, y):
    """How deep inside the shape each point is, roughly in pixels; negative outside. From the definition, in floats."""
    kind, a, b, c, d, e, f, _, g, h = shape.tolist()
    if kind == RECTANGLE:
        left, top, right, bottom = min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1
        return np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))
    if kind in (ELLIPSE, CIRCLE):
        return (1 - np.hypot((x - a - 0.5) / c, (y - b - 0.5) / d)) * min(c, d)
    if kind == POLYGON:
        return depth_in_polygon([(a, b), (c, d), (e, f), (g, h)], x - 0.5, y - 0.5)
    if kind == CURVE:
        return depth_in_curve(np.array([(a, b), (c, d), (e, f)], float), g, x - 0.5, y - 0.5)
    if kind in (ROTATED_RECTANGLE, ROTATED_ELLIPSE):
        cosine, sine = math.cos(math.radians(e)), math.sin(math.radians(e))
        along = (x - a - 0.5) * cosine + (y - b - 0.5) * sine
        across = (y - b - 0.5) * cosine - (x - a - 0.5) * sine
        if kind == ROTATED_ELLIPSE:
            return (1 - np.hypot(along / c, across / d)) * min(c, d)
        return np.minimum(c / 2 - abs(along), d / 2 - abs(across))
    corners = [(a + 0.5, b + 0.5), (c + 0.5, d + 0.5), (e + 0.5, f + 0.5)]
    turn = math.copysign(1, (c - a) * (f - b) - (d - b) * (e - a))
    sides = []
    for (px, py), (qx, qy) in zip(corners, corners[1:] + corners[:1], strict=True):
        sides.append(turn * ((qx - px) * (y - py) - (qy - py) * (x - px)) / math.hypot(qx - px, qy - py))
    return np.minimum.reduce(sides)


def depth_in_polygon(corners, x, y):
    """The distance to the nearest edge; inside if a ray to the right crosses the border an odd number of times."""
    nearest, inside = np.full(x.shape, np.inf), np.zeros(x.shape, np.bool_)
    for (px, py), (qx, qy) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = (qx - px) ** 2 + (qy - py) ** 2
        along = np.clip(((x - px) * (qx - px) + (y - py) * (qy - py)) / (length or 1), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - px - along * (qx - px), y - py - along * (qy - py)))
        if py != qy:
            inside ^= ((py > y) != (qy > y)) & (x < (qx - px) * (y - py) / (qy - py) + px)
    return np.where(inside, nearest, -nearest)


def depth_in_curve(points, width, x, y):
    """Half the width, less the distance to the curve; nothing is said of what is nearest to its ends.

    Nor of curves that somewhere bend in less than half their width: there their edge crosses itself.
    """
    t = np.linspace(0, 1, 400)[:, None]
    speed = 2 * (1 - t) * (points[1] - points[0]) + 2 * t * (points[2] - points[1])
    bend = 2 * (points[2] - 2 * points[1] + points[0])
    if (abs(speed[:, 0] * bend[1] - speed[:, 1] * bend[0]) * width / 2 > np.hypot(*speed.T) ** 3).any():
        return np.zeros(x.shape)
    curve = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]
    distances = np.hypot(x[..., None] - curve[:, 0], y[..., None] - curve[:, 1])
    deep = width / 2 - distances.min(-1)
    at_an_end = np.isin(distances.argmin(-1), (0, len(t) - 1))
    return np.where(at_an_end & (deep > -BENT), 0, deep)


@given(st.integers(1, 8), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**60))
def test_a_pixel_is_covered_if_its_middle_is_inside(mode, width, height, seed):
    out = np.empty((4, 4, NUMBERS), np.int64)
    lives(mode, 128, width, height, seeded(seed), out)
    y, x = np.mgrid[:height, :width] + 0.5
    for shape in out.reshape(-1, NUMBERS):
        marked = np.zeros((height, width), np.int64)
        inside(shape, width, height, marked)
        assert marked.max() <= 1
        deep, near = depth(shape, x, y), BENT if mode == CURVE else NEAR
        assert marked[deep > near].all()
        assert not marked[deep < -near].any()


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ((TRIANGLE, 10, 10, 60, 20, 30, 70), 0.5 * abs(50 * 60 - 10 * 20)),
        ((RECTANGLE, 50, 9, 10, 19), 41 * 11),
        ((ELLIPSE, 40, 40, 30, 11), math.pi * 30 * 11),
        ((CIRCLE, 40, 40, 25, 25), math.pi * 25 * 25),
        ((ROTATED_RECTANGLE, 40, 40, 50, 9, 33), 50 * 9),
        ((ROTATED_ELLIPSE, 40, 40, 30, 11, 33), math.pi * 30 * 11),
        ((POLYGON, 10, 10, 60, 20, 40, 30, 30, 70), 1050),
        ((POLYGON, 10, 10, 50, 60, 50, 10, 10, 60), 1000),
        ((CURVE, 10, 60, 30, 5, 70, 40, 7), 7 * 81.226),
        ((CURVE, 10, 30, 30, 30, 60, 30, 4), 4 * 50),
    ],
)
@pytest.mark.parametrize(("x_scale", "y_scale"), [(1, 16), (7, 7), (40, 640)])
def test_areas_at_any_scale(shape, area, x_scale, y_scale):
    outline = np.zeros((2 * SPANS, 80 * y_scale), np.int64)
    top, bottom, spans = outline_of(shape_of(*shape), x_scale * ONE, y_scale * ONE, outline)
    lengths = outline[1 : 2 * spans : 2, top:bottom] - outline[0 : 2 * spans : 2, top:bottom]
    found = np.maximum(lengths, 0).sum() / 256 / x_scale / y_scale
    assert found == pytest.approx(area, rel=0.004)


def test_no_sine_is_near_the_middle_between_two_whole_numbers():
    """So that a C library whose sine is off by a little still gives the same table."""
    for degrees in range(450):
        exact = math.sin(math.radians(degrees)) * 65536
        fraction = abs(exact - round(exact))
        assert SINES[degrees] == round(exact)
        assert fraction < 0.499
    assert (SINES[0], SINES[90], SINES[180], SINES[270], SINES[360]) == (0, 65536, 0, -65536, 0)
