"""The shapes: how one is thrown at random, and how it is changed a little.

A shape is an array of ten whole numbers: its kind, six parameters, its alpha, two more parameters. Coordinates are
pixels of the small copy that is searched on. The parameters by kind:

- triangle: x, y of three corners, each at most `MARGIN` outside the picture;
- rectangle: x, y of two opposite corners, whose pixels belong to it;
- ellipse and circle: x, y of the center, then the two radii;
- rotated rectangle: x, y of the center, the two sides, the angle in degrees;
- curve, a quadratic Bezier curve: x, y of its begin, of the point it bends to, and of its end; beyond alpha its width;
- rotated ellipse: x, y of the center, the two radii, the angle in degrees;
- polygon, which may be concave or cross itself: x, y of three corners, beyond alpha those of the fourth.

Corners and points of curves are at most `MARGIN` outside the picture, too.
"""

import numpy as np
from numpy.typing import NDArray

from .chance import Chance, between, deviate
from .compiling import Number, part

Shape = NDArray[np.int64]

TRIANGLE, RECTANGLE, ELLIPSE, CIRCLE, ROTATED_RECTANGLE, CURVE, ROTATED_ELLIPSE, POLYGON = range(1, 9)
KIND, ALPHA, WIDTH, FOURTH, NUMBERS = 0, 7, 8, 8, 10
MIXTURE = 0
"""The mode that takes every kind up to the rotated rectangle; the other modes are the kinds' own numbers."""

MARGIN = 16
"""How far outside the picture a triangle's corner may be, in pixels."""

AUTOMATIC = 0
"""The alpha of a request that leaves alpha to the search."""

WIDEST = 16
"""The width of the widest curve, in pixels."""

_NEAR, _NEARBY, _LARGEST = 15, 20, 32
_TRIES = 100
_FARTHEST_BITS = 5


@part
def throw(shape: Shape, mode: int, alpha: int, width: int, height: int, chance: Chance) -> None:
    """Fill ``shape`` at random, for a small copy of ``width`` by ``height`` pixels."""
    kind = between(chance, TRIANGLE, ROTATED_RECTANGLE) if mode == MIXTURE else mode
    x, y = between(chance, 0, width - 1), between(chance, 0, height - 1)
    shape[KIND], shape[1], shape[2] = kind, x, y
    shape[5] = shape[6] = shape[8] = shape[9] = 0
    shape[ALPHA] = 128 if alpha == AUTOMATIC else alpha
    if kind == TRIANGLE:
        _throw_corners(shape, chance)
        _change_triangle(shape, width, height, chance)
    elif kind == RECTANGLE:
        shape[3] = within(x + between(chance, 1, _LARGEST), 0, width - 1)
        shape[4] = within(y + between(chance, 1, _LARGEST), 0, height - 1)
    elif kind == CIRCLE:
        shape[3] = shape[4] = between(chance, 1, _LARGEST)
    elif kind == CURVE:
        _throw_curve(shape, width, height, chance)
        _change_curve(shape, width, height, chance)
    elif kind == POLYGON:
        for place in (3, 5, FOURTH):
            _throw_point(shape, place, x, y, width, height, chance)
        _change_polygon(shape, width, height, chance)
    else:
        shape[3], shape[4] = between(chance, 1, _LARGEST), between(chance, 1, _LARGEST)
        if kind != ELLIPSE:
            shape[5] = between(chance, 0, 359)
            _change_rotated(shape, width, height, chance)


@part
def _throw_corners(shape: Shape, chance: Chance) -> None:
    """Throw the second and third corner of a triangle near the first."""
    x, y = shape[1], shape[2]
    for _ in range(_TRIES):
        shape[3], shape[4] = x + between(chance, -_NEAR, _NEAR), y + between(chance, -_NEAR, _NEAR)
        shape[5], shape[6] = x + between(chance, -_NEAR, _NEAR), y + between(chance, -_NEAR, _NEAR)
        if is_stout(shape):
            return
    shape[3], shape[4], shape[5], shape[6] = x + _NEAR, y, x, y + _NEAR


