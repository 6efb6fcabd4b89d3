"""Pyramids: an image that is slow to cut is turned once into tiles at every scale, and kept (idea: slice for ever)."""

import logging
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from cachetools import LRUCache, TTLCache

from .blob import Blob, BytesBlob
from .contracts import NO_LIMIT, Cache, PyramidSettings, Work
from .errors import CACHE_FAILURES, CacheError, ImageError
from .image_api.formats import recognize
from .image_api.geometry import square
from .image_api.image import ImageInfo
from .image_api.plan import Plan
from .image_api.tiles import tile_side
from .new_file import new_file
from .originals import Known, digest, steady
from .pyramid import Pyramid, PyramidIndex, read_index, slice_tile
from .rendering import Renderer

log = logging.getLogger("iiifkit")

LOSSY = frozenset({"jpg", "webp", "avif", "jp2", "pdf"})
OPEN_BYTES = 64 * 1024 * 1024
OPEN_FILES = 256
FORGIVEN_SECONDS = 60.0


class Preparing(msgspec.Struct, frozen=True):
    """What is prepared, and how: the config's ``prepare`` block.

    Images of fewer than ``min_pixels`` are left alone; a pyramid of more than ``max_bytes`` is not kept.
    """

    enabled: bool = True
    tile: int = 256
    quality: int = 80
    min_pixels: int = 4_000_000
    max_bytes: int = 4_000_000_000
    temporary_folder: str | None = None

    def side(self, info: ImageInfo) -> int:
        """Return the side of the tiles of an image's pyramid, in pixels: what its info.json advertises."""
        return tile_side(info, self.tile)

    def reads_pyramid(self, plan: Plan, info: ImageInfo) -> bool:
        """Return whether a plan is made from the pyramid if there is one, and not from the original.

        Lossless formats, and full-size cuts off the tile grid, are worth the original's own pixels; an original that is
        a pyramid itself has both.
        """
        if info.is_pyramid:
            return True
        region, side = plan.region, self.side(info)
        if plan.format not in LOSSY:
            return False
        if plan.width < region.width or plan.height < region.height:
            return True
        same_size = (plan.width, plan.height) == (region.width, region.height)
        return same_size and not region.x % side and not region.y % side

    def starts_build(self, plan: Plan, info: ImageInfo) -> bool:
        """Return whether a plan would decode many pixels for few, so that building a pyramid first is worth it.

        The square in the middle, of which thumbnails are made, does not count, however long the image is.
        """
        region = plan.region
        return (
            self.enabled
            and info.pixels >= self.min_pixels
            and not info.is_pyramid
            and 2 * region.width * region.height <= info.pixels
            and region != square(info.width, info.height)
            and self.reads_pyramid(plan, info)
        )


class Opened(msgspec.Struct, frozen=True):
    """An image that is open: the original or its pyramid, with the index of its stored tiles if it has any.

    ``kept`` says that it is a pyramid out of the image cache: if that fails, there still is the original.
    """

    blob: Blob
    info: ImageInfo
    index: PyramidIndex | None
    kept: bool = False

    @property
    def instant(self) -> bool:
        """True if its bytes are on this machine, so that reading a tile takes microseconds."""
        blob = self.blob.blob if isinstance(self.blob, Pyramid) else self.blob
        return blob.path is not None or isinstance(blob, BytesBlob)

    def slice(self, plan: Plan) -> bytes | None:
        """Return the stored tile that is exactly this plan, complete and not decoded; None if there is none.

        A stored tile that is not what it should be is None too: rendering tells what is wrong with the file. Raises a
        `SourceError` or `Overloaded` if an original cannot be read.
        """
        tile = self.index.find(plan) if self.index is not None else None
        if self.index is None or tile is None:
            return None
        try:
            return slice_tile(self.index, tile, self.blob)
        except CACHE_FAILURES as error:
            if not self.kept and not isinstance(error, ImageError):
                raise
            log.warning("a stored tile could not be sliced: %s", error)
            return None


