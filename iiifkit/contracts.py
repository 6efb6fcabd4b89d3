"""What a plugin implements: Source, Cache, Engine, Quality, and the values they exchange.

``iiifkit.testing`` has a contract class for each, to be inherited by a plugin's own tests.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from .blob import Blob
from .image_api.image import ImageInfo
from .image_api.plan import Plan
from .raster import Animation, Raster


class Location(msgspec.Struct, frozen=True):
    """A place that a source reads or a cache writes, to notice that two of them overlap.

    ``store`` tells one storage from another (``file``, ``s3://bucket``), ``path`` is the place in it. A source that
    ``hides`` never hands out what lies below a name that begins with a dot, so a cache may be there.
    """

    store: str
    path: str
    hides: bool = False

    def overlaps(self, other: "Location") -> bool:
        """Return whether one of the two is the other, or lies inside it where it can be seen."""
        if self.store != other.store:
            return False
        outer, inner = sorted((self, other), key=lambda place: len(place.names))
        depth = len(outer.names)
        if inner.names[:depth] != outer.names:
            return False
        return not (outer.hides and any(name.startswith(".") for name in inner.names[depth:]))

    @property
    def names(self) -> list[str]:
        """The names that lead to the place, outermost first."""
        return [name for name in self.path.split("/") if name]


class Source(Protocol):
    """Where original images live. Methods block, and are called from several threads at once."""

    location: Location | None
    """The place, if a cache could be put on top of it by mistake."""

    revalidate: float
    """Seconds for which a version that was seen is trusted. 0 asks every time, on the event loop, so it
    is for sources whose `version` takes microseconds."""

    def version(self, identifier: str) -> str:
        """Return the version that `open` would hand out now, as cheaply as possible.

        Raises `ImageNotFound`, or a `SourceError` if the place cannot be asked.
        """

    def open(self, identifier: str) -> Blob:
        """Return the image's bytes. The Blob's version belongs to exactly these bytes.

        Raises `ImageNotFound`, a `SourceError`, or `ImageOverLimit` if the image has too many bytes.
        An identifier never leads out of the place: ``../``, absolute paths, links that leave the
        root, NUL and the like are `ImageNotFound`.
        """

    def identifiers(self) -> Iterable[str]:
        """Return the identifiers of the images, where they can be listed; else nothing."""

    def close(self) -> None:
        """Give back connections and threads."""


class Cache(Protocol):
    """Keeps bytes by key and tag. Methods block, and are called from several threads at once.

    A key is a path of at least one segment, such as ``photo.jpg/full/400,300/0/default.jpg``; segments may
    hold any character but ``/`` and NUL, are never empty, ``.`` or ``..``, and can be longer than a file system allows.
    A tag is a short text without blanks. An entry is found only under the tag that it was put with:
    another tag means that the source, or the way it is rendered, has changed.
    """

    location: Location | None
    """The place, if it could be put on top of a source by mistake."""

    instant: bool
    """True if `get` never blocks, so that it may be called on the event loop."""

    def get(self, key: str, tag: str) -> Blob | None:
        """Return what was put last under this key, if its tag is this one; else None.

        An entry that is empty, torn or expired is None. Raises `CacheError` if the cache is broken; an entry that
        cannot be read to its end later may raise what its Blob raises, and is a miss as well.
        """

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        """Keep ``data``, or move the file ``data`` in; readers see the old entry or the new one, never a part.

        Raises `CacheError` if it cannot be kept. A cache may refuse what is too large for it silently.
        """

    def delete(self, prefix: str) -> int:
        """Remove the entry ``prefix`` and all entries below ``prefix/``; return how many there were."""

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        """Enter with True if this caller alone, of all threads and processes, may now build ``key``.

        Waits up to ``seconds`` for another builder to finish; enters with False if it has not. The lock
        of a process that died is free.
        """

    workspace: Path | None
    """A folder where a large file can be written before it is moved in with `put`; None if any folder will do."""

    def close(self) -> None:
        """Give back connections and threads."""


class Picture(Protocol):
    """A picture as an engine holds it, perhaps not computed yet. Used up by one `raster` or one encoding."""

    def raster(self) -> Raster:
        """Compute the pixels."""


class Work(msgspec.Struct, frozen=True):
    """What a piece of work may cost, and how it is told to stop.

    ``stopped`` returns True once nobody waits for the result any more; long work asks it now and then and raises
    `Stopped`. Work that can be stopped from outside registers how with ``on_stop``.
    """

    stopped: Callable[[], bool] = lambda: False
    on_stop: Callable[[Callable[[], None]], None] = lambda _: None


NO_LIMIT = Work()


class PyramidSettings(msgspec.Struct, frozen=True):
    """How a pyramid is stored: square tiles of ``tile`` pixels, as JPEG of ``quality`` 1 to 89, or lossless if None.

    ``threads`` is how many may work on it at once.
    """

    tile: int
    quality: int | None
    threads: int = 1


class Engine(Protocol):
    """Decodes, transforms and encodes. Methods block, and are called from several threads at once."""

    fingerprint: str
    """Name and version of the libraries; another fingerprint makes cached pictures stale."""

    reads: frozenset[str]
    """Formats that it can decode, by the specification's names (``jpg``, ``tif``, ``jp2`` ...)."""

    writes: frozenset[str]
    """Formats that it can encode."""

    def probe(self, blob: Blob, format: str) -> ImageInfo:
        """Return size and nature of the image, from its header. ``format`` was recognized by its first bytes.

        Raises `BrokenImage` or `UnsupportedImage`.
        """

    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> Picture:
        """Cut, scale, mirror, turn and, for ``color``, ``gray`` and ``bitonal``, color the picture (Image API 4.1-4.4).

        The result is upright, sRGB or gray, 8 bits. For another quality it is as for ``color``. Corners of a
        turned picture are transparent. Raises `BrokenImage`, also for a truncated file, or `Stopped`.
        """

    def encode(self, picture: Picture | Raster | Animation, plan: Plan, work: Work = NO_LIMIT) -> bytes:
        """Return the picture in ``plan.format``; transparency is flattened on white where the format has none.

        ``picture`` is this engine's own, or a neutral one. ``bitonal`` is stored with one bit a pixel where the
        format can. Raises `BrokenImage` (decoding may happen only now) or `Stopped`.
        """

    saves_pyramids: bool
    """Whether `save_pyramid` works."""

    def save_pyramid(
        self, picture: Picture | Raster, path: Path, settings: PyramidSettings, work: Work = NO_LIMIT
    ) -> None:
        """Write a picture as a tiled TIFF with halved copies down to a single tile, in bounded memory.

        Raises `BrokenImage`, `Stopped`, or `CacheError` if there is no room on the disk.
        """

    def estimate(self, info: ImageInfo, plan: Plan) -> int:
        """Return about how many bytes of memory `transform` and `encode` will need at once."""


class QualityRequest(msgspec.Struct, frozen=True):
    """What a quality is asked for: the ``text`` of the parameter, such as ``primitive:5,200,255``, and the format."""

    text: str
    format: str = "jpg"
    work: Work = NO_LIMIT


class Quality(Protocol):
    """Makes one picture out of another, after size and rotation (Image API 4.4)."""

    def check(self, text: str) -> None:
        """Raise `BadRequest` with a sentence if the parameter cannot be served, before any work is done."""

    def apply(self, raster: Raster, request: QualityRequest) -> Raster | Animation:
        """Return the new picture. Its size may differ. An `Animation` keeps all its frames in gif and webp."""


def location_of_folder(folder: Path, hides: bool = False) -> Location:
    """Return the location of a local folder, with links resolved."""
    return Location("file", folder.resolve().as_posix(), hides)
