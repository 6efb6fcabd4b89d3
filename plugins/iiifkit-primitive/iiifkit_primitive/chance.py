"""Chance that is the same on every machine: whole numbers from a generator of 64 bits (SplitMix64).

``chance`` is an array of one unsigned 64-bit number, the generator's state. Unsigned and signed numbers are never
mixed, because numba would make floating-point numbers of them.
"""

import numpy as np
from numpy.typing import NDArray

from .compiling import Number, part

Chance = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_16, _27, _30, _31, _32, _48 = (np.uint64(bits) for bits in (16, 27, 30, 31, 32, 48))
_LOW = np.uint64(0xFFFF)
_SIGMA = 37837
"""The standard deviation of the sum of four uniform 16-bit numbers, 65536 / sqrt(3)."""


def seeded(seed: int) -> Chance:
    """Return a generator that starts from a non-negative number."""
    return np.array([seed], np.uint64)


@part
def word(chance: Chance) -> Number:
    """Return 64 bits of chance."""
    chance[0] += _GAMMA
    bits = chance[0]
    bits = (bits ^ (bits >> _30)) * _FIRST
    bits = (bits ^ (bits >> _27)) * _SECOND
    return bits ^ (bits >> _31)


@part
def between(chance: Chance, low: int, high: int) -> Number:
    """Return a whole number from ``low`` to ``high``, both included; at most 2**32 of them."""
    return low + np.int64(((word(chance) >> _32) * np.uint64(high - low + 1)) >> _32)


@part
def deviate(chance: Chance, sigma: int) -> Number:
    """Return a nearly normal deviate around 0, rounded: the sum of four uniform ones, at most 3.5 sigma."""
    bits = word(chance)
    four = (bits & _LOW) + ((bits >> _16) & _LOW) + ((bits >> _32) & _LOW) + (bits >> _48)
    return ((np.int64(four) - 2 * 65535) * 2 * sigma + _SIGMA) // (2 * _SIGMA)
