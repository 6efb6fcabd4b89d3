import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifkit_primitive.search import Search, begin
from iiifkit_primitive.shapes import RECTANGLE
from iiifkit_primitive.sums import LONGEST_ROW
from samples import noise, photograph


def error_of(target, canvas):
    return int(((target.astype(int) - canvas) ** 2).sum())


@settings(max_examples=25)
@given(st.integers(0, 8), st.integers(0, 255), st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.booleans())
def test_the_score_falls_at_every_step(mode, alpha, width, height, seed, flat):
    target = np.full((height, width, 3), 90, np.uint8) if flat else noise(height, width, seed)
    search = Search(target, mode, alpha)
    assert search.error == error_of(target, search.canvas)
    for _ in range(4):
        before, canvas = search.score, search.canvas.copy()
        stroke = search.step()
        assert search.error == error_of(target, search.canvas)
        if stroke is None:
            assert (search.canvas == canvas).all()
            assert search.score == before
        else:
            assert stroke.score == search.score < before


@pytest.mark.parametrize("mode", range(9))
def test_every_step_on_a_photograph_lays_a_shape(mode):
    search = Search(photograph("astronaut.png", 120), mode, 0)
    scores = [search.step().score for _ in range(30)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.65 * Search(photograph("astronaut.png", 120), mode, 0).score


def test_the_background_is_the_mean():
    target = np.zeros((2, 3, 3), np.uint8)
    target[0] = 255, 10, 1
    assert Search(target, 1, 0).background == (127, 5, 0)


def test_running_sums_follow_the_canvas():
    target = noise(30, 37)
    search = Search(target, 0, 0)
    for _ in range(10):
        search.step()
    fresh = np.zeros_like(search._sums)
    begin(target, search.canvas, fresh)
    assert (search._sums == fresh).all()


@pytest.mark.parametrize("mode", range(9))
def test_the_same_search_twice_and_a_longer_one_begins_alike(mode):
    target = noise(25, 31)
    one, other = Search(target, mode, 0), Search(target, mode, 0)
    first = [one.step() for _ in range(3)]
    second = [other.step() for _ in range(6)]
    for a, b in zip(first, second, strict=False):
        assert a.shape.tolist() == b.shape.tolist()
        assert (a.colors, a.score) == (b.colors, b.score)


def test_an_opaque_rectangle_is_found_at_once():
    """Black with one colored rectangle: the mean is not black, so the picture takes several opaque rectangles."""
    target = np.zeros((40, 60, 3), np.uint8)
    target[10:25, 20:50] = 200, 100, 50
    search = Search(target, RECTANGLE, 255)
    found = [search.step() for _ in range(6)]
    assert [20, 10, 49, 24] in [
        [
            min(s.shape[1], s.shape[3]),
            min(s.shape[2], s.shape[4]),
            max(s.shape[1], s.shape[3]),
            max(s.shape[2], s.shape[4]),
        ]
        for s in found
        if s
    ]
    assert search.error == 0


def test_a_finished_picture_is_left_alone():
    search = Search(np.full((9, 9, 3), 77, np.uint8), 0, 0)
    assert search.score == 0
    assert search.step() is None


def test_a_row_that_would_overflow_is_refused():
    with pytest.raises(ValueError, match="at most"):
        Search(np.zeros((1, LONGEST_ROW + 1, 3), np.uint8), 1, 0)
