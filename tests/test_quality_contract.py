"""The contract of qualities rejects qualities that are broken, each for the right reason; dither keeps it."""

import random
from collections.abc import Callable

import pytest

from iiifkit.contracts import Quality, QualityRequest
from iiifkit.errors import BadRequest
from iiifkit.qualities.dither import Dither
from iiifkit.raster import Animation, Frame, Raster
from iiifkit.testing.qualities import QualityContract


class TestDither(QualityContract):
    good = ("dither",)
    bad = ("dither:1", "Dither")

    def make_quality(self) -> Quality:
        return Dither()


class Plain:
    """Keeps the contract: returns the picture as it is."""

    def check(self, text: str) -> None:
        if text != "plain":
            raise BadRequest(f"The quality {text!r} is not plain.")

    def apply(self, raster: Raster, request: QualityRequest) -> Raster | Animation:
        return raster


class ByChance(Plain):
    def apply(self, raster: Raster, request: QualityRequest) -> Raster:
        return Raster(raster.width, raster.height, raster.bands, random.randbytes(len(raster.data)))


class ColorOnly(Plain):
    def apply(self, raster: Raster, request: QualityRequest) -> Raster:
        assert raster.bands == 3
        return raster


class Remembers(Plain):
    """Keeps the picture in the object, where another thread finds it."""

    def apply(self, raster: Raster, request: QualityRequest) -> Raster:
        import time

        self.raster = raster
        time.sleep(0.01)
        return self.raster


class Pixels(Plain):
    def apply(self, raster: Raster, request: QualityRequest) -> Raster:
        return raster.data  # type: ignore[return-value]


class Wordless(Plain):
    def check(self, text: str) -> None:
        if text != "plain":
            raise BadRequest("no")


class Careless(Plain):
    def check(self, text: str) -> None:
        if text != "plain":
            raise ValueError(text)


class Animated(Plain):
    """Keeps the contract too: an animation is a picture."""

    def apply(self, raster: Raster, request: QualityRequest) -> Animation:
        return Animation([Frame(raster, 100), Frame(raster, 100)])


def contract(kind: Callable[[], Quality]) -> QualityContract:
    class Contract(QualityContract):
        good = ("plain",)
        bad = ("plain:2",)

        def make_quality(self) -> Quality:
            return kind()

    return Contract()


def run(kind: Callable[[], Quality]) -> list[str]:
    """Run the whole contract; return the names of the tests that failed."""
    tests = contract(kind)
    failed = []
    calls: list[tuple[str, tuple[object, ...]]] = [
        *[("test_every_raster_becomes_a_picture", (9, 5, bands)) for bands in (1, 2, 3, 4)],
        ("test_every_format_gets_a_picture", ("gif",)),
        *[(name, ()) for name in dir(tests) if name.startswith("test_") and "every" not in name],
    ]
    for name, arguments in calls:
        try:
            getattr(tests, name)(kind(), *arguments)
        except (AssertionError, ValueError, pytest.fail.Exception):
            failed.append(name)
    return failed


@pytest.mark.parametrize("kind", [Plain, Animated])
def test_what_keeps_the_contract_passes(kind: Callable[[], Quality]) -> None:
    assert run(kind) == []


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (ByChance, "test_the_same_request_gives_the_same_picture"),
        (ColorOnly, "test_every_raster_becomes_a_picture"),
        (Remembers, "test_threads_do_not_disturb_each_other"),
        (Pixels, "test_every_format_gets_a_picture"),
        (Wordless, "test_bad_parameters_are_refused_with_a_sentence"),
        (Careless, "test_bad_parameters_are_refused_with_a_sentence"),
    ],
)
def test_what_breaks_the_contract_is_caught(kind: Callable[[], Quality], caught: str) -> None:
    assert caught in run(kind)
