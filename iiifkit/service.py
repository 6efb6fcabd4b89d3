"""The straight line from a request to its answer, step by step, without HTTP and without a server.

The server walks the same steps with threads between them; `Service.answer` walks them in one go.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from .blob import Blob
from .contracts import NO_LIMIT, Cache, Work
from .errors import CACHE_FAILURES, CacheError, SourceChanged
from .image_api.canonical import canonical_path, key_identifier, key_path
from .image_api.feature_set import FeatureSet
from .image_api.formats import FORMATS
from .image_api.geometry import Limits, resolve
from .image_api.info import InfoBuilder
from .image_api.plan import Plan
from .image_api.request import ImageRequest
from .originals import Known, Originals, digest, steady
from .preparing import LOSSY, Opened, Pyramids
from .rendering import Renderer

log = logging.getLogger("iiifkit")


class Resolved(msgspec.Struct, frozen=True):
    """A request that is understood: which image, which plan, and the plan's spellings.

    ``canonical`` is relative to the service root of its API version, ``key`` is where caches keep the answer.
    """

    request: ImageRequest
    known: Known
    plan: Plan
    canonical: str
    key: str
    etag: str

    @property
    def media_type(self) -> str:
        """The media type of the answer."""
        return FORMATS[self.plan.format].media_type


class Answer(msgspec.Struct, frozen=True):
    """The bytes of a picture, and how they were come by: ``cache``, ``slice`` or ``render``."""

    body: bytes
    resolved: Resolved
    how: str


class Service:
    """Everything needed to answer requests: images, a renderer, a cache for derivatives, and the rules."""

    def __init__(
        self,
        originals: Originals,
        renderer: Renderer,
        pyramids: Pyramids,
        derivatives: Cache,
        features: FeatureSet,
        limits: Limits,
        info: InfoBuilder,
        default_version: int = 2,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.originals = originals
        self.renderer = renderer
        self.pyramids = pyramids
        self.derivatives = derivatives
        self.features = features
        self.limits = limits
        self.info = info
        self.default_version = default_version
        self.close = close

    def parse(self, path: str, version: int) -> ImageRequest:
        """Read an image request's path, below the service root, and check what it uses: steps 1 and 2.

        Raises `BadRequest` or `ImageNotFound`.
        """
        request = self.features.check(ImageRequest.parse(path, version))
        self.renderer.check(request.quality)
        return request

    def look(self, identifier: str) -> Known:
        """Step 3: what is known of an image. Blocks; `Originals.fresh` is its memory."""
        return self.originals.look(identifier)

    def resolve(self, request: ImageRequest, known: Known) -> Resolved:
        """Step 4: the plan, its canonical URI, its cache key and its ETag.

        Raises `BadRequest`, `NotOffered` or `SizeOverLimit`.
        """
        info, default = known.info, self.features.default_quality
        plan = resolve(request, info, self.limits, self.features, self.info.prepared_tile)
        size = (info.width, info.height)
        canonical = canonical_path(plan, size, self.limits, request.version, default)
        key = f"{key_identifier(known.identifier)}/{key_path(plan, size, self.default_version, default)}"
        # A render and a slice of one plan may differ in a lossy format, so only the others get a strong ETag.
        etag = f'{"W/" if plan.format in LOSSY else ""}"{digest(known.tag, key)}"'
        return Resolved(request, known, plan, f"{request.spelling}/{canonical}", key, etag)

    def stored(self, resolved: Resolved) -> Blob | None:
        """Step 5: the answer as the derivative cache has it. A broken cache is a miss."""
        try:
            return self.derivatives.get(resolved.key, resolved.known.tag)
        except CACHE_FAILURES as error:
            log.warning("the derivative cache failed: %s", error)
            return None

    def stored_bytes(self, resolved: Resolved) -> bytes | None:
        """Step 5 with its reading: a cache that fails in the midst of it is a miss, too."""
        kept = self.stored(resolved)
        if kept is None:
            return None
        try:
            with kept:
                return kept.read_all()
        except CACHE_FAILURES as error:
            log.warning("the derivative cache failed: %s", error)
            return None

    def opened(self, resolved: Resolved) -> Opened | None:
        """Return the image's pyramid if it has one and this plan is made from it. Blocks; part of step 6.

        Raises a `SourceError` or an `ImageError`.
        """
        if not self.pyramids.preparing.reads_pyramid(resolved.plan, resolved.known.info):
            return None
        return self.pyramids.find(resolved.known, self.originals.open)

    def prepared(self, known: Known) -> bool:
        """Return whether the image has a pyramid. Blocks. Raises a `SourceError` or an `ImageError`."""
        return self.pyramids.find(known, self.originals.open) is not None

    def build(self, known: Known, work: Work = NO_LIMIT) -> bool:
        """Build the image's pyramid. Return False if another process is at it. Blocks, for seconds.

        Raises an `ImageError`, a `SourceError` or `Stopped`.
        """
        return self.pyramids.build(known, self.originals.open, work)

    def render(self, resolved: Resolved, work: Work = NO_LIMIT) -> bytes:
        """Step 7: make the picture and keep it. A failed put is logged; the picture is returned all the same.

        Raises `ImageError`, `SourceError`, `PluginFailed` or `Stopped`.
        """
        body = self._rendered(resolved, work)
        try:
            self.derivatives.put(resolved.key, body, resolved.known.tag, resolved.media_type)
        except CacheError as error:
            log.warning("a derivative could not be kept: %s", error)
        return body

    def _rendered(self, resolved: Resolved, work: Work) -> bytes:
        opened = self.opened(resolved)
        if opened is not None:
            try:
                with steady(opened.blob):
                    return self.renderer.render(opened.blob, opened.info, resolved.plan, work)
            except CACHE_FAILURES as error:
                if not self.pyramids.lost(resolved.known, opened, error):
                    raise
        with self.originals.open(resolved.known) as blob, steady(blob):
            return self.renderer.render(blob, resolved.known.info, resolved.plan, work)

    def answer(self, path: str, version: int | None = None) -> Answer:
        """Walk the whole line for one image request, such as ``photo.jpg/full/!400,400/0/default.jpg``.

        Raises the errors of all steps.
        """
        request = self.parse(path, version or self.default_version)
        try:
            return self._finish(request)
        except SourceChanged:
            self.originals.forget(request.identifier)
            return self._finish(request)

    def _finish(self, request: ImageRequest) -> Answer:
        resolved = self.resolve(request, self.look(request.identifier))
        kept = self.stored_bytes(resolved)
        if kept is not None:
            return Answer(kept, resolved, "cache")
        opened = self.opened(resolved)
        if opened is None and self.pyramids.wanted(resolved.plan, resolved.known):
            self.build(resolved.known)
            opened = self.opened(resolved)
        body = opened.slice(resolved.plan) if opened is not None else None
        if body is not None:
            return Answer(body, resolved, "slice")
        return Answer(self.render(resolved), resolved, "render")

    def document(self, identifier: str, uri: str, version: int | None = None) -> dict[str, Any]:
        """Return the info.json of an image as a dictionary; ``identifier`` is decoded, ``uri`` its base URI.

        Raises `ImageNotFound`, a `SourceError` or an `ImageError`.
        """
        return self.info.build(self.look(identifier).info, uri, version or self.default_version)
