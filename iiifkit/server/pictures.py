"""The line with threads between its steps: from a request to a reply, for pictures and for info.json."""

import asyncio
import threading
import time

import msgspec
from cachetools import LRUCache

from ..contracts import Work
from ..errors import BadRequest, ImageNotFound, SourceChanged
from ..image_api.request import ImageRequest, decode, decode_identifier
from ..originals import Known, digest
from ..service import Resolved, Service
from .asked import Asked
from .flights import Flights
from .lanes import Lane
from .metrics import Metrics
from .negotiation import info_media_type, matches
from .replies import (
    VARY_ACCEPT,
    Headers,
    Reply,
    encode,
    link_header,
    not_modified_since,
    profile_link,
    representation,
    saved_as,
    see_other,
)

VERSIONS = (2, 3)
POLL_SECONDS = 0.2

SLOW_SECONDS = 0.003
WARY_SECONDS = 10.0
"""A look into a local cache that takes longer than the first holds up other answers, so threads do it for a while."""

REMEMBERED_BYTES = 40_000_000
"""About the memory of the requests that are remembered: some ten thousand, fewer if their addresses are very long."""

REMEMBERED_DOCUMENTS = 2_000

MOST_AT_ONCE = 1 << 20
"""Bytes of an entry of a local cache that is read on the event loop; larger ones take longer than a thread."""


class Ready(msgspec.Struct, frozen=True):
    """A request that was understood before: all of its reply but the body, as long as the image stays the same."""

    resolved: Resolved
    headers: Headers
    encoded: bytes


class Begun(msgspec.Struct, frozen=True):
    """A request that is understood, but takes more; ``missed`` if the derivative cache is known to have nothing."""

    ready: Ready
    missed: bool = False


class Document(msgspec.Struct, frozen=True):
    """The info.json of one image under one address, and the tag of the image that it tells of."""

    tag: str
    etag: str
    reply: Reply


class Target(msgspec.Struct, frozen=True):
    """Where a path points: an API version, the address of its root, and the path below it."""

    version: int
    root: str
    path: str


