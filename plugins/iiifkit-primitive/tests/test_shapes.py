import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit_primitive.chance import seeded
from iiifkit_primitive.shapes import (
    CIRCLE,
    CURVE,
    ELLIPSE,
    MARGIN,
    NUMBERS,
    POLYGON,
    RECTANGLE,
    ROTATED_ELLIPSE,
    ROTATED_RECTANGLE,
    TRIANGLE,
    WIDEST,
)
from kernels import inside, lives

SIDES = st.integers(1, 90)


def all_of(mode, alpha, width, height, seed):
    out = np.full((20, 40, NUMBERS), -99, np.int64)
    lives(mode, alpha, width, height, seeded(seed), out)
    return out.reshape(-1, NUMBERS)


@given(st.integers(0, 8), st.integers(0, 255), SIDES, SIDES, st.integers(0, 2**60))
def test_shapes_stay_inside(mode, alpha, width, height, seed):
    for kind, a, b, c, d, e, f, opacity, g, h in all_of(mode, alpha, width, height, seed).tolist():
        assert kind == mode or (mode == 0 and 1 <= kind <= 5)
        assert opacity == alpha or (alpha == 0 and 1 <= opacity <= 255)
        if kind in (TRIANGLE, CURVE, POLYGON):
            assert all(-MARGIN <= x <= width - 1 + MARGIN for x in (a, c, e))
            assert all(-MARGIN <= y <= height - 1 + MARGIN for y in (b, d, f))
            if kind == POLYGON:
                assert -MARGIN <= g <= width - 1 + MARGIN
                assert -MARGIN <= h <= height - 1 + MARGIN
            if kind == CURVE:
                assert 1 <= g <= WIDEST
                assert math.dist((a, b), (e, f)) > max(math.dist((a, b), (c, d)), math.dist((c, d), (e, f)))
            continue
        assert 0 <= a < width
        assert 0 <= b < height
        if kind == RECTANGLE:
            assert 0 <= c < width
            assert 0 <= d < height
        else:
            assert 1 <= c <= max(32, width - 1)
            assert 1 <= d <= max(32, height - 1)
        if kind == CIRCLE:
            assert c == d
        if kind in (ROTATED_RECTANGLE, ROTATED_ELLIPSE):
            assert 0 <= e < 360


@given(SIDES, SIDES, st.integers(0, 2**60))
def test_every_angle_of_a_triangle_exceeds_15_degrees(width, height, seed):
    for shape in all_of(TRIANGLE, 128, width, height, seed):
        corners = shape[1:7].reshape(3, 2).astype(float)
        for corner in range(3):
            one, other = corners[corner - 1] - corners[corner], corners[corner - 2] - corners[corner]
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            assert np.degrees(np.arccos(cosine)) > 14.999


def test_the_mixture_has_all_kinds_alike():
    out = np.empty((5000, 1, NUMBERS), np.int64)
    lives(0, 0, 50, 50, seeded(1), out)
    kinds, counts = np.unique(out[:, 0, 0], return_counts=True)
    assert kinds.tolist() == [TRIANGLE, RECTANGLE, ELLIPSE, CIRCLE, ROTATED_RECTANGLE]
    assert counts.min() > 900


@pytest.mark.parametrize("mode", range(1, 9))
def test_changes_lead_everywhere(mode):
    """Shapes that only change, and are never chosen among, come to cover every pixel and every large size."""
    out = np.empty((1, 3000, NUMBERS), np.int64)
    lives(mode, 0, 40, 30, seeded(2), out)
    covered, largest = np.zeros((30, 40), int), 0
    for shape in out[0]:
        marked = np.zeros((30, 40), np.int64)
        inside(shape, 40, 30, marked)
        covered += marked
        largest = max(largest, int(marked.sum()))
    assert covered.min() > 0
    assert largest > 500
    assert np.unique(out[0, :, 7]).size > 100
