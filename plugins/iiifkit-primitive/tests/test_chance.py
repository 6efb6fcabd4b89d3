import numpy as np
import pytest

from iiifkit_primitive.chance import seeded
from kernels import deviates, numbers, words


def test_words_are_those_of_splitmix64():
    out = np.empty(5, np.uint64)
    words(seeded(1234567), out)
    assert out.tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1), (-15, 15), (1, 5), (0, 2**31)])
def test_between_reaches_both_ends_evenly(low, high):
    out = np.empty(20_000, np.int64)
    numbers(seeded(3), low, high, out)
    assert out.min() >= low
    assert out.max() <= high
    assert out.mean() == pytest.approx((low + high) / 2, abs=(high - low) * 0.01)
    if high - low < 100:
        assert set(out.tolist()) == set(range(low, high + 1))


@pytest.mark.parametrize("sigma", [16, 32])
def test_deviates_are_nearly_normal(sigma):
    out = np.empty(100_000, np.int64)
    deviates(seeded(5), sigma, out)
    assert out.mean() == pytest.approx(0, abs=sigma * 0.01)
    assert out.std() == pytest.approx(sigma, rel=0.01)
    assert abs(out).max() <= 3.5 * sigma
    assert (abs(out) <= sigma).mean() == pytest.approx(0.68, abs=0.03)
