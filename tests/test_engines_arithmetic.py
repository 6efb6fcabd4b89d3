"""The arithmetic that both engines share: moves, boxes, and which smaller copy serves a plan."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.engines.canvas import turned_size
from iiifkit.engines.orientation import ORIENTATIONS, Move, StoredPlan, in_stored_pixels, upright
from iiifkit.engines.shrinking import Copy, choose
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.plan import Box, Plan

MOVES = st.builds(Move, st.booleans(), st.integers(0, 3))
SIDES = st.integers(1, 20)


@st.composite
def boxes(draw: Any, width: int, height: int) -> Box:
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return Box(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))


def made(move: Move, array: np.ndarray) -> np.ndarray:
    return np.rot90(np.fliplr(array) if move.mirror else array, -move.quarters)


def cut(array: np.ndarray, box: Box) -> np.ndarray:
    return array[box.y : box.y + box.height, box.x : box.x + box.width]


def numbered(width: int, height: int) -> np.ndarray:
    return np.arange(width * height).reshape(height, width)


@given(MOVES, MOVES)
def test_two_moves_are_one(first: Move, second: Move) -> None:
    picture = numbered(5, 3)
    assert np.array_equal(made(first.then(second), picture), made(second, made(first, picture)))
    assert first.then(first.inverse) == Move()


@given(MOVES, SIDES, SIDES, st.data())
def test_boxes_move_with_their_pixels(move: Move, width: int, height: int, data: Any) -> None:
    picture = numbered(width, height)
    box = data.draw(boxes(width, height))
    moved = made(move, picture)
    assert moved.shape[::-1] == move.size(width, height)
    assert np.array_equal(cut(moved, move.box(box, width, height)), made(move, cut(picture, box)))


@given(st.sampled_from(sorted(ORIENTATIONS)), st.booleans(), st.integers(0, 3), SIDES, SIDES, st.data())
def test_stored_plans_mean_the_same(
    orientation: int, mirror: bool, quarters: int, width: int, height: int, data: Any
) -> None:
    picture = numbered(width, height)
    stored = made(upright(orientation).inverse, picture)
    box = data.draw(boxes(width, height))
    info = ImageInfo(width, height, "jpg", orientation=orientation)
    plan = Plan(box, box.width, box.height, mirror, Fraction(90 * quarters), "color", "png")
    wanted = made(Move(mirror, quarters), cut(picture, box))
    result = in_stored_pixels(info, plan)
    assert (result.full_width, result.full_height) == stored.shape[::-1]
    assert (result.width, result.height) == (result.region.width, result.region.height)
    assert np.array_equal(made(result.move, cut(stored, result.region)), wanted)


@given(st.data(), st.integers(1, 600), st.integers(1, 600), st.booleans())
def test_a_chosen_copy_has_all_that_is_needed(data: Any, width: int, height: int, floored: bool) -> None:
    box = data.draw(boxes(width, height))
    wanted = (data.draw(st.integers(1, 2 * box.width)), data.draw(st.integers(1, 2 * box.height)))
    plan = StoredPlan(width, height, box, *wanted, Move(), 0.0)
    sides = (lambda side, by: max(1, side // by)) if floored else (lambda side, by: math.ceil(side / by))
    choice = choose(plan, [Copy(by, sides(width, by), sides(height, by)) for by in (2, 4, 8)])
    factor = choice.copy.factor
    for start, length, full, out, stored, first, found in (
        (box.x, box.width, width, wanted[0], choice.copy.width, choice.region.x, choice.region.width),
        (box.y, box.height, height, wanted[1], choice.copy.height, choice.region.y, choice.region.height),
    ):
        assert found >= min(out, length)
        assert 0 <= first < stored
        pixel = length / out  # of the result, in pixels of the full picture
        assert abs(first * factor - start) <= pixel / 8
        end = min((first + found) * factor, full)
        assert abs(end - start - length) <= pixel / 8
        lacking = (first + found - stored) * factor
        assert lacking <= 0 or factor <= pixel / 2


def test_the_grid_of_viewers_reads_the_copy_itself() -> None:
    width, height, tile = 3073, 2049, 512
    for factor in (2, 4, 8):
        copies = [Copy(by, -(-width // by), -(-height // by)) for by in (2, 4, 8)]
        for x in range(0, width, tile * factor):
            for y in range(0, height, tile * factor):
                w, h = min(tile * factor, width - x), min(tile * factor, height - y)
                plan = StoredPlan(width, height, Box(x, y, w, h), -(-w // factor), -(-h // factor), Move(), 0.0)
                choice = choose(plan, copies)
                assert choice.copy.factor >= factor  # a single pixel is the same in all copies
                assert (choice.region.width, choice.region.height) == (plan.width, plan.height)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 89.99))
def test_canvas_holds_the_turned_picture(width: int, height: int, degrees: float) -> None:
    angle = math.radians(degrees)
    across = width * math.cos(angle) + height * math.sin(angle)
    down = height * math.cos(angle) + width * math.sin(angle)
    assert abs(turned_size(width, height, degrees)[0] - across) <= 0.51
    assert abs(turned_size(width, height, degrees)[1] - down) <= 0.51
