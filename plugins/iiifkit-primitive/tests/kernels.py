"""The compiled functions' parts, made callable from tests; kept as the package's own kernels are."""

import numpy as np

from iiifkit_primitive import chance, coloring, outlines, scoring, shapes, sums
from iiifkit_primitive.compiling import kernel


@kernel
def words(state, out):
    for place in range(len(out)):
        out[place] = chance.word(state)


@kernel
def numbers(state, low, high, out):
    for place in range(len(out)):
        out[place] = chance.between(state, low, high)


@kernel
def deviates(state, sigma, out):
    for place in range(len(out)):
        out[place] = chance.deviate(state, sigma)


@kernel
def lives(mode, alpha, width, height, state, out):
    """Each shape of ``out[n]`` is thrown, and then changed from one entry to the next."""
    for life in range(out.shape[0]):
        shapes.throw(out[life, 0], mode, alpha, width, height, state)
        for age in range(1, out.shape[1]):
            shapes.copy(out[life, age - 1], out[life, age])
            shapes.change(out[life, age], alpha == 0, width, height, state)


@kernel
def outline_of(shape, x_scale, y_scale, outline):
    return outlines.trace(shape, x_scale, y_scale, outline)


@kernel
def inside(shape, width, height, out):
    """Count how often a shape covers the pixels of the small copy: once, or never."""
    outline = np.empty((2 * outlines.SPANS, height), np.int64)
    top, bottom, spans = outlines.trace(shape, scoring.ONE, scoring.ONE, outline)
    for span in range(0, 2 * spans, 2):
        for y in range(top, bottom):
            first, end = outlines.columns(outline[span, y], outline[span + 1, y], width)
            for x in range(first, end):
                out[y, x] += 1


@kernel
def score_of(shape, table):
    outline, total = np.empty((2 * outlines.SPANS, table.shape[0]), np.int64), np.empty(sums.SUMS, np.int64)
    return scoring.score(shape, table, outline, total)


@kernel
def color_of(missing, present, pixels, alpha):
    return coloring.best_color(missing, present, pixels, alpha)
