"""Making the pictures of one image: stored tiles are copied as they are, the rest is rendered."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from ..blob import Blob, BytesBlob
from ..image_api.image import ImageInfo
from ..image_api.plan import Box, Plan
from ..preparing import Opened
from ..raster import Raster
from ..rendering import Renderer
from ..runs.stopping import Stop
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

    def pieces(self) -> tuple[Iterator[Callable[[], None]], Iterator[Callable[[], None]]]:
        """Return two kinds of work, whose pieces may all run at the same time: what computes, and what copies."""
        edges = (partial(self._make_band, band) for band in self._tree.edges())
        return chain((self._make_wholes,), edges), (partial(self._make_band, band) for band in self._tree.inner())

    def _make_wholes(self) -> None:
        """Make the whole picture in every size; those at most half as large as the largest are made of that."""
        missing = []
        for picture in self._tree.wholes():
            if self._shelf.lacks(picture):
                missing.append(picture)
            else:
                self._shelf.skip()
        full, small = Copy(self._opened.blob, self._opened.info), None
        for picture in missing:
            self._stop.check()
            plan = picture.plan
            body = self._opened.slice(plan)
            if body is None:
                copy = small if small and small.serves(plan) else full
                body = self._renderer.render(copy.blob, copy.info, trimmed(copy.plan(plan), copy.info), self._stop.work)
            if small is None and plan.format == "jpg" and plan.quality in SCALABLE:
                small = Copy.of(self._renderer, body)
            self._shelf.put(picture, body)

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
        plan = trimmed(band.part(first, rest[-1]), opened.info)
        part = self._renderer.pixels(opened.blob, opened.info, plan, self._stop.work)
        for number in rest:
            self._stop.check()
            picture = band.tiles[number]
            tile = cut(part, number - first, picture.plan.width, picture.plan.height, band.across)
            self._shelf.put(picture, self._renderer.finish(tile, picture.plan, self._stop.work))


@dataclass(frozen=True, slots=True)
class Copy:
    """The whole picture, from which smaller ones can be made."""

    blob: Blob
    info: ImageInfo

    @classmethod
    def of(cls, renderer: Renderer, jpeg: bytes) -> "Copy":
        """Return a copy that was stored as JPEG."""
        blob = BytesBlob(jpeg, "copy")
        return cls(blob, renderer.probe(blob, "jpg"))

    def serves(self, plan: Plan) -> bool:
        """Return whether this is at least twice as large as the plan's picture, on both sides."""
        return self.info.width >= 2 * plan.width and self.info.height >= 2 * plan.height

    def plan(self, plan: Plan) -> Plan:
        """Return the plan that makes the same picture from this copy."""
        return replace(plan, region=Box(0, 0, self.info.width, self.info.height))


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
