import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit_primitive.chance import seeded
from iiifkit_primitive.outlines import SINES
from iiifkit_primitive.scoring import ONE
from iiifkit_primitive.shapes import CIRCLE, ELLIPSE, RECTANGLE, ROTATED_RECTANGLE, TRIANGLE
from kernels import inside, lives, outline_of

NEAR = 0.02
"""How near an edge a pixel's middle may be to be on either side of it, in pixels."""


def depth(shape, x, y):
    """How deep inside the shape each point is, roughly in pixels; negative outside. From the definition, in floats."""
    kind, a, b, c, d, e, f, _ = shape.tolist()
    if kind == RECTANGLE:
        left, top, right, bottom = min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1
        return np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))
    if kind in (ELLIPSE, CIRCLE):
        return (1 - np.hypot((x - a - 0.5) / c, (y - b - 0.5) / d)) * min(c, d)
    if kind == ROTATED_RECTANGLE:
        cosine, sine = math.cos(math.radians(e)), math.sin(math.radians(e))
        along = (x - a - 0.5) * cosine + (y - b - 0.5) * sine
        across = (y - b - 0.5) * cosine - (x - a - 0.5) * sine
        return np.minimum(c / 2 - abs(along), d / 2 - abs(across))
    corners = [(a + 0.5, b + 0.5), (c + 0.5, d + 0.5), (e + 0.5, f + 0.5)]
    turn = math.copysign(1, (c - a) * (f - b) - (d - b) * (e - a))
    sides = []
    for (px, py), (qx, qy) in zip(corners, corners[1:] + corners[:1], strict=True):
        sides.append(turn * ((qx - px) * (y - py) - (qy - py) * (x - px)) / math.hypot(qx - px, qy - py))
    return np.minimum.reduce(sides)


@given(st.integers(1, 5), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**60))
def test_a_pixel_is_covered_if_its_middle_is_inside(mode, width, height, seed):
    out = np.empty((4, 4, 8), np.int64)
    lives(mode, 128, width, height, seeded(seed), out)
    y, x = np.mgrid[:height, :width] + 0.5
    for shape in out.reshape(-1, 8):
        marked = np.zeros((height, width), np.bool_)
        inside(shape, width, height, marked)
        deep = depth(shape, x, y)
        assert marked[deep > NEAR].all()
        assert not marked[deep < -NEAR].any()


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ((TRIANGLE, 10, 10, 60, 20, 30, 70), 0.5 * abs(50 * 60 - 10 * 20)),
        ((RECTANGLE, 50, 9, 10, 19), 41 * 11),
        ((ELLIPSE, 40, 40, 30, 11), math.pi * 30 * 11),
        ((CIRCLE, 40, 40, 25, 25), math.pi * 25 * 25),
        ((ROTATED_RECTANGLE, 40, 40, 50, 9, 33), 50 * 9),
    ],
)
@pytest.mark.parametrize(("x_scale", "y_scale"), [(1, 16), (7, 7), (40, 640)])
def test_areas_at_any_scale(shape, area, x_scale, y_scale):
    outline = np.zeros((2, 80 * y_scale), np.int64)
    padded = np.array([*shape, *[0] * (8 - len(shape))], np.int64)
    top, bottom = outline_of(padded, x_scale * ONE, y_scale * ONE, outline)
    found = (outline[1, top:bottom] - outline[0, top:bottom]).sum() / 256 / x_scale / y_scale
    assert found == pytest.approx(area, rel=0.004)


def test_no_sine_is_near_the_middle_between_two_whole_numbers():
    """So that a C library whose sine is off by a little still gives the same table."""
    for degrees in range(450):
        exact = math.sin(math.radians(degrees)) * 65536
        fraction = abs(exact - round(exact))
        assert SINES[degrees] == round(exact)
        assert fraction < 0.499
    assert (SINES[0], SINES[90], SINES[180], SINES[270], SINES[360]) == (0, 65536, 0, -65536, 0)
