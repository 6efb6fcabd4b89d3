"""A cache in a bucket: one object an entry, under a readable key, so that the bucket can be published as it is."""

import contextlib
import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO
from urllib.parse import quote

from iiifkit import Blob, Buffered, BytesBlob, CacheError, Environment, Location, Overloaded, SourceError, SourceTimeout
from msgspec import Meta

from .bucket import Bucket
from .keys import entry_key
from .leases import Leases
from .objects import ObjectBlob, Part, first_part, listed
from .options import BucketOptions
from .refusals import Missing
from .uploads import upload

FIRST = {"derivatives": 4 * 1024 * 1024, "images": 512 * 1024}
"""Bytes that are asked for when an entry is opened: pictures are wanted whole, pyramids in parts."""

REST = 5.0
"""Seconds for which a server that does not answer is left alone, and pictures are made without it at once."""

TAG, CHECK = "iiifkit-tag", "iiifkit-check"
"""The metadata of an entry: its tag, for people to read, and a hash of key, tag and size, by which it is found."""

_BATCH = 1000

logger = logging.getLogger("iiifkit")


class CacheOptions(BucketOptions, frozen=True, kw_only=True):
    """A bucket of cache entries, which are kept for ``ttl`` seconds, 0 for ever.

    ``cache_control`` is what the server of the bucket says to browsers. ``lease`` is how many seconds the lock of a
    process that died is still held.
    """

    ttl: Annotated[float, Meta(ge=0)] = 0
    cache_control: Annotated[str, Meta(pattern=r"\A[\x20-\x7e]*\Z", max_length=200)] = "public, max-age=86400"
    lease: Annotated[float, Meta(ge=1, le=3600)] = 15


class S3Cache:
    """Keeps entries as objects whose metadata tell the tag. Objects that others put there are not found."""

    instant = False
    workspace: Path | None = None

    def __init__(self, bucket: Bucket, options: CacheOptions, first: int = FIRST["images"]) -> None:
        self._bucket = bucket
        self._ttl = options.ttl
        self._cache_control = options.cache_control
        self._first = first
        self._leases = Leases(bucket, options.lease)
        self.location: Location | None = bucket.location

    def get(self, key: str, tag: str) -> Blob | None:
        """Return the entry if it was put with this tag, is whole and has not expired.

        Raises `CacheError` if the bucket cannot be read.
        """
        name = entry_key(self._bucket.prefix, key)
        with _told():
            try:
                part = first_part(self._bucket, name, self._first)
            except Missing:
                return None
        if not self._is_entry(part, key, tag):
            return None
        if part.total == len(part.data):
            return BytesBlob(part.data, part.version, part.modified)
        return Buffered(ObjectBlob(self._bucket, name, part))

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        """Put an object. A file is removed when its bytes are in the bucket. No bytes take the entry away.

        Raises `CacheError` if it cannot be kept; the older entry is then as it was.
        """
        if isinstance(data, bytes):
            self._put(key, data, len(data), tag, media_type)
            return
        try:
            with data.open("rb") as file:
                size = _size(file.fileno())
                self._put(key, file, size, tag, media_type)
        except OSError as error:
            raise CacheError("The file to be cached cannot be read.") from error
        if size:
            with contextlib.suppress(OSError):
                data.unlink()

    def delete(self, prefix: str) -> int:
        """Remove the entry ``prefix`` and those below it. Raises `CacheError` if the bucket does not let us."""
        name = entry_key(self._bucket.prefix, prefix)
        with _told():
            keys = [name] if self._has(name) else []
            keys += listed(self._bucket, name + "/")
            for start in range(0, len(keys), _BATCH):
                self._delete(keys[start : start + _BATCH])
        return len(keys)

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        """Tell apart all threads of all processes that use this bucket and prefix; see `iiifkit.Cache`."""
        return self._leases.hold(key, seconds)

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()

    def _is_entry(self, part: Part, key: str, tag: str) -> bool:
        is_whole = part.total > 0 and part.metadata.get(CHECK) == _check(key, tag, part.total)
        return is_whole and not (self._ttl and part.age > self._ttl)

    def _put(self, key: str, data: bytes | BinaryIO, size: int, tag: str, media_type: str) -> None:
        name = entry_key(self._bucket.prefix, key)
        with _told():
            if size == 0:
                self._bucket.ask("delete_object", _nothing, Key=name)
                return
            headers = {"CacheControl": self._cache_control} if self._cache_control else {}
            metadata = {TAG: quote(tag, safe=""), CHECK: _check(key, tag, size)}
            upload(self._bucket, name, data, size, ContentType=media_type, Metadata=metadata, **headers)

    def _has(self, name: str) -> bool:
        try:
            first_part(self._bucket, name, 1)
        except Missing:
            return False
        return True

    def _delete(self, keys: list[str]) -> None:
        """Delete a batch at once, or one after the other where the server knows no batches."""
        if len(keys) > 1:
            objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            try:
                if not self._bucket.ask("delete_objects", lambda answer: answer.get("Errors"), Delete=objects):
                    return
            except SourceTimeout:
                raise
            except SourceError as error:
                logger.debug("The bucket's server deletes no batches: %s", error)
        for key in keys:
            self._bucket.ask("delete_object", _nothing, Key=key)


@contextmanager
def _told() -> Iterator[None]:
    """Say `CacheError` for what the bucket says."""
    try:
        yield
    except (SourceError, Overloaded) as error:
        raise CacheError(str(error)) from error


def _check(key: str, tag: str, size: int) -> str:
    text = f"{size}\0{tag}\0{key}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _size(descriptor: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise CacheError("Only a regular file can be moved into the cache.")
    return status.st_size


def _nothing(_: object) -> None:
    return None


def build(options: CacheOptions, environment: Environment) -> S3Cache:
    """Return a cache in a bucket. Raises `ConfigError` if options or credentials are not possible."""
    where = f"{environment.role}.cache"
    rest = 0 if environment.patient else REST
    return S3Cache(Bucket(options, where, rest), options, FIRST.get(environment.role, FIRST["images"]))
