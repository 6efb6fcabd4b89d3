import math

import numpy as np
import pytest

from iiifkit_primitive.drawing import Drawing
from iiifkit_primitive.search import Search, Stroke
from iiifkit_primitive.shapes import (
    CIRCLE,
    CURVE,
    ELLIPSE,
    POLYGON,
    RECTANGLE,
    ROTATED_ELLIPSE,
    ROTATED_RECTANGLE,
    TRIANGLE,
)
from iiifkit_primitive.small_copy import small_copy
from samples import photograph, shape_of


def drawn(shape, factor=1, alpha=255):
    """The coverage of a shape, 0 to 1, on a picture of 80 by 80 small pixels enlarged."""
    drawing = Drawing(80 * factor, 80 * factor, 80, 80, (0,))
    drawing.draw(Stroke(shape_of(*shape, alpha=alpha), (255, 255, 255), 0))
    return drawing.picture[:, :, 0] / 255


SINE, COSINE = math.sin(math.radians(33)), math.cos(math.radians(33))
SHAPES = {
    "triangle": ((TRIANGLE, 10, 10, 60, 20, 30, 70), 0.5 * abs(50 * 60 - 10 * 20)),
    "rectangle": ((RECTANGLE, 50, 9, 10, 19), 41 * 11),
    "ellipse": ((ELLIPSE, 40, 40, 30, 11), math.pi * 30 * 11),
    "circle": ((CIRCLE, 40, 40, 25, 25), math.pi * 25 * 25),
    "rotated rectangle": ((ROTATED_RECTANGLE, 40, 40, 50, 9, 33), 50 * 9),
    "rotated ellipse": ((ROTATED_ELLIPSE, 40, 40, 30, 11, 33), math.pi * 30 * 11),
    "polygon": ((POLYGON, 10, 10, 60, 20, 40, 30, 30, 70), 1050),
    "curve": ((CURVE, 10, 60, 30, 5, 70, 40, 7), 7 * 81.226),
}


@pytest.mark.parametrize("factor", [1, 2, 13])
@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_covers_its_area(name, factor):
    shape, area = SHAPES[name]
    assert drawn(shape, factor).sum() / factor**2 == pytest.approx(area, rel=0.005)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_looks_as_its_name_says(name):
    """By the area it takes of the box around it, and by its outline's middle and moments."""
    shape, area = SHAPES[name]
    covered = drawn(shape, 4)
    y, x = np.nonzero(covered > 0.5)
    box = (np.ptp(y) + 1) * (np.ptp(x) + 1)
    filled = {
        "triangle": area / (50 * 60),
        "rectangle": 1,
        "ellipse": math.pi / 4,
        "circle": math.pi / 4,
        "rotated rectangle": area / 46.8 / 34.8,
        "rotated ellipse": area / (2 * math.hypot(30 * COSINE, 11 * SINE) * 2 * math.hypot(30 * SINE, 11 * COSINE)),
        "polygon": area / (50 * 60),
        "curve": area / 65.59 / 38.31,
    }
    assert len(y) / box == pytest.approx(filled[name], rel=0.02)
    if name == "circle":
        assert np.ptp(x) == np.ptp(y)
    if name not in ("triangle", "polygon", "curve"):
        turned = covered[::-1, ::-1]
        middle_x, middle_y = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
        shift = int(2 * middle_y) - (covered.shape[0] - 1), int(2 * middle_x) - (covered.shape[1] - 1)
        assert abs(np.roll(turned, shift, (0, 1)) - covered).max() <= 0.05


@pytest.mark.parametrize("name", SHAPES)
def test_edges_are_smooth_and_the_inside_is_full(name):
    covered = drawn(SHAPES[name][0], 3)
    levels = np.unique(covered)
    assert levels.max() == 1
    if name == "rectangle":
        assert levels.tolist() == [0, 1]
    else:
        assert len(levels) > 15
        inner = (covered[1:-1, 1:-1] > 0) & (covered[:-2, 1:-1] == 1) & (covered[2:, 1:-1] == 1)
        inner &= (covered[1:-1, :-2] == 1) & (covered[1:-1, 2:] == 1)
        assert (covered[1:-1, 1:-1][inner] == 1).all()


