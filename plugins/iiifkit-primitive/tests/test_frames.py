from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from iiifkit_primitive.frames import MOST_FRAMES, MOST_PIXELS, VISIBLE, stages, thin

SCORES = st.lists(st.floats(0, 1), max_size=400).map(lambda scores: sorted(scores, reverse=True))


@given(SCORES, st.integers(1, 40_000_000))
def test_stages_go_from_nothing_to_all_within_the_bounds(scores, pixels):
    shown = stages(scores, pixels)
    assert shown == sorted(set(shown))
    assert (shown[0], shown[-1]) == (0, len(scores))
    assert len(shown) <= MOST_FRAMES
    assert len(shown) <= 2 or len(shown) * pixels <= MOST_PIXELS


def test_a_stage_is_shown_if_the_score_has_dropped_visibly():
    scores = [0.2, 0.1995, 0.199, 0.1985, 0.19]
    assert 0.199 + VISIBLE <= 0.2
    assert stages(scores, 1) == [0, 1, 3, 5]


def test_the_first_shape_and_the_last_are_always_shown():
    assert stages([0.5, 0.4999, 0.4998], 1) == [0, 1, 3]
    assert stages([], 1) == [0]


@given(st.integers(2, 300), st.integers(2, 100))
def test_thinning_is_even(count, most):
    left = thin(range(count), most)
    assert len(left) == min(count, most)
    assert (left[0], left[-1]) == (0, count - 1)
    gaps = [b - a for a, b in pairwise(left)]
    assert max(gaps) - min(gaps) <= 1