class Pyramids:
    """The pyramids of a service's images, the user's own and those that were built. Thread-safe."""

    def __init__(self, cache: Cache, renderer: Renderer, preparing: Preparing) -> None:
        self.preparing = preparing
        self._cache = cache
        self._renderer = renderer
        self._open: LRUCache[str, tuple[str, Opened]] = LRUCache(OPEN_BYTES, getsizeof=_weight)
        self._failed: TTLCache[str, bool] = TTLCache(10_000, FORGIVEN_SECONDS)
        self._lock = threading.Lock()

    def ready(self, known: Known) -> Opened | None:
        """Return the image's pyramid if it is open. Never blocks."""
        with self._lock:
            tag, opened = self._open.get(known.origin, ("", None))
        return opened if tag == known.tag else None

    def find(self, known: Known, open_original: Callable[[Known], Blob]) -> Opened | None:
        """Return the image's pyramid if there is one: its own, or one that was built. Blocks.

        Raises what opening the original raises.
        """
        opened = self.ready(known)
        if opened is not None:
            return opened
        if known.info.is_pyramid:
            return self._keep(known, open_original(known), known.info)
        if not self.preparing.enabled:
            return None
        try:
            kept = self._cache.get(*self._place(known))
            return self._keep(known, kept, None) if kept is not None else None
        except CACHE_FAILURES as error:
            log.warning("the image cache failed: %s", error)
            self._remove(known, error)
            return None

    def lost(self, known: Known, opened: Opened, error: Exception) -> bool:
        """Return whether it was the image cache that failed while an open image was read: then forget its pyramid."""
        if not opened.kept:
            return False
        log.warning("a pyramid could not be read, so the original is: %s", error)
        with self._lock:
            if self._open.get(known.origin, ("", None))[1] is opened:
                del self._open[known.origin]
        if self._remove(known, error):
            self._give_up(known)  # for a minute, so that a tile that never can be made does not build for ever
        return True

    def _remove(self, known: Known, error: Exception) -> bool:
        """Remove a pyramid from the cache if it is damaged, not out of reach or replaced; return whether it was."""
        damaged = isinstance(error, ImageError)
        if damaged:
            with suppress(*CACHE_FAILURES):
                self._cache.delete(self._place(known)[0])
        return damaged

    def wanted(self, plan: Plan, known: Known) -> bool:
        """Return whether a pyramid should be built before this plan is made."""
        with self._lock:
            failed = known.tag in self._failed
        return not failed and self.preparing.starts_build(plan, known.info)

    def build(self, known: Known, open_original: Callable[[Known], Blob], work: Work = NO_LIMIT) -> bool:
        """Build the pyramid, unless it is there by now. Return False if another process is just building it.

        Raises an `ImageError` if the image is broken, or `Stopped`. If the pyramid cannot be kept, that is logged, and
        nothing is built for this image for a minute.
        """
        key, tag = self._place(known)
        try:
            with self._cache.lock(key, 0) as mine:
                if not mine:
                    return False
                if self.find(known, open_original) is None:
                    self._build(known, key, tag, open_original, work)
        except (CacheError, OSError) as error:
            log.warning("a pyramid could not be built: %s", error)
            self._give_up(known)
        return True

    def _build(self, known: Known, key: str, tag: str, open_original: Callable[[Known], Blob], work: Work) -> None:
        started = time.monotonic()
        folder = Path(self.preparing.temporary_folder or self._cache.workspace or tempfile.gettempdir())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"iiifkit-{secrets.token_hex(8)}.tif"
        info = known.info
        lossless = info.alpha or info.bits > 8
        try:
            settings = PyramidSettings(self.preparing.side(info), None if lossless else self.preparing.quality)
            with new_file(path) as file:
                with open_original(known) as blob, steady(blob):
                    self._renderer.build(blob, info, file, settings, work)
                if file.stat().st_size > self.preparing.max_bytes:
                    raise CacheError("it is larger than prepare.max_bytes.")
            self._cache.put(key, path, tag, "image/tiff")
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
        if self.find(known, open_original) is None:
            raise CacheError("the image cache does not keep it; is it large enough?")
        log.info("prepared %r, %d pixels, in %.1f s", known.identifier, info.pixels, time.monotonic() - started)

    def _give_up(self, known: Known) -> None:
        with self._lock:
            self._failed[known.tag] = True

    def _place(self, known: Known) -> tuple[str, str]:
        preparing = self.preparing
        return f"%pyramids/{digest(known.origin)}", digest(known.tag, str(preparing.tile), str(preparing.quality))

    def _keep(self, known: Known, blob: Blob, info: ImageInfo | None) -> Opened:
        kept = info is None
        try:
            index = read_index(blob)
            if info is None:
                info = self._renderer.probe(blob, recognize(blob.read(0, 32)) or "tif")
        except BaseException:
            blob.close()
            raise
        opened = Opened(blob if index is None else Pyramid(blob, index), info, index, kept)
        with self._lock, suppress(ValueError):
            self._open[known.origin] = (known.tag, opened)
        return opened


def _weight(entry: tuple[str, Opened]) -> int:
    """Count an open image so that neither too many bytes nor too many files are open at once."""
    index = entry[1].index
    return max(OPEN_BYTES // OPEN_FILES, index.weight if index is not None else 0)
