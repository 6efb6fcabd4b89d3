"""What every quality must do, as tests that a quality's own tests inherit.

::

    class TestMyQuality(QualityContract):
        good = ("sepia",)
        bad = ("sepia:3",)

        def make_quality(self):
            return Sepia()

Needs pytest.
"""

import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..contracts import Quality, QualityRequest, Work
from ..errors import BadRequest, Stopped
from ..raster import Animation, Raster

SHAPES = ((1, 1), (1, 7), (7, 1), (2, 2), (33, 17), (64, 64))
"""Widths and heights that are tried, in pixels: tiles at the edges of a picture can be a single pixel wide."""

STOP_SECONDS = 10.0
"""How long a quality may go on after it was told to stop."""


class QualityContract(ABC):
    """Inherit, set ``good`` and ``bad``, write `make_quality`, and run with pytest."""

    good: tuple[str, ...]
    """Texts of the parameter that the quality serves, quick ones."""

    bad: tuple[str, ...] = ()
    """Texts that match the feature's pattern, but that the quality refuses."""

    @abstractmethod
    def make_quality(self) -> Quality:
        """Return the quality with its default options."""

    @pytest.fixture
    def quality(self) -> Quality:
        """Make the quality."""
        return self.make_quality()

    def test_good_parameters_pass(self, quality: Quality) -> None:
        """`check` says nothing about what the quality can do."""
        assert self.good, "name at least one text that the quality serves"
        for text in self.good:
            quality.check(text)

    def test_bad_parameters_are_refused_with_a_sentence(self, quality: Quality) -> None:
        """`check` raises `BadRequest`, and nothing else, with words for the person who asked."""
        for text in self.bad:
            with pytest.raises(BadRequest) as refusal:
                quality.check(text)
            assert len(str(refusal.value).split()) >= 3, f"{text!r} is refused without a sentence"

    @pytest.mark.parametrize("bands", [1, 2, 3, 4])
    @pytest.mark.parametrize(("width", "height"), SHAPES)
    def test_every_raster_becomes_a_picture(self, quality: Quality, width: int, height: int, bands: int) -> None:
        """Gray and color, with and without transparency, down to one pixel."""
        for text in self.good:
            result = quality.apply(picture(width, height, bands), QualityRequest(text))
            assert isinstance(result, Raster | Animation), f"{text!r} made a {type(result).__name__}, not a picture"

    @pytest.mark.parametrize("format", ["jpg", "png", "webp", "gif"])
    def test_every_format_gets_a_picture(self, quality: Quality, format: str) -> None:
        """An `Animation` is allowed for any format: those that carry none keep its last frame."""
        for text in self.good:
            assert isinstance(quality.apply(picture(16, 12, 3), QualityRequest(text, format)), Raster | Animation)

    def test_the_same_request_gives_the_same_picture(self, quality: Quality) -> None:
        """Answers are kept for ever, and several servers give one: chance needs a seed from the request."""
        raster = picture(33, 17, 3)
        for text in self.good:
            first = quality.apply(raster, QualityRequest(text))
            assert quality.apply(raster, QualityRequest(text)) == first
            assert self.make_quality().apply(raster, QualityRequest(text)) == first

    def test_the_original_is_left_alone(self, quality: Quality) -> None:
        """A raster's bytes belong to the caller."""
        for text in self.good:
            raster, same = picture(16, 12, 3), picture(16, 12, 3)
            quality.apply(raster, QualityRequest(text))
            assert raster == same

    def test_threads_do_not_disturb_each_other(self, quality: Quality) -> None:
        """One object serves all requests at once."""
        rasters = [picture(24, 16, 3, seed) for seed in range(8)]
        for text in self.good:
            alone = [quality.apply(raster, QualityRequest(text)) for raster in rasters]
            with ThreadPoolExecutor(8) as pool:
                together = list(
                    pool.map(lambda raster, text=text: quality.apply(raster, QualityRequest(text)), rasters)
                )
            assert together == alone

    def test_stopped_work_ends(self, quality: Quality) -> None:
        """Work that nobody waits for raises `Stopped`, or is over soon all the same."""
        stopped = threading.Event()
        stopped.set()
        started = time.monotonic()
        for text in self.good:
            request = QualityRequest(text, work=Work(stopped.is_set, lambda stopper: stopper()))
            try:
                quality.apply(picture(64, 64, 3), request)
            except Stopped:
                continue
        assert time.monotonic() - started < STOP_SECONDS


def picture(width: int, height: int, bands: int, seed: int = 0) -> Raster:
    """Return a small picture in which no two neighbors are alike; the last of 2 or 4 bands is transparency."""
    samples = bytes(
        (x * 37 + y * 91 + band * 53 + seed * 17) % 256
        for y in range(height)
        for x in range(width)
        for band in range(bands)
    )
    return Raster(width, height, bands, samples)
