"""Seeding one image: finding it, making what is missing, and saying what became of it."""

import logging
import time
from urllib.parse import quote

from msgspec.structs import replace

from ..alternates import Alternates
from ..assembly import Assembly
from ..errors import (
    IIIFKitError,
    ImageError,
    ImageNotFound,
    Overloaded,
    SizeOverLimit,
    SourceChanged,
    SourceError,
    Stopped,
)
from ..image_api.formats import FORMATS
from ..image_api.tiles import tile_size
from ..originals import Known
from ..runs.stopping import Stop
from ..wording import told
from .document import address, document
from .inputs import Job
from .making import Maker
from .pixels import opened_for_tiles
from .settings import Outcome, Settings, Tally
from .shelf import Shelf
from .threads import in_threads
from .tree import Spelling, Tree

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
        service, format = self._service, self._spelling.format
        known = self._known(job)
        tree = self._tree(known)
        outcome.width, outcome.height = known.info.width, known.info.height
        outcome.scale_factors, outcome.tiles = tree.factors, tree.tiles()
        tally.expected = outcome.tiles
        outcome.notes = [_excessive(factor, tree) for factor in tree.excessive]
        shelf = Shelf(service.derivatives, known, FORMATS[format].media_type, self._settings.refresh, tally)
        if any(map(shelf.lacks, tree.pictures())):
            shelf.withdraw()
            opening = opened_for_tiles(
                service, known, format, tree.tile, self._encode, self._folder, self._threads, self._stop
            )
            with opening as opened:
                try:
                    in_threads(Maker(service.renderer, tree, opened, shelf, self._stop).pieces(), self._threads)
                except (ImageError, SourceError, Overloaded) as error:
                    if service.pyramids.lost(known, opened, error):
                        raise SourceChanged("The prepared image was lost while it was read; seed it again.") from error
                    raise
        else:
            for _ in tree.pictures():
                shelf.skip()
        uri = address(self._settings.endpoint, known.identifier)
        shelf.describe(document(service.info, known.info, uri, tree, self._spelling))

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


def _excessive(factor: int, tree: Tree) -> str:
    return (
        f"Scale factor {factor} makes no sense for {tree.width}x{tree.height} pixels: a smaller one already shows the "
        f"whole picture in one tile of {tree.tile} pixels."
    )
