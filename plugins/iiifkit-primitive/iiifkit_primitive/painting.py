"""From a picture to the picture of shapes: search on the small copy, draw at full size."""

from collections.abc import Iterator

import numpy as np
from iiifkit import Animation, Frame, Raster, Stopped, Work

from .drawing import Drawing
from .frames import stages
from .search import Search, Stroke
from .small_copy import Picture, small_copy
from .wish import Wish

STAGE = 250
"""How long a stage is shown, in milliseconds."""

LAST_STAGE = 2500
"""How long the finished picture is shown, in milliseconds."""


def paint(raster: Raster, wish: Wish, work: Work) -> Raster:
    """Return the finished picture. Raises `Stopped`."""
    sketch = _Sketch(raster, wish, work)
    for stroke in sketch.strokes:
        sketch.draw(stroke)
    return sketch.raster()


def animate(raster: Raster, wish: Wish, work: Work) -> Animation:
    """Return how the picture comes about, from the plain background on, for ever again. Raises `Stopped`."""
    sketch = _Sketch(raster, wish, work)
    counts = stages([stroke.score for stroke in sketch.strokes], raster.width * raster.height)
    frames, drawn = [], 0
    for count in counts:
        for stroke in sketch.strokes[drawn:count]:
            sketch.draw(stroke)
        drawn = count
        frames.append(Frame(sketch.raster(), LAST_STAGE if count == counts[-1] else STAGE))
    return Animation(frames)


def rehearse() -> None:
    """Use every compiled function once."""
    paint(Raster(8, 8, 1, bytes(range(0, 256, 4))), Wish(0, 1, 0), Work())


class _Sketch:
    """The strokes that were found for a picture, and the drawing that they make."""

    def __init__(self, raster: Raster, wish: Wish, work: Work) -> None:
        # A copy, since numba compiles anew for an array that cannot be written to.
        picture = np.array(raster).reshape(raster.height, raster.width, raster.bands)
        self._work = work
        self._alpha = picture[:, :, -1:].copy() if raster.bands in (2, 4) else None
        small = small_copy(picture)
        search = Search(small, wish.mode, wish.alpha)
        self.strokes = list(self._search(search, wish.iterations))
        bands = 1 if raster.bands < 3 else 3
        self._drawing = Drawing(raster.width, raster.height, small.shape[1], small.shape[0], search.background[:bands])

    def _search(self, search: Search, iterations: int) -> Iterator[Stroke]:
        for _ in range(iterations):
            self._stop_if_asked()
            if search.error and (stroke := search.step()):
                yield stroke

    def draw(self, stroke: Stroke) -> None:
        self._stop_if_asked()
        self._drawing.draw(stroke)

    def raster(self) -> Raster:
        """Return what is drawn, in the bands and the outline of the original."""
        self._stop_if_asked()
        drawn: Picture = self._drawing.picture
        if self._alpha is not None:
            drawn = np.concatenate([drawn, self._alpha], axis=2)
        return Raster.from_array(drawn[:, :, 0] if drawn.shape[2] == 1 else drawn)

    def _stop_if_asked(self) -> None:
        if self._work.stopped():
            raise Stopped("The picture was abandoned before its last shape.")
