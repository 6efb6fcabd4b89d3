"""Images in a bucket, read in parts."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated

from iiifkit import Blob, Buffered, BytesBlob, Environment, ImageNotFound, ImageOverLimit, Location
from msgspec import Meta
from msgspec.structs import replace

from .bucket import Bucket
from .keys import image_key, not_found, quoted
from .locks import KeyedLocks
from .objects import ObjectBlob, Part, first_part, listed
from .options import BucketOptions
from .refusals import Missing

FIRST = 512 * 1024
"""Bytes that are asked for when an image is opened; smaller images come whole."""

REMEMBERED = 4
"""Large images whose parts are kept while others are read, up to 8 MB each, so that none is asked for twice."""

DEFAULT_MAX_BYTES = 100_000_000_000


class SourceOptions(BucketOptions, frozen=True, kw_only=True):
    """A bucket of images. A version that was seen is trusted for ``revalidate`` seconds."""

    revalidate: Annotated[float, Meta(gt=0, le=86_400)] = 60


class S3Source:
    """The images whose keys are ``prefix`` and the identifier. The version of an image is its ETag."""

    def __init__(self, bucket: Bucket, revalidate: float, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._bucket = bucket
        self._max_bytes = max_bytes
        self.revalidate = revalidate
        self.location: Location | None = replace(bucket.location, hides=True)
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, LargeImage] = OrderedDict()

    def version(self, identifier: str) -> str:
        """Ask for the first byte: unlike HEAD, a refusal then says why. Raises `ImageNotFound` or a `SourceError`."""
        return self._first(identifier, 1).version

    def open(self, identifier: str) -> Blob:
        """Ask for the beginning, or whether it still is the image that was read last.

        Raises `ImageNotFound`, a `SourceError`, `Overloaded` or `ImageOverLimit`.
        """
        with self._lock:
            image = self._remembered.get(identifier)
            if image is not None:
                self._remembered.move_to_end(identifier)
        if image is not None and self.version(identifier) == image.version:
            return image
        part = self._first(identifier, FIRST)
        if part.total > self._max_bytes:
            raise ImageOverLimit(
                f"The image {quoted(identifier)} has {part.total} bytes; this server opens images of up to "
                f"{self._max_bytes} bytes."
            )
        if part.total == len(part.data):
            return BytesBlob(part.data, part.version, part.modified)
        image = LargeImage(ObjectBlob(self._bucket, image_key(self._bucket.prefix, identifier), part))
        with self._lock:
            self._remembered[identifier] = image
            self._remembered.move_to_end(identifier)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return image

    def identifiers(self) -> Iterator[str]:
        """Yield the identifiers of all objects below the prefix, as pages of the listing come."""
        prefix = self._bucket.prefix
        for key in listed(self._bucket, prefix):
            identifier = key.removeprefix(prefix)
            try:
                image_key(prefix, identifier)
            except ImageNotFound:
                continue
            yield identifier

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()

    def _first(self, identifier: str, length: int) -> Part:
        try:
            return first_part(self._bucket, image_key(self._bucket.prefix, identifier), length)
        except Missing as error:
            raise not_found(identifier) from error


class LargeImage(Buffered):
    """The parts of an image that were read last. Whoever opens the same version shares them.

    Several threads that want the same bytes at the same time, as for a viewer's first tiles, get them by one request.
    """

    def __init__(self, blob: ObjectBlob) -> None:
        super().__init__(blob)
        self._reading = KeyedLocks()

    def read(self, offset: int, length: int) -> bytes:
        """Read through the parts that are there. Raises what `ObjectBlob.read` raises."""
        with self._reading.hold(f"{offset} {length}", threading.TIMEOUT_MAX):
            return super().read(offset, length)

    def close(self) -> None:
        """Do nothing, because others may be reading; there is nothing to give back but memory."""


def build(options: SourceOptions, environment: Environment) -> S3Source:
    """Return the source of a bucket. Raises `ConfigError` if options or credentials are not possible."""
    bucket = Bucket(options, "images.source")
    return S3Source(bucket, options.revalidate, environment.max_source_bytes or DEFAULT_MAX_BYTES)
