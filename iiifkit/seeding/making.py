"""Making the pictures of one image: stored tiles are copied as they are, the rest is rendered."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ..blob import Blob, BytesBlob
from ..image_api.image import ImageInfo
from ..image_api.plan import Box
from ..preparing import Opened
from ..raster import Raster
from ..rendering import Renderer
from .shelf import Shelf
from .stopping import Stop
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

    def pieces(self) -> Iterator[Callable[[], None]]:
        """Yield the pieces of the work, which may run at the same time; what takes longest comes first."""
        yield self._make_wholes
        for band in self._tree.bands():
            yield partial(self._make_band, band)

    def _make_wholes(self) -> None:
        missing = []
        for picture in self._tree.wholes():
            if self._shelf.lacks(picture):
                missing.append(picture)
            else:
                self._shelf.skip()
        copy: tuple[Blob, ImageInfo] | None = None
        for picture in missing:
            self._stop.check()
            body = self._opened.slice(picture.plan)
            if body is None:
                blob, info = copy = copy or self._copy()
                plan = replace(picture.plan, region=Box(0, 0, info.width, info.height))
                body = self._renderer.render(blob, info, plan, self._stop.work)
            self._shelf.put(picture, body)

    def _copy(self) -> tuple[Blob, ImageInfo]:
        """Return the picture twice as large as its largest size on the shelf, so that all of them are cheap to make."""
        opened, largest = self._opened, next(self._tree.wholes()).plan
        factor = round(opened.info.width / largest.width) // 2
        width, height = opened.info.width // max(1, factor), opened.info.height // max(1, factor)
        if factor < 2 or not width or not height or largest.format != "jpg" or largest.quality not in SCALABLE:
            return opened.blob, opened.info
        plan = replace(largest, width=width, height=height)
        blob = BytesBlob(self._renderer.render(opened.blob, opened.info, plan, self._stop.work), "copy")
        return blob, self._renderer.probe(blob, "jpg")

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
        part = self._renderer.pixels(opened.blob, opened.info, band.part(first, rest[-1]), self._stop.work)
        for number in rest:
            self._stop.check()
            picture = band.tiles[number]
            tile = cut(part, number - first, picture.plan.width, picture.plan.height, band.across)
            self._shelf.put(picture, self._renderer.finish(tile, picture.plan, self._stop.work))


def cut(band: Raster, number: int, width: int, height: int, across: bool) -> Raster:
    """Return tile number ``number``, from 0, of tiles of ``width`` x ``height`` pixels in a row or a column."""
    stride, length = band.width * band.bands, width * band.bands
    if not across:
        start = number * height * stride
        return Raster(width, height, band.bands, band.data[start : start + height * stride])
    start = number * length
    rows = (band.data[at : at + length] for at in range(start, start + height * stride, stride))
    return Raster(width, height, band.bands, b"".join(rows))
