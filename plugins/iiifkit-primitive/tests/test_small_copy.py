from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit_primitive.small_copy import SIDE, shrink, small_copy
from samples import noise, photograph


def mean_of(picture, y, x, rows, columns):
    """The exact mean of what a pixel of the small copy stands for, visible pixels only, by brute force."""
    height, width, bands = picture.shape
    total, whole = [Fraction(0)] * 3, Fraction(0)
    for v in range(height):
        tall = min(Fraction(v + 1, height), Fraction(y + 1, rows)) - max(Fraction(v, height), Fraction(y, rows))
        for u in range(width):
            wide = min(Fraction(u + 1, width), Fraction(x + 1, columns)) - max(Fraction(u, width), Fraction(x, columns))
            if tall > 0 and wide > 0:
                weight = tall * wide * (int(picture[v, u, -1]) if bands in (2, 4) else 1)
                colors = picture[v, u, :3] if bands > 2 else picture[v, u, [0, 0, 0]]
                total = [sum_ + weight * int(color) for sum_, color in zip(total, colors, strict=True)]
                whole += weight
    return [sum_ / whole for sum_ in total] if whole else None


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.data())
def test_a_pixel_is_the_mean_of_what_it_stands_for(height, width, bands, data):
    rows, columns = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    picture = np.concatenate([noise(height, width), noise(height, width, 4)], axis=2)[:, :, :bands].copy()
    picture[picture < 60] = 0
    small, seen = np.zeros((rows, columns, 3), np.uint8), np.zeros((rows, columns), np.bool_)
    shrink(picture, small, seen)
    for y in range(rows):
        for x in range(columns):
            mean = mean_of(picture, y, x, rows, columns)
            assert seen[y, x] == (mean is not None)
            assert small[y, x].tolist() == [int(color + Fraction(1, 2)) for color in mean or (0, 0, 0)]


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (1000, 2000, (SIDE // 2, SIDE)),
        (1200, 400, (SIDE, 133)),
        (30, 50, (30, 50)),
        (1, 5000, (1, SIDE)),
        (1, 1, (1, 1)),
    ],
)
def test_sizes(height, width, size):
    assert small_copy(np.zeros((height, width, 3), np.uint8)).shape == (*size, 3)


def test_a_small_picture_is_its_own_copy():
    picture = photograph("coffee.png", 160)
    assert (small_copy(picture) == picture).all()


def test_invisible_pixels_take_the_mean_of_the_visible_ones():
    picture = np.zeros((10, 10, 4), np.uint8)
    picture[:5] = 10, 20, 30, 255
    picture[:, :2, :3] += 10
    small = small_copy(picture)
    assert small[0, 0].tolist() == [20, 30, 40]
    assert (small[5:] == [12, 22, 32]).all()


def test_a_wholly_invisible_picture():
    assert not small_copy(np.zeros((4, 5, 2), np.uint8)).any()