@part
def _throw_curve(shape: Shape, width: int, height: int, chance: Chance) -> None:
    """Throw the second and third point of a curve, each near the one before, and its width."""
    for _ in range(_TRIES):
        _throw_point(shape, 3, shape[1], shape[2], width, height, chance)
        _throw_point(shape, 5, shape[3], shape[4], width, height, chance)
        if is_open(shape):
            break
    else:
        shape[3], shape[4], shape[5], shape[6] = shape[1], shape[2], shape[1], shape[2] + _NEAR
    shape[WIDTH] = between(chance, 1, WIDEST // 2)


@part
def _throw_point(shape: Shape, place: int, x: int, y: int, width: int, height: int, chance: Chance) -> None:
    """Throw the point whose x is at ``place`` near another."""
    shape[place] = within(x + between(chance, -_NEARBY, _NEARBY), -MARGIN, width - 1 + MARGIN)
    shape[place + 1] = within(y + between(chance, -_NEARBY, _NEARBY), -MARGIN, height - 1 + MARGIN)


@part
def copy(shape: Shape, into: Shape) -> None:
    """Make ``into`` the same shape."""
    for place in range(NUMBERS):
        into[place] = shape[place]


@part
def change(shape: Shape, automatic: bool, width: int, height: int, chance: Chance) -> None:
    """Change one thing of ``shape`` a little, and its alpha too if that is ``automatic``."""
    kind = shape[KIND]
    if kind == TRIANGLE:
        _change_triangle(shape, width, height, chance)
    elif kind == RECTANGLE:
        _move(shape, 1 + 2 * between(chance, 0, 1), 0, width, height, chance)
    elif kind == ELLIPSE:
        _change_ellipse(shape, width, height, chance)
    elif kind == CIRCLE:
        _change_circle(shape, width, height, chance)
    elif kind == CURVE:
        _change_curve(shape, width, height, chance)
    elif kind == POLYGON:
        _change_polygon(shape, width, height, chance)
    else:
        _change_rotated(shape, width, height, chance)
    if automatic:
        shape[ALPHA] = within(shape[ALPHA] + between(chance, -10, 10), 1, 255)


@part
def _change_triangle(shape: Shape, width: int, height: int, chance: Chance) -> None:
    for _ in range(_TRIES):
        place = 1 + 2 * between(chance, 0, 2)
        x, y = shape[place], shape[place + 1]
        _move(shape, place, MARGIN, width, height, chance)
        if is_stout(shape):
            return
        shape[place], shape[place + 1] = x, y


@part
def _change_ellipse(shape: Shape, width: int, height: int, chance: Chance) -> None:
    what = between(chance, 0, 2)
    if what == 0:
        _move(shape, 1, 0, width, height, chance)
    else:
        longest = width - 1 if what == 1 else height - 1
        shape[2 + what] = within(shape[2 + what] + _step(chance), 1, longest)


@part
def _change_circle(shape: Shape, width: int, height: int, chance: Chance) -> None:
    if between(chance, 0, 1) == 0:
        _move(shape, 1, 0, width, height, chance)
    else:
        shape[3] = shape[4] = within(shape[3] + _step(chance), 1, min(width, height) - 1)


@part
def _change_rotated(shape: Shape, width: int, height: int, chance: Chance) -> None:
    what = between(chance, 0, 2)
    if what == 0:
        _move(shape, 1, 0, width, height, chance)
    elif what == 1:
        shape[3] = within(shape[3] + _step(chance), 1, width - 1)
        shape[4] = within(shape[4] + _step(chance), 1, height - 1)
    else:
        shape[5] = (shape[5] + _step(chance)) % 360


@part
def _change_curve(shape: Shape, width: int, height: int, chance: Chance) -> None:
    if between(chance, 0, 3) == 0:
        shape[WIDTH] = within(shape[WIDTH] + deviate(chance, 1 << between(chance, 0, 2)), 1, WIDEST)
        return
    for _ in range(_TRIES):
        place = 1 + 2 * between(chance, 0, 2)
        x, y = shape[place], shape[place + 1]
        _move(shape, place, MARGIN, width, height, chance)
        if is_open(shape):
            return
        shape[place], shape[place + 1] = x, y


@part
def _change_polygon(shape: Shape, width: int, height: int, chance: Chance) -> None:
    """Move a corner, or have two corners change places."""
    place = corner(between(chance, 0, 3))
    if between(chance, 0, 3) == 0:
        other = corner(between(chance, 0, 3))
        shape[place], shape[other] = shape[other], shape[place]
        shape[place + 1], shape[other + 1] = shape[other + 1], shape[place + 1]
    else:
        _move(shape, place, MARGIN, width, height, chance)


@part
def corner(number: int) -> int:
    """Return where the x of a polygon's corner is, of corner 0 to 3."""
    return FOURTH if number == 3 else 1 + 2 * number


@part
def _move(shape: Shape, place: int, margin: int, width: int, height: int, chance: Chance) -> None:
    """Move the point whose x is at ``place``, not farther outside the picture than ``margin``."""
    shape[place] = within(shape[place] + _step(chance), -margin, width - 1 + margin)
    shape[place + 1] = within(shape[place + 1] + _step(chance), -margin, height - 1 + margin)


@part
def _step(chance: Chance) -> Number:
    """Return how far to go, in pixels or degrees: a deviate of 32, 16, 8, 4, 2 or 1, to find and then to refine."""
    return deviate(chance, 1 << between(chance, 0, _FARTHEST_BITS))


@part
def is_stout(shape: Shape) -> bool:
    """Return whether every angle of a triangle exceeds 15 degrees."""
    return _is_wide(shape, 1, 3, 5) and _is_wide(shape, 3, 5, 1) and _is_wide(shape, 5, 1, 3)


@part
def _is_wide(shape: Shape, corner: int, second: int, third: int) -> bool:
    """Return whether the angle at a corner exceeds 15 degrees, whose tangent is 0.267949."""
    ax, ay = shape[second] - shape[corner], shape[second + 1] - shape[corner + 1]
    bx, by = shape[third] - shape[corner], shape[third + 1] - shape[corner + 1]
    return bool(abs(ax * by - ay * bx) * 1_000_000 > (ax * bx + ay * by) * 267_949)


@part
def is_open(shape: Shape) -> bool:
    """Return whether a curve's ends are farther from each other than from the point that it bends to."""
    ends = _distance(shape, 1, 5)
    return bool(ends > _distance(shape, 1, 3) and ends > _distance(shape, 3, 5))


@part
def _distance(shape: Shape, one: int, other: int) -> Number:
    """Return the squared distance of two points."""
    x, y = shape[other] - shape[one], shape[other + 1] - shape[one + 1]
    return x * x + y * y


@part
def within(value: int, low: int, high: int) -> int:
    """Return the number from ``low`` to ``high`` that is nearest; ``low`` if there is none."""
    return max(low, min(value, max(low, high)))
