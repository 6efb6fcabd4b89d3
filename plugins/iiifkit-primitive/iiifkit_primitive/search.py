"""The search: which shape, laid over the canvas, brings it nearest to the target.

One step is a tournament. Each climber starts from the best of many shapes thrown at random and climbs: it changes its
shape a little, and keeps what is better. Then the better half of the climbers goes on, with twice the patience,
until one is left, whose shape is laid over the canvas.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chance import Chance, seeded
from .coloring import best_color, best_rounded_color, blend, count_colors, error_of
from .compiling import kernel, part
from .outlines import LEFT, RIGHT, SPANS, Outline, columns, trace
from .scoring import ONE, WORTHLESS, score
from .shapes import ALPHA, AUTOMATIC, NUMBERS, Shape, change, copy, throw
from .sums import LONGEST_ROW, MISSING, PRESENT, SUMS, Small, Sums, Total, sum_rows, sum_runs

CLIMBERS = 24
THROWS = 120
PATIENCE = 50
"""A climber's first climb ends after so many changes in a row that were no better."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A shape that was laid over the canvas, its colors (red, green, blue), and the score after it.

    The score is the root of the mean squared error over four channels, from 0 (the same picture) to 1.
    """

    shape: Shape
    colors: tuple[int, int, int]
    score: float


class Search:
    """A target, the canvas that nears it, and the chance that decides. Not to be shared between threads."""

    def __init__(self, target: Small, mode: int, alpha: int) -> None:
        """Begin with a canvas of the target's mean color.

        ``target`` has the shape ``(height, width, 3)``, at most `LONGEST_ROW` pixels wide. ``mode`` is a kind of
        shape or `MIXTURE`, ``alpha`` 1 to 255 or `AUTOMATIC`.
        """
        height, width, _ = target.shape
        if width > LONGEST_ROW:
            raise ValueError(f"a target is at most {LONGEST_ROW} pixels wide, not {width}")
        self._target, self._mode, self._alpha = target, mode, alpha
        self.background = mean_color(target)
        self.canvas = np.empty_like(target)
        self.canvas[:] = self.background
        self.error = int(((target.astype(np.int64) - self.canvas) ** 2).sum())
        self._sums = np.zeros((height, width + 1, SUMS), np.int32)
        self._chance = seeded(mode << 8 | alpha)
        begin(target, self.canvas, self._sums)

    @property
    def score(self) -> float:
        """The root of the mean squared error over four channels (alpha has none), divided by 255."""
        height, width, _ = self._target.shape
        return math.sqrt(self.error / (height * width * 4)) / 255

    def step(self) -> Stroke | None:
        """Lay the best shape that is found over the canvas; None, and nothing laid, if it would not lower the score."""
        shape, colors = np.zeros(NUMBERS, np.int64), np.zeros(3, np.int64)
        find(shape, self._mode, self._alpha, self._sums, self._chance)
        difference = lay(shape, colors, self._target, self.canvas, self._sums)
        if difference >= 0:
            return None
        self.error += difference
        return Stroke(shape, (int(colors[0]), int(colors[1]), int(colors[2])), self.score)


def mean_color(target: Small) -> tuple[int, int, int]:
    """Return the mean of each color, rounded down."""
    red, green, blue = target.reshape(-1, 3).sum(0, dtype=np.int64) // (target.shape[0] * target.shape[1])
    return int(red), int(green), int(blue)


@kernel
def begin(target: Small, canvas: Small, sums: Sums) -> None:
    """Compute the running sums of the whole canvas."""
    sum_rows(target, canvas, sums, 0, target.shape[0])


@kernel
def find(best: Shape, mode: int, alpha: int, sums: Sums, chance: Chance) -> None:
    """Write the shape that wins one tournament into ``best``."""
    outline, total, trial = (
        np.empty((2 * SPANS, sums.shape[0]), np.int64),
        np.empty(SUMS, np.int64),
        np.empty_like(best),
    )
    climbers, scores = np.zeros((CLIMBERS, NUMBERS), np.int64), np.empty(CLIMBERS, np.int64)
    for place in range(CLIMBERS):
        scores[place] = _throw_best(climbers[place], trial, mode, alpha, sums, chance, outline, total)
    count, patience = CLIMBERS, PATIENCE
    while count:
        for place in range(count):
            reached, automatic = scores[place], alpha == AUTOMATIC
            scores[place] = _climb(climbers[place], trial, reached, patience, automatic, sums, chance, outline, total)
        count, patience = count // 2, patience * 2
        _bring_forward(climbers, scores, trial, max(1, count))
    copy(climbers[0], best)


@part
def _throw_best(
    best: Shape, trial: Shape, mode: int, alpha: int, sums: Sums, chance: Chance, outline: Outline, total: Total
) -> int:
    """Write the best of many random shapes into ``best``; return its score."""
    height, width, least = sums.shape[0], sums.shape[1] - 1, WORTHLESS
    for number in range(THROWS):
        throw(trial, mode, alpha, width, height, chance)
        reached = score(trial, sums, outline, total)
        if reached < least or number == 0:
            least = reached
            copy(trial, best)
    return least


@part
def _climb(
    best: Shape,
    trial: Shape,
    least: int,
    patience: int,
    automatic: bool,
    sums: Sums,
    chance: Chance,
    outline: Outline,
    total: Total,
) -> int:
    """Change ``best``, whose score is ``least``, until nothing gets better any more; return its score then."""
    height, width, age = sums.shape[0], sums.shape[1] - 1, 0
    while age < patience:
        copy(best, trial)
        change(trial, automatic, width, height, chance)
        reached = score(trial, sums, outline, total)
        age += 1
        if reached < least:
            least, age = reached, 0
            copy(trial, best)
    return least


@part
def _bring_forward(climbers: NDArray[np.int64], scores: Total, spare: Shape, count: int) -> None:
    """Bring the best climbers to the first ``count`` places, in their order."""
    for place in range(count):
        other = place
        for candidate in range(place + 1, len(scores)):
            if scores[candidate] < scores[other]:
                other = candidate
        scores[place], scores[other] = scores[other], scores[place]
        copy(climbers[place], spare)
        copy(climbers[other], climbers[place])
        copy(spare, climbers[other])


@kernel
def lay(shape: Shape, colors: NDArray[np.int64], target: Small, canvas: Small, sums: Sums) -> int:
    """Lay a shape in its best colors over the canvas, if that lowers the squared error; return the change of it.

    The colors are written into ``colors``. A change of 0 or more means that nothing was laid.
    """
    outline, total = np.empty((2 * SPANS, sums.shape[0]), np.int64), np.empty(SUMS, np.int64)
    top, bottom, spans = trace(shape, ONE, ONE, outline)
    pixels, alpha, difference = sum_runs(sums, outline, top, bottom, spans, total), shape[ALPHA], 0
    if pixels == 0:
        return 0
    for band in range(3):
        guess = best_color(total[MISSING + band], total[PRESENT + band], pixels, alpha)
        counts, wanted = count_colors(target, canvas, band, outline, top, bottom, spans)
        colors[band], least = best_rounded_color(counts, wanted, alpha, guess)
        difference += least - error_of(counts, wanted, 0, 0)
    if difference >= 0:
        return difference
    for span in range(0, 2 * spans, 2):
        for y in range(top, bottom):
            first, end = columns(outline[LEFT + span, y], outline[RIGHT + span, y], canvas.shape[1])
            for x in range(first, end):
                for band in range(3):
                    canvas[y, x, band] = blend(np.int64(canvas[y, x, band]), colors[band], alpha, 255)
    sum_rows(target, canvas, sums, top, bottom)
    return difference