def test_a_rectangle_between_pixels_covers_them_by_halves():
    drawing = Drawing(6, 6, 4, 4, (0,))
    drawing.draw(Stroke(shape_of(RECTANGLE, 1, 1, 2, 2), (255, 255, 255), 0))
    edge = [0, 128, 255, 255, 128, 0]
    assert drawing.picture[2, :, 0].tolist() == edge
    assert drawing.picture[:, 2, 0].tolist() == edge
    assert drawing.picture[1, 1, 0] == 64


@pytest.mark.parametrize("alpha", [1, 64, 255])
def test_alpha_blends(alpha):
    drawing = Drawing(9, 9, 9, 9, (200, 100, 0))
    drawing.draw(Stroke(shape_of(RECTANGLE, 0, 0, 8, 8, alpha=alpha), (0, 255, 255), 0))
    expected = [round(c + (to - c) * alpha / 255) for c, to in zip((200, 100, 0), (0, 255, 255), strict=True)]
    assert (drawing.picture == expected).all()


@pytest.mark.parametrize("mode", range(9))
def test_drawn_at_its_own_size_a_picture_is_that_of_the_search_but_for_its_edges(mode):
    target = photograph("coffee.png", 120)
    search = Search(target, mode, 128)
    drawing = Drawing(120, target.shape[0], 120, target.shape[0], search.background)
    for _ in range(20):
        drawing.draw(search.step())
    difference = abs(drawing.picture.astype(int) - search.canvas)
    assert np.median(difference) == 0
    assert difference.mean() < 2.5


def test_enlarged_it_is_the_same_picture():
    photo = photograph("coffee.png", 900)
    small = small_copy(photo)
    search = Search(small, 0, 0)
    strokes = [search.step() for _ in range(10)]
    pictures = []
    for factor in (1, 3):
        width, height = 300 * factor, 200 * factor
        drawing = Drawing(width, height, small.shape[1], small.shape[0], search.background)
        for stroke in strokes:
            drawing.draw(stroke)
        pictures.append(drawing.picture.astype(float))
    averaged = pictures[1].reshape(200, 3, 300, 3, 3).mean((1, 3))
    difference = abs(averaged - pictures[0])
    assert difference.mean() < 0.5
    # Where two edges share a pixel, smoothing each by itself is not the same as averaging both.
    assert np.quantile(difference, 0.999) < 6


def test_the_largest_sides_do_not_overflow():
    for width, height in ((65_535, 3), (3, 65_535)):
        small = (400, 1) if width > height else (1, 400)
        drawing = Drawing(width, height, *small, (0, 0, 0))
        for shape in (
            (RECTANGLE, 0, 0, small[0] - 1, small[1] - 1),
            (ROTATED_RECTANGLE, small[0] // 2, small[1] // 2, 800, 800, 45),
            (ELLIPSE, small[0] // 2, small[1] // 2, 400, 400),
            (ROTATED_ELLIPSE, small[0] // 2, small[1] // 2, 400, 399, 30),
            (POLYGON, -16, -16, small[0] + 16, -16, small[0] + 16, small[1] + 16, -16, small[1] + 16),
            (CURVE, 0, 0, small[0] // 2, small[1] // 2, small[0], small[1], 16),
            (TRIANGLE, -16, -16, small[0] * 2 + 16, -16, -16, small[1] * 2 + 16),
        ):
            drawing.picture[:] = 0
            drawing.draw(Stroke(shape_of(*shape), (255, 255, 255), 0))
            assert drawing.picture[height // 2, width // 2].tolist() == [255] * 3
            assert drawing.picture[height // 3, width // 3].tolist() == [255] * 3
