"""The land of the example picture: its heights, where its water runs, and how far the sea reaches from the coast.

Fields are arrays of 32-bit numbers, of shape (rows, columns). Nothing is random: noise is hashed from its grid.
"""

import heapq
import math
from typing import Any

import numpy
import numpy.typing
from PIL import Image

Array = numpy.typing.NDArray[Any]


def lattice(columns: int, rows: int, seed: int) -> Array:
    """Return random numbers from -1 to 1 in a grid, hashed from their places."""
    y, x = numpy.mgrid[0:rows, 0:columns].astype(numpy.uint32)
    value = x * numpy.uint32(0x9E3779B1) ^ y * numpy.uint32(0x85EBCA77) ^ numpy.uint32(seed * 0xC2B2AE3D & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39), (15, 1)):
        value = (value ^ value >> numpy.uint32(shift)) * numpy.uint32(factor)
    scaled: Array = value.astype(numpy.float32) / numpy.float32(2**31) - 1
    return scaled


def resized(field: Array, width: int, height: int) -> Array:
    """Return a field at another size, smoothly interpolated."""
    return numpy.asarray(Image.fromarray(field.astype(numpy.float32)).resize((width, height), Image.Resampling.BICUBIC))


def noise(
    width: int, height: int, cells: int, octaves: int, seed: int, ridged: bool = False, fall: float = 0.5
) -> Array:
    """Return fractal noise; the first octave has ``cells`` cells in the height, each next one twice as many."""
    total, weight = numpy.zeros((height, width), numpy.float32), 1.0
    for octave in range(octaves):
        rows = cells << octave
        layer = resized(lattice(rows * 3 // 2 + 3, rows + 3, seed + octave), width, height)
        total += weight * (1 - 2 * numpy.abs(layer) if ridged else layer)
        weight *= fall
    return total


def heights(columns: int, rows: int) -> Array:
    """Return the height of every cell of a grid, the sea's surface at 0, the highest peak near 1.7."""
    y, x = numpy.mgrid[0:rows, 0:columns].astype(numpy.float32)
    base = noise(columns, rows, 3, 7, 11, fall=0.54)
    ridges = noise(columns, rows, 4, 6, 57, ridged=True, fall=0.5)
    u, v = x / columns * 2 - 1, y / rows * 2 - 1
    edge = numpy.clip(1.0 - (numpy.abs(u) ** 5 + numpy.abs(v) ** 5) * 1.9, -1, 1)
    land = base * 0.62 + edge * 0.55 - 0.52
    field: Array = land + numpy.clip(land + 0.05, 0, 0.8) * (ridges + 0.2) * 0.8
    return field.astype(numpy.float32)


def drained(field: Array) -> tuple[Array, Array]:
    """Return where the water of each cell goes (flat indices), and how many cells drain through it.

    Hollows overflow at their lowest edge, so that every drop reaches the sea.
    """
    rows, columns = field.shape
    flat = field.ravel()
    goes = numpy.arange(flat.size)
    seen = (flat <= 0).tolist()
    queue = [(float(flat[cell]), cell) for cell in numpy.flatnonzero(flat <= 0).tolist()]
    heapq.heapify(queue)
    order = []
    while queue:
        level, cell = heapq.heappop(queue)
        order.append(cell)
        y, x = divmod(cell, columns)
        for ny in range(max(y - 1, 0), min(y + 2, rows)):
            for nx in range(max(x - 1, 0), min(x + 2, columns)):
                other = ny * columns + nx
                if not seen[other]:
                    seen[other] = True
                    goes[other] = cell
                    heapq.heappush(queue, (max(level, float(flat[other])), other))
    water = numpy.where(flat > 0, 1.0, 0.0)
    for cell in reversed(order):
        if goes[cell] != cell:
            water[goes[cell]] += water[cell]
    return goes, water


def distance(far: Array, limit: int) -> Array:
    """Return how far each cell of ``far`` is from the nearest one that is not, in cells, up to ``limit``."""
    found = numpy.where(far, numpy.float32(limit), numpy.float32(0))
    for _ in range(limit):
        around = numpy.pad(found, 1, mode="edge")
        straight = numpy.minimum.reduce([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
        slanted = numpy.minimum.reduce([around[:-2, :-2], around[2:, 2:], around[2:, :-2], around[:-2, 2:]])
        found = numpy.minimum(found, numpy.minimum(straight + 1, slanted + math.sqrt(2)))
    return found


def blurred(field: Array, radius: float) -> Array:
    """Return a field with everything finer than ``radius`` cells smoothed away."""
    low, high = float(field.min()), float(field.max())
    scaled = Image.fromarray(((field - low) / (high - low) * 65535).astype(numpy.float32))
    eighth = max(1, round(radius / 2))
    small = scaled.resize((scaled.width // eighth, scaled.height // eighth), Image.Resampling.BOX)
    return numpy.asarray(small.resize(scaled.size, Image.Resampling.BICUBIC)) / 65535 * (high - low) + low
