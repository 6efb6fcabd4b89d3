"""Manifests of the Presentation API 3.0: one for an image, one for a folder, a collection for a large folder.

They are plain dictionaries. iiif-prezi3, which the tests check them with, brings pydantic and takes longer to import
than the whole server; the few properties that are needed here are less code than calling it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ..image_api.info import Notices, profile_uri
from .catalog import Folder

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'

PER_MANIFEST = 500
"""Images in one manifest; a folder with more is a collection of manifests."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Canvas:
    """One image of a manifest. Sides are in pixels."""

    identifier: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Manifests:
    """Writes manifests for clients that reach the server under ``base``.

    ``versions`` are the Image API versions to offer, the preferred one first; ``levels`` are their compliance levels;
    ``thumbnail`` is the end of a thumbnail's address below an image of the 3.0 API, if there can be one.
    """

    base: str
    levels: Mapping[int, int]
    versions: Sequence[int] = (3, 2)
    notices: Notices = field(default_factory=Notices)
    thumbnail: str | None = None

    def of_image(self, canvas: Canvas) -> Document:
        """Return the manifest of a single image."""
        return self._manifest(self.address(canvas.identifier), _last(canvas.identifier), [canvas])

    def of_folder(
        self, folder: Folder, canvases: Sequence[Canvas], page: int | None = None, title: str = ""
    ) -> Document:
        """Return the manifest of a folder, or of one ``page`` of it; folders in it are ranges."""
        query = {"page": str(page)} if page is not None else {}
        address = self.address(folder.path, query)
        label = (folder.name or title) + (f" ({page})" if page is not None else "")
        known = {canvas.identifier: canvas for canvas in canvases}
        ranges = [self._range(inner, known) for inner in folder.inner()]
        document = self._manifest(address, label, canvases)
        structures = [found for found in ranges if found["items"]]
        return {**document, "structures": structures} if structures else document

    def of_pages(self, folder: Folder, title: str = "") -> Document:
        """Return the collection of all the pages of a large folder."""
        pages = -(-folder.total // PER_MANIFEST)
        label = folder.name or title
        return {
            "@context": CONTEXT,
            "id": self.address(folder.path),
            "type": "Collection",
            "label": _text(label),
            "items": [
                {
                    "id": self.address(folder.path, {"page": str(page)}),
                    "type": "Manifest",
                    "label": _text(f"{label} ({page})"),
                }
                for page in range(1, pages + 1)
            ],
        }

    def address(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Return the address of a manifest; it keeps to the API version that this one was asked for."""
        given = {**(query or {}), **({"api": str(self.versions[0])} if len(self.versions) == 1 else {})}
        return f"{self.base}/manifest/{quote(path)}" + (f"?{urlencode(given)}" if given else "")

    def _manifest(self, address: str, label: str, canvases: Iterable[Canvas]) -> Document:
        notices: Document = {}
        if self.notices.rights:
            notices["rights"] = self.notices.rights
        if isinstance(self.notices.attribution, str):
            notices["requiredStatement"] = {"label": _text("Attribution"), "value": _text(self.notices.attribution)}
        return {
            "@context": CONTEXT,
            "id": address,
            "type": "Manifest",
            "label": _text(label),
            **notices,
            "items": [self._canvas(canvas) for canvas in canvases],
        }

    def _canvas(self, canvas: Canvas) -> Document:
        root = f"{self.base}/manifest/{quote(canvas.identifier)}"
        sides = {"width": canvas.width, "height": canvas.height}
        image = f"{self._service_id(canvas.identifier, self.versions[0])}/full"
        services = [self._service(canvas.identifier, version) for version in self.versions]
        document: Document = {
            "id": f"{root}/canvas",
            "type": "Canvas",
            "label": _text(_last(canvas.identifier)),
            **sides,
            "items": [
                {
                    "id": f"{root}/page",
                    "type": "AnnotationPage",
                    "items": [
                        {
                            "id": f"{root}/annotation",
                            "type": "Annotation",
                            "motivation": "painting",
                            "target": f"{root}/canvas",
                            "body": {
                                "id": f"{image}/{'full' if self.versions[0] == 2 else 'max'}/0/default.jpg",
                                "type": "Image",
                                "format": "image/jpeg",
                                **sides,
                                "service": services,
                            },
                        }
                    ],
                }
            ],
        }
        if self.thumbnail is not None:
            address = f"{self._service_id(canvas.identifier, 3)}/{self.thumbnail}"
            document["thumbnail"] = [{"id": address, "type": "Image", "service": services}]
        return document

    def _service_id(self, identifier: str, version: int) -> str:
        return f"{self.base}/iiif/{version}/{quote(identifier, safe='')}"

    def _service(self, identifier: str, version: int) -> Document:
        address = self._service_id(identifier, version)
        if version == 2:
            return {"@id": address, "@type": "ImageService2", "profile": profile_uri(2, self.levels[2])}
        return {"id": address, "type": "ImageService3", "profile": f"level{self.levels[3]}"}

    def _range(self, folder: Folder, known: Mapping[str, Canvas]) -> Document:
        inner = [self._range(found, known) for found in folder.inner()]
        canvases = [
            {"id": f"{self.base}/manifest/{quote(identifier)}/canvas", "type": "Canvas"}
            for identifier in folder.images
            if identifier in known
        ]
        return {
            "id": f"{self.base}/manifest/{quote(folder.path)}/range",
            "type": "Range",
            "label": _text(folder.name),
            "items": [*canvases, *(found for found in inner if found["items"])],
        }


def _last(identifier: str) -> str:
    return identifier.rpartition("/")[2]


def _text(text: str) -> dict[str, list[str]]:
    """Return a text as the Presentation API has it: in no language."""
    return {"none": [text]}
