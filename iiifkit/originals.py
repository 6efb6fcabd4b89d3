"""Original images: finding one, knowing it without decoding it, and opening it where reading is cheap."""

import hashlib
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cachetools import LRUCache
from msgspec.structs import replace

from .blob import Blob
from .contracts import Cache, Source
from .errors import (
    CACHE_FAILURES,
    CacheError,
    ImageError,
    ImageNotFound,
    ImageOverLimit,
    SourceChanged,
    UnsupportedImage,
)
from .image_api.formats import recognize
from .image_api.image import ImageInfo

log = logging.getLogger("iiifkit")

_CHANGED = "The image was changed while it was read; ask again."

WHOLE = 64 * 1024 * 1024
"""Remote images up to this many bytes are fetched whole into the image cache; larger ones are read in ranges."""

PROGRESSIVE_SHARE = 4
"""A progressive JPEG takes over 4 bytes of memory a pixel, whatever is made of it; a baseline one is streamed."""

ALTERNATE_SECONDS = 60.0
"""How long an alternate identifier's image is taken for granted; then its record is read again."""


class Known(msgspec.Struct, frozen=True):
    """The one record of an identifier: what its source held when it was last looked at.

    ``origin`` is what the source calls the image; ``identifier`` is another name if it is an alternate. ``tag`` stands
    for the source's version together with everything that decides how it is rendered; cached entries
    under another tag are stale. ``checked`` is in seconds of the monotonic clock.
    """

    identifier: str
    origin: str
    info: ImageInfo
    version: str
    tag: str
    modified: float | None
    checked: float


class ReadLimits(msgspec.Struct, frozen=True):
    """What may be opened: formats by name, the most pixels by format, the most bytes; None is no limit."""

    formats: frozenset[str]
    pixels: Mapping[str, int | None]
    bytes: int | None = None

    def check_format(self, format: str | None) -> str:
        """Return the format if it may be opened. Raises `UnsupportedImage` by name."""
        if format in self.formats:
            return format
        what = f"is stored as {format}" if format else "is not a picture in a known format"
        raise UnsupportedImage(f"The file {what}; this server opens: {', '.join(sorted(self.formats))}.")

    def check_info(self, info: ImageInfo) -> None:
        """Raise `ImageOverLimit` if the image has more pixels than its format may have.

        Progressive and interlaced pictures are decoded as a whole; they may have a quarter of it.
        """
        limit = self.pixels.get(info.format)
        kind = info.format
        if limit is not None and info.progressive:
            limit, kind = limit // PROGRESSIVE_SHARE, f"progressive {info.format}"
        if limit is not None and info.pixels > limit:
            raise ImageOverLimit(
                f"The image has {info.width}x{info.height} pixels; this server opens {kind} images of up to "
                f"{limit} pixels."
            )