class Pictures:
    """Answers requests for pictures and for info.json. Belongs to one event loop."""

    def __init__(
        self,
        service: Service,
        renders: Lane,
        reads: Lane,
        builds: Lane,
        metrics: Metrics,
        cache_control: str,
    ) -> None:
        self._service = service
        self._renders = renders
        self._reads = reads
        self._builds = builds
        self._metrics = metrics
        self._cache_control = cache_control
        self._looks: Flights[Known] = Flights()
        self._flights: Flights[bytes] = Flights()
        self._building: Flights[None] = Flights()
        location = service.derivatives.location
        self._local = location is not None and location.store == "file"
        self._slow_until = 0.0
        self._ready: LRUCache[tuple[str, str], Ready] = LRUCache(REMEMBERED_BYTES, getsizeof=_weight)
        self._documents: LRUCache[tuple[str, str, str], Document] = LRUCache(REMEMBERED_DOCUMENTS)

    def target(self, asked: Asked) -> Target:
        """Split off the version: ``/iiif/2/``, ``/iiif/3/``, or the default version without a prefix."""
        for version in VERSIONS:
            prefix = f"/iiif/{version}/"
            if asked.path.startswith(prefix):
                return Target(version, asked.base + prefix, asked.path[len(prefix) :])
        return Target(self._service.default_version, asked.base + "/", asked.path[1:])

    def at_once(self, asked: Asked) -> Reply | Begun | None:
        """Return the reply that needs neither a thread nor waiting: 304, memory, or a slice of an open file.

        What has `Begun` goes on in `reply`. None if the request has to be looked at from the start, and also for every
        error, which `reply` tells.
        """
        try:
            if asked.path.endswith("/info.json"):
                return self._information_at_once(asked)
            ready = self._known_again(asked)
            if ready is None:
                return None
            resolved = ready.resolved
            if reply := self._unchanged(asked, ready):
                return reply
            if self._service.derivatives.instant:
                kept = self._service.stored_bytes(resolved)
                if kept is not None:
                    self._metrics.add("cache_hits")
                    return self._reply(ready, kept, "memory")
            opened = self._service.pyramids.ready(resolved.known)
            body = opened.slice(resolved.plan) if opened is not None and opened.instant else None
            if body is not None:
                return self._reply(ready, body, "slice")
            return Begun(ready, missed=True) if self._service.derivatives.instant else self._from_disk(ready)
        except (Exception, SystemExit):
            # Also a plugin's mistake: the longer way meets it again, and answers for it.
            return None

    def _from_disk(self, ready: Ready) -> Reply | Begun:
        """Return what a local cache has, if the system has it in memory; a thread and back takes twice that time.

        While the disk is slow nothing is asked of it here.
        """
        started = time.perf_counter()
        if not self._local or started < self._slow_until:
            return Begun(ready)
        kept, body = self._service.stored(ready.resolved), None
        if kept is not None:
            with kept:
                body = kept.at_hand(MOST_AT_ONCE)
        if time.perf_counter() - started > SLOW_SECONDS:
            self._slow_until = started + WARY_SECONDS
        if body is None:
            return Begun(ready, missed=kept is None)
        self._metrics.add("cache_hits")
        return self._reply(ready, body, "disk")

    def stop(self) -> None:
        """Stop all work; call it when no more answers are wanted."""
        for flights in (self._looks, self._flights, self._building):
            flights.stop()

    def _known_again(self, asked: Asked) -> Ready | None:
        """Return what a request means, if that can be told from memory and is still true."""
        ready = self._ready.get((asked.base, asked.path))
        originals = self._service.originals
        if ready is not None:
            known = originals.fresh(ready.resolved.known.identifier)
            return ready if known is not None and known.tag == ready.resolved.known.tag else None
        target = self.target(asked)
        request = self._service.parse(target.path, target.version)
        known = originals.fresh(request.identifier)
        return self._prepare(asked, target, self._service.resolve(request, known)) if known is not None else None

    async def reply(self, asked: Asked, target: Target, begun: Begun | None = None) -> Reply:
        """Walk the line, or the rest of it if the request has `Begun`. Raises the errors of its steps."""
        try:
            return await (self._finish(begun) if begun is not None else self._classified(asked, target))
        except SourceChanged:
            return await self._classified(asked, target)

    async def _classified(self, asked: Asked, target: Target) -> Reply:
        spelling, _, last = target.path.rpartition("/")
        if spelling and (last == "info.json" or ("%" in last and decode(last) == "info.json")):
            known = await self._look(decode_identifier(spelling))
            return self._information(asked, target, spelling, known)
        try:
            request = self._service.parse(target.path, target.version)
        except BadRequest:
            return await self._base(target)
        return await self._picture(asked, target, request)

    async def _base(self, target: Target) -> Reply:
        """Redirect from an image's base URI; what names no image and looks like a request keeps its own error."""
        spelling = target.path.removesuffix("/")
        try:
            await self._look(decode_identifier(spelling))
        except (ImageNotFound, BadRequest):
            if spelling.count("/") >= 4:
                self._service.parse(target.path, target.version)
            raise
        return see_other(f"{target.root}{spelling}/info.json")

    def _information_at_once(self, asked: Asked) -> Reply | None:
        target = self.target(asked)
        spelling = target.path.rpartition("/")[0]
        known = self._service.originals.fresh(decode_identifier(spelling))
        return self._information(asked, target, spelling, known) if known is not None else None

    def _information(self, asked: Asked, target: Target, spelling: str, known: Known) -> Reply:
        media_type = info_media_type(asked.header(b"accept"), target.version)
        place = (asked.base, asked.path, media_type)
        document = self._documents.get(place)
        if document is None or document.tag != known.tag:
            document = self._documents[place] = self._document(target, spelling, known, media_type)
        reply = document.reply
        if self._is_current(asked, document.etag, known.modified):
            return Reply(304, reply.headers, b"", "304", "", reply.encoded)
        return reply

    def _document(self, target: Target, spelling: str, known: Known, media_type: str) -> Document:
        body = msgspec.json.encode(self._service.info.build(known.info, target.root + spelling, target.version))
        level = self._service.features.level(target.version, known.info.color)
        etag = f'"{digest(known.tag, media_type, body.decode())}"'
        link = profile_link(target.version, level)
        headers = [*representation(media_type, etag, known.modified, self._cache_control, link), VARY_ACCEPT]
        return Document(known.tag, etag, Reply(200, headers, body, "info", "", encode(headers)))

    async def _picture(self, asked: Asked, target: Target, request: ImageRequest) -> Reply:
        known = await self._look(request.identifier)
        resolved = self._service.resolve(request, known)
        ready = self._prepare(asked, target, resolved)
        return self._unchanged(asked, ready) or await self._finish(Begun(ready))

    async def _finish(self, begun: Begun) -> Reply:
        try:
            return await self._made(begun)
        except SourceChanged:
            # What is known of the image is not true any more, however long it was to be trusted.
            self._service.originals.forget(begun.ready.resolved.known.identifier)
            raise

    async def _made(self, begun: Begun) -> Reply:
        ready, resolved = begun.ready, begun.ready.resolved
        body = None if begun.missed else await self._stored(resolved)
        if body is not None:
            self._metrics.add("cache_hits")
            return self._reply(ready, body, "memory" if self._service.derivatives.instant else "disk")
        self._metrics.add("cache_misses")
        body = await self._sliced(resolved)
        if body is not None:
            return self._reply(ready, body, "slice")
        place = f"{resolved.key} {resolved.known.tag}"
        body = await self._flights.join(place, lambda work: self._render(resolved, work))
        return self._reply(ready, body, "render")

    async def _sliced(self, resolved: Resolved) -> bytes | None:
        """Return the stored tile that is this picture; a pyramid that is worth it is built first."""

        def look() -> tuple[bool, bytes | None]:
            opened = self._service.opened(resolved)
            return opened is not None, opened.slice(resolved.plan) if opened is not None else None

        known = resolved.known
        if (ready := self._service.pyramids.ready(known)) is not None and ready.instant:
            return ready.slice(resolved.plan)
        found, body = await self._reads.run(look)
        if found or not self._service.pyramids.wanted(resolved.plan, known):
            return body
        await self._building.join(f"{known.identifier} {known.tag}", lambda work: self._build(known, work), keep=True)
        return (await self._reads.run(look))[1]

    async def _build(self, known: Known, work: Work) -> None:
        """Build a pyramid here, or wait until the process that builds it is done; waiting holds no thread.

        Another process may be done before it is this one's turn to begin.
        """
        cost, begun = self._service.renderer.estimate_build(known.info), threading.Event()

        def build() -> bool:
            begun.set()
            return self._service.build(known, work)

        while True:
            turn = asyncio.ensure_future(self._builds.run(build, cost))
            try:
                while not turn.done():
                    await asyncio.wait((turn,), timeout=None if begun.is_set() else POLL_SECONDS)
                    waits = not turn.done() and not begun.is_set()
                    if waits and await self._reads.run(lambda: self._service.prepared(known)):
                        return
                if turn.result():
                    return
            finally:
                turn.cancel()
            begun.clear()
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self, identifier: str) -> Known:
        known = self._service.originals.fresh(identifier)
        if known is not None:
            return known
        return await self._looks.join(identifier, lambda _: self._reads.run(lambda: self._service.look(identifier)))

    async def _stored(self, resolved: Resolved) -> bytes | None:
        if self._service.derivatives.instant:
            return self._service.stored_bytes(resolved)
        return await self._reads.run(lambda: self._service.stored_bytes(resolved))

    async def _render(self, resolved: Resolved, work: Work) -> bytes:
        cost = self._service.renderer.estimate(resolved.known.info, resolved.plan)
        spent = 0.0

        def render() -> bytes:
            nonlocal spent
            started = time.perf_counter()
            try:
                return self._service.render(resolved, work)
            finally:
                spent = time.perf_counter() - started

        body = await self._renders.run(render, cost)
        self._metrics.add("transforms")
        self._metrics.add("cache_sets")
        self._metrics.add("transform_microseconds", int(spent * 1e6))
        return body

    def _prepare(self, asked: Asked, target: Target, resolved: Resolved) -> Ready:
        level = self._service.features.level(target.version, resolved.known.info.color)
        link = link_header(target.root + resolved.canonical, target.version, level)
        modified = resolved.known.modified
        headers = representation(resolved.media_type, resolved.etag, modified, self._cache_control, link)
        plan = resolved.plan
        headers.append(saved_as(resolved.known.identifier, plan.width, plan.height, plan.format))
        ready = self._ready[asked.base, asked.path] = Ready(resolved, headers, encode(headers))
        return ready

    def _unchanged(self, asked: Asked, ready: Ready) -> Reply | None:
        resolved = ready.resolved
        if not self._is_current(asked, resolved.etag, resolved.known.modified):
            return None
        return Reply(304, ready.headers, b"", "304", resolved.canonical, ready.encoded)

    @staticmethod
    def _is_current(asked: Asked, etag: str, modified: float | None) -> bool:
        """Compare with the client's copy; If-None-Match has precedence (RFC 9110, 13.2.2)."""
        if if_none_match := asked.header(b"if-none-match"):
            return matches(if_none_match, etag)
        return not_modified_since(asked.header(b"if-modified-since"), modified)

    def _reply(self, ready: Ready, body: bytes, how: str) -> Reply:
        return Reply(200, ready.headers, body, how, ready.resolved.canonical, ready.encoded)


def _weight(ready: Ready) -> int:
    """Return about how many bytes of memory a request takes: its address, some of it several times over."""
    return 2_000 + 4 * (len(ready.encoded) + len(ready.resolved.request.spelling))
