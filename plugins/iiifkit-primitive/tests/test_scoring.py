import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifkit_primitive import sums
from iiifkit_primitive.chance import seeded
from iiifkit_primitive.search import Search, begin
from iiifkit_primitive.shapes import NUMBERS, RECTANGLE
from kernels import color_of, inside, lives, score_of
from samples import noise, shape_of

BYTES = st.integers(0, 255)


def error_with(color, target, canvas, alpha):
    """The squared error, times 255**2, after exact blending of one band."""
    return sum((255 * t - c * (255 - alpha) - color * alpha) ** 2 for t, c in zip(target, canvas, strict=True))


@given(st.lists(st.tuples(BYTES, BYTES), min_size=1, max_size=12), st.integers(1, 255))
def test_the_best_color_is_the_best_of_all_256(pixels, alpha):
    target, canvas = zip(*pixels, strict=True)
    missing = sum(target) - sum(canvas)
    found = color_of(missing, sum(canvas), len(pixels), alpha)
    errors = [error_with(color, target, canvas, alpha) for color in range(256)]
    assert errors[found] == min(errors)


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 14), st.integers(1, 11), st.integers(1, 255), st.integers(0, 2**60))
def test_the_score_is_what_brute_force_finds(mode, width, height, alpha, seed):
    target, canvas = noise(height, width, seed % 7), noise(height, width, 9)[::-1].copy()
    table = np.zeros((height, width + 1, sums.SUMS), np.int32)
    begin(target, canvas, table)
    out = np.empty((3, 2, NUMBERS), np.int64)
    lives(mode, alpha, width, height, seeded(seed), out)
    for shape in out.reshape(-1, NUMBERS):
        counted = np.zeros((height, width), np.int64)
        inside(shape, width, height, counted)
        marked = counted > 0
        found = score_of(shape, table)
        if not marked.any():
            assert found >= 1 << 62
            continue
        wanted, before = target[marked].astype(int), canvas[marked].astype(int)
        least = 0
        for band in range(3):
            errors = [
                error_with(color, wanted[:, band].tolist(), before[:, band].tolist(), alpha) for color in range(256)
            ]
            least += min(errors) - 255 * 255 * int(((wanted - before)[:, band] ** 2).sum())
        assert found == least


def test_running_sums_hold_for_the_widest_row_and_the_worst_colors():
    """What could overflow: white that is missing on black, and black that is missing on white."""
    for wanted, before in ((255, 0), (0, 255)):
        target = np.full((1, sums.LONGEST_ROW, 3), wanted, np.uint8)
        canvas = np.full_like(target, before)
        table = np.zeros((1, sums.LONGEST_ROW + 1, sums.SUMS), np.int32)
        begin(target, canvas, table)
        whole = shape_of(RECTANGLE, 0, 0, sums.LONGEST_ROW - 1, 0)
        assert score_of(whole, table) == -3 * 255**4 * sums.LONGEST_ROW


@pytest.mark.parametrize("mode", [0, 6, 7, 8])
@pytest.mark.parametrize("alpha", [1, 40, 128, 255])
def test_colors_are_the_best_of_all_256_on_the_canvas_as_it_is(mode, alpha):
    target = noise(20, 24)
    search = Search(target, mode, alpha)
    for _ in range(6):
        before = search.canvas.astype(int)
        stroke = search.step()
        if stroke is None:
            assert alpha == 1
            continue
        counted = np.zeros(target.shape[:2], np.int64)
        inside(stroke.shape, 24, 20, counted)
        marked = counted > 0
        assert (search.canvas[~marked] == before[~marked]).all()
        for band in range(3):
            t, c = target[marked][:, band].astype(int), before[marked][:, band]
            blended = [(c * (255 - alpha) + color * alpha + 127) // 255 for color in range(256)]
            errors = [int(((t - values) ** 2).sum()) for values in blended]
            assert errors[stroke.colors[band]] == min(errors)
            assert (search.canvas[marked][:, band] == blended[stroke.colors[band]]).all()