class Originals:
    """All images of a source. Thread-safe; methods but `fresh` may block."""

    def __init__(
        self,
        source: Source,
        cache: Cache,
        probe: Callable[[Blob, str], ImageInfo],
        limits: ReadLimits,
        fingerprint: str,
        alternate: Callable[[str], str | None] = lambda _: None,
        remembered: int = 20_000,
    ) -> None:
        self.source = source
        self._cache = cache
        self._probe = probe
        self._limits = limits
        self._fingerprint = fingerprint
        self._alternate = alternate
        self._records: LRUCache[str, Known] = LRUCache(remembered)
        self._lock = threading.Lock()

    def fresh(self, identifier: str) -> Known | None:
        """Return what is known if it is still true, without blocking; else None.

        Raises `ImageNotFound` or a `SourceError` where the source can tell at once.
        """
        with self._lock:
            known = self._records.get(identifier)
        if known is None:
            return None
        age = time.monotonic() - known.checked
        if known.origin != identifier and age > ALTERNATE_SECONDS:
            return None
        if self.source.revalidate:
            return known if age < self.source.revalidate else None
        return known if self.source.version(known.origin) == known.version else None

    def look(self, identifier: str) -> Known:
        """Return what is known of an image, asking the source if need be.

        Raises `ImageNotFound`, a `SourceError` or an `ImageError`.
        """
        known = self.fresh(identifier)
        if known is not None:
            return known
        with self._lock:
            known = self._records.get(identifier)
        if known is not None and known.origin == identifier and self.source.version(identifier) == known.version:
            return self._remember(replace(known, checked=time.monotonic()))
        try:
            return self._look(identifier, identifier)
        except ImageNotFound as missing:
            origin = self._alternate(identifier)
            if origin is None:
                raise
            try:
                return self._look(identifier, origin)
            except ImageNotFound:
                raise missing from None

    def _look(self, identifier: str, origin: str) -> Known:
        with self._open(origin) as blob:
            if self._limits.bytes is not None and blob.size > self._limits.bytes:
                raise ImageOverLimit(
                    f"The image has {blob.size} bytes; this server opens images of up to {self._limits.bytes} bytes."
                )
            format = self._limits.check_format(recognize(blob.read(0, 32)))
            info = self._probe(blob, format)
            self._limits.check_info(info)
            tag = digest(blob.version, self._fingerprint)
            return self._remember(Known(identifier, origin, info, blob.version, tag, blob.modified, time.monotonic()))

    def open(self, known: Known) -> Blob:
        """Return the bytes of exactly the version that is known. Raises `SourceChanged` if there is another by now."""
        blob = self._open(known.origin, known.version)
        if blob.version != known.version:
            blob.close()
            self.forget(known.identifier)
            raise SourceChanged(_CHANGED)
        return blob

    def forget(self, identifier: str) -> None:
        """Drop what is known of an image, so that the source is asked again."""
        with self._lock:
            self._records.pop(identifier, None)

    def _remember(self, known: Known) -> Known:
        with self._lock:
            self._records[known.identifier] = known
        return known

    def _open(self, identifier: str, version: str | None = None) -> Blob:
        """Open an image, remote ones through the image cache."""
        if not self.source.revalidate:
            return self.source.open(identifier)
        key = f"%sources/{digest(identifier)}"
        wanted = version or self.source.version(identifier)
        try:
            kept = self._cache.get(key, digest(wanted))
        except CACHE_FAILURES as error:
            log.warning("the image cache failed: %s", error)
            kept = None
        if kept is None:
            return self._keep(key, identifier, self.source.open(identifier))
        return _Kept(kept, wanted, lambda: self._opened_again(identifier, wanted))

    def _opened_again(self, identifier: str, version: str) -> Blob:
        blob = self.source.open(identifier)
        if blob.version != version:
            blob.close()
            self.forget(identifier)
            raise SourceChanged(_CHANGED)
        return blob

    def _keep(self, key: str, identifier: str, blob: Blob) -> Blob:
        """Put a fetched image into the cache, if it is small enough or came whole; go on without it if that fails."""
        if blob.path is None and blob.size > WHOLE:
            return blob
        try:
            if blob.path is None:
                self._cache.put(key, blob.read_all(), digest(blob.version), "application/octet-stream")
            else:
                with _copied(blob.path) as copy:
                    self._cache.put(key, copy, digest(blob.version), "application/octet-stream")
            kept = self._cache.get(key, digest(blob.version))
        except (CacheError, OSError) as error:
            log.warning("a fetched image could not be kept: %s", error)
            return blob
        if kept is None:
            return blob
        version = blob.version
        blob.close()
        return _Kept(kept, version, lambda: self._opened_again(identifier, version), blob.modified)


@contextmanager
def steady(blob: Blob) -> Iterator[None]:
    """Raise `SourceChanged`, whatever was made of a Blob, if somebody has written over it meanwhile."""
    try:
        yield
    except ImageError:
        if blob.unchanged():
            raise
    if not blob.unchanged():
        raise SourceChanged(_CHANGED)


class _Kept(Blob):
    """A fetched image as the cache has it, under its source's version. If the cache fails, the source is read."""

    def __init__(self, blob: Blob, version: str, original: Callable[[], Blob], modified: float | None = None) -> None:
        self._blob = blob
        self._original: Callable[[], Blob] | None = original
        self._lock = threading.Lock()
        self.size = blob.size
        self.version = version
        self.modified = modified
        self.path = blob.path
        self.remote = blob.remote

    def read(self, offset: int, length: int) -> bytes:
        blob = self._blob
        try:
            return blob.read(offset, length)
        except CACHE_FAILURES as error:
            return self._instead_of(blob, error).read(offset, length)

    def _instead_of(self, failed: Blob, error: Exception) -> Blob:
        """Return the original in the place of a Blob that failed. Raises ``error`` if it was the original that did."""
        with self._lock:
            if self._blob is failed:
                if self._original is None:
                    raise error
                log.warning("the image cache failed: %s", error)
                # The failed one is not closed: others may be reading it.
                self._blob, self._original = self._original(), None
                # Whether reading takes a network, and where else the bytes are, is now the original's to tell.
                self.path, self.remote = self._blob.path, self._blob.remote
            return self._blob

    def unchanged(self) -> bool:
        return self._blob.unchanged()

    def close(self) -> None:
        self._blob.close()


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """Copy a fetched file, because a cache moves what it is given and the original may not be ours.

    The copy vanishes if the cache leaves it where it is.
    """
    with tempfile.NamedTemporaryFile(delete=False, prefix="iiifkit-") as file:
        copy = Path(file.name)
    try:
        shutil.copyfile(path, copy)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def digest(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for some texts."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
