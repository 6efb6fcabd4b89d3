"""Seeding one image: stored tiles are copied as they are, the rest is rendered in bands."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from urllib.parse import quote

import msgspec

from ..alternates import Alternates
from ..assembly import Assembly
from ..contracts import Cache
from ..errors import IIIFKitError, ImageNotFound, SizeOverLimit, SourceChanged, Stopped
from ..image_api.canonical import key_identifier
from ..image_api.formats import FORMATS
from ..image_api.tiles import tile_size
from ..originals import Known
from ..preparing import Opened
from ..raster import Raster
from ..wording import told
from .document import address, document, merged
from .inputs import Job
from .pixels import opened_for_tiles
from .settings import Outcome, Settings, Tally
from .stopping import Stop
from .threads import in_threads
from .tree import Band, Picture, Spelling, Tree

log = logging.getLogger("iiifkit")


class ImageSeeder:
    """Seeds images one after the other, each with ``threads`` threads."""

    def __init__(self, assembly: Assembly, settings: Settings, threads: int, stop: Stop) -> None:
        """Raise `BadRequest` if the format or the quality is not offered."""
        self._service = service = assembly.service
        self._encode = assembly.config.encode
        self._folder = assembly.config.temporary_folder or service.derivatives.workspace
        self._settings = settings
        self._threads = threads
        self._stop = stop
        self._alternates = Alternates(service.derivatives)
        version = settings.version or service.default_version
        last = quote(f"{settings.quality}.{settings.format}", safe="")
        request = service.parse(f"any/0,0,1,1/1,/0/{last}", version)
        self._spelling = Spelling(
            version, service.default_version, service.features.default_quality, request.quality, request.format
        )

    def seed(self, job: Job, tally: Tally) -> Outcome:
        """Make what is missing of one image. Raises `Stopped`; every other error is told in the outcome."""
        outcome = Outcome(source=job.source, identifier=job.identifier)
        started = time.monotonic()
        try:
            try:
                self._seed(job, tally, outcome)
            except SourceChanged:
                self._seed(job, tally, outcome)
        except Stopped:
            raise
        except IIIFKitError as error:
            outcome.failed = str(error)
        except Exception as error:
            log.exception("seeding %r failed", job.source)
            outcome.failed = f"Something unforeseen went wrong: {told(error)}."
        outcome.made, outcome.skipped, outcome.bytes = tally.made, tally.skipped, tally.bytes
        outcome.seconds = round(time.monotonic() - started, 3)
        return outcome

    def _seed(self, job: Job, tally: Tally, outcome: Outcome) -> None:
        known = self._known(job)
        tree = self._tree(known)
        outcome.width, outcome.height = known.info.width, known.info.height
        outcome.scale_factors, outcome.tiles = tree.factors, tree.tiles()
        outcome.notes = [_excessive(factor, tree) for factor in tree.excessive]
        shelf = Shelf(self._service.derivatives, known, FORMATS[self._spelling.format].media_type, tally)
        if self._settings.refresh or not all(shelf.has(picture) for band in _bands(tree) for picture in band.tiles):
            opening = opened_for_tiles(
                self._service, known, self._spelling.format, tree.tile, self._encode, self._folder, self._stop
            )
            with opening as opened:
                in_threads(_bands(tree), lambda band: self._make(band, opened, shelf), self._threads)
        else:
            tally.skipped += sum(len(band.tiles) for band in _bands(tree))
        uri = address(self._settings.endpoint, known.identifier)
        shelf.describe(document(self._service.info, known.info, uri, tree, self._spelling))

    def _known(self, job: Job) -> Known:
        """Return what is known of the source, under the identifier that its tiles are filed under."""
        known = self._service.look(job.source)
        if job.identifier in (known.identifier, known.origin):
            return known
        try:
            other = self._service.look(job.identifier)
        except ImageNotFound:
            other = None
        if other is not None and other.origin == job.identifier:
            raise ImageNotFound(f"{job.identifier!r} cannot stand for {job.source!r}: it is an image of its own.")
        self._alternates.record(job.identifier, known.origin)
        self._service.originals.forget(job.identifier)
        return replace(known, identifier=job.identifier)

    def _tree(self, known: Known) -> Tree:
        service, info = self._service, known.info
        tile = self._settings.tile or tile_size(info, service.info.prepared_tile, service.limits.allow)[0]
        if not service.limits.allow(min(tile, info.width), min(tile, info.height)):
            raise SizeOverLimit(f"Tiles of {tile} pixels are larger than the limits allow: {service.limits.text()}.")
        factors = self._settings.scale_factors
        return Tree((info.width, info.height), tile, self._spelling, factors, service.limits.allow)

    def _make(self, band: Band, opened: Opened, shelf: "Shelf") -> None:
        """Make what is missing of a band: slice what is stored, render the rest in one go."""
        rest = []
        for number, picture in enumerate(band.tiles):
            self._stop.check()
            if not self._settings.refresh and shelf.has(picture):
                shelf.tally.add(None)
            elif body := opened.slice(picture.plan):
                shelf.put(picture, body)
            else:
                rest.append(number)
        renderer, work = self._service.renderer, self._stop.work
        if len(rest) == 1:
            picture = band.tiles[rest[0]]
            shelf.put(picture, renderer.render(opened.blob, opened.info, picture.plan, work))
        elif rest:
            first = rest[0]
            pixels = renderer.pixels(opened.blob, opened.info, band.part(first, rest[-1]), work)
            for number in rest:
                self._stop.check()
                picture = band.tiles[number]
                tile = cut(pixels, number - first, picture.plan.width, picture.plan.height, band.across)
                shelf.put(picture, renderer.finish(tile, picture.plan, work))


class Shelf:
    """Where the pictures of one image are filed in the cache of derivatives. Thread-safe."""

    def __init__(self, cache: Cache, known: Known, media_type: str, tally: Tally) -> None:
        self.tally = tally
        self._cache = cache
        self._prefix = key_identifier(known.identifier)
        self._tag = known.tag
        self._media_type = media_type

    def has(self, picture: Picture) -> bool:
        """Return whether a picture is there, and fresh, under all its names."""
        return all(self._read(name, 0) is not None for name in picture.names)

    def put(self, picture: Picture, body: bytes) -> None:
        """File a picture under all its names. Raises `CacheError`."""
        for name in picture.names:
            self._cache.put(f"{self._prefix}/{name}", body, self._tag, self._media_type)
        self.tally.add(len(body))

    def describe(self, document: dict[str, object]) -> None:
        """File the info.json, unless it is there already. Raises `CacheError`."""
        before = self._read("info.json")
        if before:
            document = merged(document, msgspec.json.decode(before))
        body = msgspec.json.format(msgspec.json.encode(document), indent=2)
        if body != before:
            self._cache.put(f"{self._prefix}/info.json", body, self._tag, "application/json")

    def _read(self, name: str, length: int = 1 << 20) -> bytes | None:
        kept = self._cache.get(f"{self._prefix}/{name}", self._tag)
        if kept is None:
            return None
        with kept:
            return kept.read(0, length)


def _bands(tree: Tree) -> Iterator[Band]:
    return chain((Band((picture,), across=True) for picture in tree.wholes()), tree.bands())


def _excessive(factor: int, tree: Tree) -> str:
    return (
        f"Scale factor {factor} makes no sense for {tree.width}x{tree.height} pixels: a smaller one already shows the "
        f"whole picture in one tile of {tree.tile} pixels."
    )


def cut(band: Raster, number: int, width: int, height: int, across: bool) -> Raster:
    """Return tile number ``number``, from 0, of tiles of ``width`` x ``height`` pixels in a row or a column."""
    stride = band.width * band.bands
    if not across:
        start = number * height * stride
        return Raster(width, height, band.bands, band.data[start : start + height * stride])
    start, length = number * width * band.bands, width * band.bands
    rows = (band.data[at : at + length] for at in range(start, start + height * stride, stride))
    return Raster(width, height, band.bands, b"".join(rows))
