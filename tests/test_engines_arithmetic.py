"""The arithmetic that both engines share: moves, boxes, and which smaller copy serves a plan."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pictures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.blob import BytesBlob
from iiifkit.engines import tiff_header
from iiifkit.engines.canvas import turned_size
from iiifkit.engines.icc import is_srgb
from iiifkit.engines.orientation import ORIENTATIONS, Move, StoredPlan, in_stored_pixels, upright
from iiifkit.engines.shrinking import Copy, choose, factor_of
from iiifkit.errors import BrokenImage
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


def test_sides_of_copies() -> None:
    assert factor_of(3073, 2049, 1536, 1024) == 2
    assert factor_of(3073, 2049, 1537, 1025) == 2
    assert factor_of(3073, 2049, 769, 513) == 4
    assert factor_of(3073, 2049, 1537, 900) == 0
    assert factor_of(3073, 2049, 2000, 1333) == 0
    assert factor_of(3073, 2049, 3073, 2049) == 0
    assert factor_of(3073, 2049, 0, 0) == 0


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 89.99))
def test_canvas_holds_the_turned_picture(width: int, height: int, degrees: float) -> None:
    angle = math.radians(degrees)
    across = width * math.cos(angle) + height * math.sin(angle)
    down = height * math.cos(angle) + width * math.sin(angle)
    assert abs(turned_size(width, height, degrees)[0] - across) <= 0.51
    assert abs(turned_size(width, height, degrees)[1] - down) <= 0.51


def test_profiles_are_told_apart() -> None:
    assert is_srgb(pictures.profile(pictures.SRGB, None))
    assert not is_srgb(pictures.profile(pictures.SRGB, 1.8))
    assert not is_srgb(pictures.profile(pictures.ADOBE_RGB, 2.2))
    assert not is_srgb(pictures.profile(pictures.DISPLAY_P3, None))


@given(st.binary(max_size=600))
def test_nonsense_is_no_srgb(nonsense: bytes) -> None:
    assert not is_srgb(nonsense)
    assert not is_srgb(pictures.profile(pictures.SRGB, None)[:200] + nonsense)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_headers_of_every_kind(order: str, big: bool) -> None:
    import io

    import tifffile

    picture = pictures.photograph("astronaut.png")
    target = io.BytesIO()
    common = {"photometric": "rgb", "compression": "zlib", "tile": (128, 64)}
    with tifffile.TiffWriter(target, byteorder=order, bigtiff=big) as writer:
        writer.write(picture, subifds=1, **common)
        writer.write(pictures.halved(picture, 2), subfiletype=1, **common)
        writer.write(pictures.halved(picture, 4), subfiletype=1, **common)
    info = tiff_header.probe(BytesBlob(target.getvalue(), "1"))
    assert (info.width, info.height, info.tile, info.bits, info.color) == (512, 512, (64, 128), 8, True)
    assert [(level.width, level.locator, level.subdirectory) for level in info.levels] == [
        (256, 0, True),
        (128, 1, False),
    ]


def test_a_circle_of_directories_ends() -> None:
    with pytest.raises(BrokenImage):
        list(tiff_header.TiffHeader(BytesBlob(pictures.tiff_in_a_circle(), "1")).pages())


@given(st.binary(max_size=300))
def test_damaged_directories_are_broken_images(nonsense: bytes) -> None:
    for head in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        try:
            tiff_header.probe(BytesBlob(head + nonsense, "1"))
        except BrokenImage as error:
            assert str(error).endswith(".")
