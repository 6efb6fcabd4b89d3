"""The pages for people, and the manifests: which of them answers which path."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import parse_qs

import msgspec

from ..config.blocks import Server
from ..errors import BadRequest, IIIFKitError, ImageNotFound, Overloaded, SourceError
from ..image_api.request import ImageRequest, decode, decode_identifier
from ..originals import digest
from ..service import Service
from ..sources.example import IDENTIFIER
from ..viewer import pages
from ..viewer.assets import Asset, assets
from ..viewer.catalog import Catalog, Folder
from ..viewer.html import Safe
from ..viewer.manifest import MEDIA_TYPE, PER_MANIFEST, Canvas, Manifests
from .addresses import names_loopback
from .asked import Asked
from .lanes import Lane
from .listings import Listings
from .negotiation import matches
from .pages import is_local
from .replies import CORS, Headers, Reply, see_other, text

MANIFEST = "/manifest/"
STATIC = "/iiifkit/static/"
LONGEST_SEARCH = 100
PATIENCE = 10.0
"""Seconds that a manifest waits for the listing to be complete."""

PROBES = 25
"""Images whose sides are looked up in one go."""

THUMBNAIL = 400
"""The longest side of a thumbnail, in pixels."""

TITLE = "Pictures"

Query = dict[str, str]
Page = Callable[[Asked, Query], Awaitable[Reply]]


def offers_gallery(server: Server) -> bool:
    """Return whether there is a gallery: by default only if the server listens to this machine alone."""
    return names_loopback(_bracketed(server.host)) if server.gallery is None else server.gallery


class Site:
    """Answers requests for pages. Belongs to one event loop.

    A gallery that is there by default is for this machine: not through a proxy, and not for other sites' scripts.
    """

    def __init__(
        self,
        service: Service,
        server: Server,
        prefix: str = "",
        example: bool = False,
        built: dict[str, Asset] | None = None,
    ) -> None:
        self._service = service
        self._has_gallery = offers_gallery(server)
        self._public = server.gallery is True
        self._built = assets() if built is None else built
        self._listings = Listings(service.originals.source)
        self._lane = Lane("page", 4, 200)
        self._look = pages.Look(
            {name: asset.digest for name, asset in self._built.items()}, thumbnail(service), TITLE, self._has_gallery
        )
        self._pages: dict[str, Page] = {"/": self._gallery, "/iiifkit/viewer/": self._viewer}
        if example:
            self._pages |= {"/example/": self._example, "/example": self._to_example}
        if prefix:
            self._pages[prefix] = self._to_gallery
        self._pages |= {f"{STATIC}{name}": partial(self._asset, asset) for name, asset in self._built.items()}

    def close(self) -> None:
        """End what runs."""
        self._listings.close()
        self._lane.close()

    def find(self, asked: Asked) -> Page | None:
        """Return the page that answers a path; None if it is IIIF's. What reads as an image request always is."""
        page = self._pages.get(asked.path)
        if page is not None or not asked.path.startswith(MANIFEST) or _is_image_request(asked.path[1:]):
            return page
        return self._manifest

    @staticmethod
    def query(scope_query: bytes) -> Query:
        """Read a query string; the last of equal names counts, and what makes no sense is left out."""
        try:
            found = parse_qs(scope_query.decode("latin-1")[:8000], max_num_fields=20)
        except ValueError:
            return {}
        return {name: values[-1] for name, values in found.items()}

    async def _gallery(self, asked: Asked, query: Query) -> Reply:
        if not self._shows_gallery(asked):
            sentence = "There is no gallery here. Images are at /iiif/3/{identifier}/info.json."
            return text(404, sentence, how="page")
        if not self._built:
            return self._html(503, pages.missing(self._look))
        catalog = await self._listings.catalog()
        view = await self._lane.run(lambda: _view(catalog, query))
        if view is None:
            return text(404, "There is no such folder, or no picture is in it.", how="page")
        return self._html(200, pages.gallery(view, self._look))

    async def _viewer(self, asked: Asked, query: Query) -> Reply:
        return self._picture_page(pages.viewer, query.get("id", ""))

    async def _example(self, asked: Asked, query: Query) -> Reply:
        return self._picture_page(pages.example, query.get("id", IDENTIFIER))

    def _picture_page(self, page: Callable[[str, pages.Look], Safe], identifier: str) -> Reply:
        return (
            self._html(200, page(identifier, self._look)) if self._built else self._html(503, pages.missing(self._look))
        )

    async def _to_example(self, asked: Asked, query: Query) -> Reply:
        return see_other(f"{asked.base}/example/")

    async def _to_gallery(self, asked: Asked, query: Query) -> Reply:
        return see_other(f"{asked.base}/")

    async def _asset(self, asset: Asset, asked: Asked, query: Query) -> Reply:
        zipped = bool(asset.gzipped) and "gzip" in asked.header(b"accept-encoding")
        body = asset.gzipped if zipped else asset.body
        etag = f'"{asset.digest}{"-gzip" if zipped else ""}"'
        # A page names the digest of the script that it needs, so that this address never means another one.
        lasting = b"public, max-age=31536000, immutable" if query.get("v") == asset.digest else b"no-cache"
        headers = [
            (b"content-type", asset.media_type.encode()),
            (b"etag", etag.encode()),
            (b"cache-control", lasting),
            (b"vary", b"Accept-Encoding"),
            (b"x-content-type-options", b"nosniff"),
            *([(b"content-encoding", b"gzip")] if zipped else []),
        ]
        if matches(asked.header(b"if-none-match"), etag):
            return Reply(304, headers, how="page")
        return Reply(200, headers, body, "page")

    async def _manifest(self, asked: Asked, query: Query) -> Reply:
        path = decode(asked.path[len(MANIFEST) :]).removesuffix("/")
        versions = {"2": (2,), "3": (3,)}.get(query.get("api", ""), (3, 2))
        levels = {version: self._service.features.level(version) for version in (2, 3)}
        manifests = Manifests(asked.base, levels, versions, self._service.info.notices, self._look.thumbnail)
        folder = await self._folder(path) if self._shows_gallery(asked) else None
        if folder is None:
            known = await self._lane.run(lambda: self._service.look(decode_identifier(path or "/")))
            canvas = Canvas(path, known.info.width, known.info.height)
            return self._document(asked, manifests.of_image(canvas), CORS)
        page = _page_number(query.get("page")) if folder.total > PER_MANIFEST else None
        if folder.total > PER_MANIFEST and page is None:
            return self._document(asked, manifests.of_pages(folder, TITLE), self._cors(asked))
        images = list(folder.walk())
        first = PER_MANIFEST * ((page or 1) - 1)
        canvases = await self._canvases(images[first : first + PER_MANIFEST])
        return self._document(asked, manifests.of_folder(folder, canvases, page, TITLE), self._cors(asked))

    async def _folder(self, path: str) -> Folder | None:
        catalog = await self._listings.catalog(PATIENCE)
        if not catalog.complete:
            raise Overloaded("The folder is still being read; try again in a moment.", retry_after=5)
        if catalog.failure is not None:
            raise SourceError(_failure(catalog))
        return await self._lane.run(lambda: catalog.folder(path))

    async def _canvases(self, identifiers: Sequence[str]) -> list[Canvas]:
        """Look up the sides of images; what cannot be opened is left out."""

        def look(some: Sequence[str]) -> list[Canvas]:
            found = []
            for identifier in some:
                try:
                    info = self._service.look(identifier).info
                except IIIFKitError:
                    continue
                found.append(Canvas(identifier, info.width, info.height))
            return found

        batches = [identifiers[start : start + PROBES] for start in range(0, len(identifiers), PROBES)]
        looked = await asyncio.gather(*(self._lane.run(partial(look, batch)) for batch in batches))
        return [canvas for batch in looked for canvas in batch]

    def _shows_gallery(self, asked: Asked) -> bool:
        return self._has_gallery and (self._public or is_local(asked))

    def _cors(self, asked: Asked) -> Headers:
        """Return who may read the listing from another site: everyone if the config says so, else this machine."""
        if self._public:
            return CORS
        origin = asked.header(b"origin")
        scheme, _, host = origin.partition("://")
        allowed = scheme in ("http", "https") and names_loopback(host)
        return [(b"vary", b"Origin"), *([(b"access-control-allow-origin", origin.encode())] if allowed else [])]

    @staticmethod
    def _document(asked: Asked, document: dict[str, object], cors: Headers) -> Reply:
        body = msgspec.json.encode(document)
        etag = f'"{digest(body.decode())}"'
        headers = [
            *cors,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"etag", etag.encode()),
            (b"cache-control", b"no-cache"),
        ]
        if matches(asked.header(b"if-none-match"), etag):
            return Reply(304, headers, how="page")
        return Reply(200, headers, body, "page")

    @staticmethod
    def _html(status: int, page: Safe) -> Reply:
        body = page.encode("utf-8", "replace")
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", pages.POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]
        return Reply(status, headers, body, "page")


