"""Making the pictures of one image: stored tiles are copied as they are, the rest is rendered."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from msgspec.structs import replace

from ..image_api.image import ImageInfo
from ..image_api.plan import Box, Plan
from ..preparing import Opened
from ..raster import Raster
from ..rendering import Renderer
from ..runs.stopping import Stop
from .pixels import halved
from .shelf import Shelf
from .tree import Band, Tree

SCALABLE = ("color", "gray")
"""Qualities in which a smaller picture may be made of a larger one."""


class Maker:
    """Makes what the ``shelf`` lacks of a ``tree``, from an image that is ``opened``."""

    def __init__(self, renderer: Renderer, tree: Tree, opened: Opened, shelf: Shelf, stop: Stop) -> None:
        self._renderer = renderer
        self._tree = tree
        self._opened = opened
        self._shelf = shelf
        self._stop = stop
        self._work = stop.work

    def pieces(self) -> tuple[Iterator[Callable[[], None]], Iterator[Callable[[], None]]]:
        """Return two kinds of work, whose pieces may all run at the same time: what computes, and what copies."""
        edges = (partial(self._make_band, band) for band in self._tree.edges())
        return chain((self._make_wholes,), edges), (partial(self._make_band, band) for band in self._tree.inner())

    def _make_wholes(self) -> None:
        """Make the whole picture in every size; those at most half as large as the largest are made of that."""
        opened, largest = self._opened, None
        for picture in self._tree.wholes():
            self._stop.check()
            plan = picture.plan
            if not self._shelf.lacks(picture):
                self._shelf.skip()
            elif body := opened.slice(plan):
                self._shelf.put(picture, body)
            elif plan.format != "jpg" or plan.quality not in SCALABLE:
                self._shelf.put(picture, self._renderer.render(opened.blob, opened.info, self._plan(plan), self._work))
            else:
                raster = halved(largest, plan.width, plan.height) if largest else None
                if raster is None:
                    raster = self._renderer.pixels(opened.blob, opened.info, self._plan(plan), self._work)
                largest = largest or raster
                self._shelf.put(picture, self._renderer.finish(raster, plan, self._work))

    def _make_band(self, band: Band) -> None:
        rest = []
        for number, picture in enumerate(band.tiles):
            self._stop.check()
            if not self._shelf.lacks(picture):
                self._shelf.skip()
            elif body := self._opened.slice(picture.plan):
                self._shelf.put(picture, body)
            else:
                rest.append(number)
        if not rest:
            return
        opened, first = self._opened, rest[0]
        plan = self._plan(band.part(first, rest[-1]))
        part = self._renderer.pixels(opened.blob, opened.info, plan, self._work)
        for number in rest:
            self._stop.check()
            picture = band.tiles[number]
            tile = cut(part, number - first, picture.plan.width, picture.plan.height, band.across)
            self._shelf.put(picture, self._renderer.finish(tile, picture.plan, self._work))

    def _plan(self, plan: Plan) -> Plan:
        return trimmed(plan, self._opened.info)


def trimmed(plan: Plan, info: ImageInfo) -> Plan:
    """Return the plan without what is less than half a pixel of its result at the right and lower edge of the image.

    Stored levels lack that where their sides were rounded down, so that a finer one with four times the pixels would
    have to be read.
    """
    region = plan.region
    width = _trimmed(region.x, region.width, info.width, plan.width)
    height = _trimmed(region.y, region.height, info.height, plan.height)
    return replace(plan, region=Box(region.x, region.y, width, height))


def _trimmed(start: int, length: int, full: int, wanted: int) -> int:
    step = max(1, round(length / wanted) // 2)
    return length - full % step if start + length == full and length >= 2 * step else length


def cut(band: Raster, number: int, width: int, height: int, across: bool) -> Raster:
    """Return tile number ``number``, from 0, of tiles of ``width`` x ``height`` pixels in a row or a column."""
    stride, length = band.width * band.bands, width * band.bands
    if not across:
        start = number * height * stride
        return Raster(width, height, band.bands, band.data[start : start + height * stride])
    start = number * length
    rows = (band.data[at : at + length] for at in range(start, start + height * stride, stride))
    return Raster(width, height, band.bands, b"".join(rows))
