"""The search of the original program, to compare with: sixteen climbs a shape, each step as far as any other.

Each climb starts from the best of 1000 random shapes, changes it by normal deviates of 16 pixels or 32 degrees, and
is given up after 100 changes in a row that were no better.
"""

import numpy as np

from iiifkit_primitive.chance import Chance, between, deviate
from iiifkit_primitive.compiling import kernel, part
from iiifkit_primitive.outlines import SPANS
from iiifkit_primitive.scoring import WORTHLESS, score
from iiifkit_primitive.shapes import (
    ALPHA,
    CIRCLE,
    CURVE,
    ELLIPSE,
    KIND,
    MARGIN,
    NUMBERS,
    POLYGON,
    RECTANGLE,
    TRIANGLE,
    Shape,
    copy,
    corner,
    is_open,
    is_stout,
    throw,
    within,
)
from iiifkit_primitive.sums import SUMS, Sums


@kernel
def find(best: Shape, mode: int, alpha: int, sums: Sums, chance: Chance) -> None:
    """Write the shape that the original's rule finds into ``best``; for `iiifkit_primitive.search.find`."""
    height, width, least = sums.shape[0], sums.shape[1] - 1, WORTHLESS
    outline, total = np.empty((2 * SPANS, height), np.int64), np.empty(SUMS, np.int64)
    climber, trial = np.zeros(NUMBERS, np.int64), np.empty(NUMBERS, np.int64)
    for _ in range(16):
        reached, age = WORTHLESS, -1000
        while age < 100:
            if age < 0:
                throw(trial, mode, alpha, width, height, chance)
            else:
                copy(climber, trial)
                change(trial, alpha == 0, width, height, chance)
            worth = score(trial, sums, outline, total)
            better = worth < reached
            if better:
                reached = worth
                copy(trial, climber)
            age = 0 if better and age >= 0 else age + 1
        if reached < least:
            least = reached
            copy(climber, best)


@part
def change(shape: Shape, automatic: bool, width: int, height: int, chance: Chance) -> None:
    """Change one thing of a shape, as far as the original does."""
    kind = shape[KIND]
    if kind == TRIANGLE:
        move(shape, 1 + 2 * between(chance, 0, 2), MARGIN, width, height, chance)
        while not is_stout(shape):
            move(shape, 1 + 2 * between(chance, 0, 2), MARGIN, width, height, chance)
    elif kind == RECTANGLE:
        move(shape, 1 + 2 * between(chance, 0, 1), 0, width, height, chance)
    elif kind == CIRCLE:
        if between(chance, 0, 1) == 0:
            move(shape, 1, 0, width, height, chance)
        else:
            shape[3] = shape[4] = within(shape[3] + deviate(chance, 16), 1, min(width, height) - 1)
    elif kind == CURVE:
        bend(shape, width, height, chance)
    elif kind == POLYGON:
        place = corner(between(chance, 0, 3))
        if between(chance, 0, 3) == 0:
            other = corner(between(chance, 0, 3))
            shape[place], shape[other] = shape[other], shape[place]
            shape[place + 1], shape[other + 1] = shape[other + 1], shape[place + 1]
        else:
            move(shape, place, MARGIN, width, height, chance)
    else:
        what = between(chance, 0, 2)
        if what == 0:
            move(shape, 1, 0, width, height, chance)
        elif kind == ELLIPSE:
            shape[2 + what] = within(shape[2 + what] + deviate(chance, 16), 1, (width if what == 1 else height) - 1)
        elif what == 1:
            shape[3] = within(shape[3] + deviate(chance, 16), 1, width - 1)
            shape[4] = within(shape[4] + deviate(chance, 16), 1, height - 1)
        else:
            shape[5] = (shape[5] + deviate(chance, 32)) % 360
    if automatic:
        shape[ALPHA] = within(shape[ALPHA] + between(chance, -10, 10), 1, 255)


@part
def bend(shape: Shape, width: int, height: int, chance: Chance) -> None:
    """Move one point of a curve; its width remains, as with the original, though that has one width for all."""
    for _ in range(100):
        place = 1 + 2 * between(chance, 0, 2)
        x, y = shape[place], shape[place + 1]
        move(shape, place, MARGIN, width, height, chance)
        if is_open(shape):
            return
        shape[place], shape[place + 1] = x, y


@part
def move(shape: Shape, place: int, margin: int, width: int, height: int, chance: Chance) -> None:
    """Move one point, not farther outside the picture than ``margin``."""
    shape[place] = within(shape[place] + deviate(chance, 16), -margin, width - 1 + margin)
    shape[place + 1] = within(shape[place + 1] + deviate(chance, 16), -margin, height - 1 + margin)