def thumbnail(service: Service) -> str | None:
    """Return the end of a thumbnail's address in the 3.0 API; None if no size is offered that fits every image."""
    if not service.features.offers("size", "sizeByConfinedWh"):
        return None
    limits = service.limits
    side = min(THUMBNAIL, *(limit for limit in (limits.width, limits.height) if limit is not None), THUMBNAIL)
    if limits.max_area is not None:
        side = min(side, int(limits.max_area**0.5))
    return f"full/!{side},{side}/0/default.jpg"


def _view(catalog: Catalog, query: Query) -> pages.View | None:
    path = query.get("folder", "").strip("/")
    search = query.get("search", "")[:LONGEST_SEARCH].strip()
    asked_for = _page_number(query.get("page")) or 1
    found: list[str] = catalog.search(search, path) if search else []
    count = len(found) if search else catalog.size(path)
    number = min(asked_for, max(1, -(-count // pages.PER_PAGE)))
    start = (number - 1) * pages.PER_PAGE
    page = catalog.page(path, start, pages.PER_PAGE)
    if page is None:
        if path and catalog.complete:
            return None
        page = Folder(path), []
    folder, entries = page
    return pages.View(
        path,
        found[start : start + pages.PER_PAGE] if search else entries,
        count,
        folder.total,
        number,
        search,
        reading=not catalog.complete,
        cut=catalog.cut,
        failure=_failure(catalog),
    )


def _failure(catalog: Catalog) -> str:
    if catalog.failure is None:
        return ""
    return str(catalog.failure) if isinstance(catalog.failure, IIIFKitError) else "The pictures cannot be listed."


def _page_number(given: str | None) -> int | None:
    if given is None or not (given.isascii() and given.isdecimal()) or len(given) > 6:
        return None
    return max(1, int(given))


def _is_image_request(path: str) -> bool:
    if path.endswith("/info.json"):
        return True
    try:
        ImageRequest.parse(path, 3)
    except (BadRequest, ImageNotFound):
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
