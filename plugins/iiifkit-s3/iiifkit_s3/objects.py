"""Objects read in parts, each part from the same version."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from iiifkit import Blob, SourceChanged, SourceError

from .bucket import Bucket
from .refusals import Changed, Missing, OutOfRange

LARGEST_READ = 8 * 1024 * 1024
"""Bytes that are asked for at once; a longer read is several requests."""

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_NONSENSE = "The bucket's server sent another part of the object than it was asked for."


class Part(NamedTuple):
    """The beginning of an object, and what is known of the whole.

    ``total`` is in bytes, ``modified`` in seconds since 1970, ``age`` in seconds since then by the server's own clock.
    The names of ``metadata`` are in small letters.
    """

    data: bytes
    etag: str
    total: int
    modified: float | None
    age: float
    metadata: Mapping[str, str]

    @property
    def version(self) -> str:
        """The ETag without its quotes."""
        return self.etag.strip('"')


def first_part(bucket: Bucket, key: str, length: int) -> Part:
    """Return the first ``length`` bytes of an object, or all of a shorter one.

    Raises `Missing`, another `SourceError`, or `Overloaded`.
    """

    def take(answer: Any) -> Part:
        return _begun(answer, length)

    try:
        return bucket.ask("get_object", take, Key=key, Range=f"bytes=0-{length - 1}")
    except OutOfRange:  # an object without bytes has no first one
        return bucket.ask("get_object", take, Key=key)


def next_part(bucket: Bucket, key: str, start: int, stop: int, etag: str, total: int) -> bytes:
    """Return the bytes ``[start, stop)`` of the object with this ETag.

    Raises `SourceChanged` if there is another by now, another `SourceError`, or `Overloaded`.
    """

    def take(answer: Any) -> bytes:
        if answer.get("ETag") != etag:
            raise SourceChanged("The object in the bucket was replaced while it was read; ask again.")
        if _range(answer) != (start, stop, total):
            raise SourceError(_NONSENSE)
        return _exactly(answer, stop - start)

    # A weak ETag, as proxies make them, holds no condition; the answer's is compared all the same.
    condition = {} if etag.startswith("W/") else {"IfMatch": etag}
    try:
        return bucket.ask("get_object", take, Key=key, Range=f"bytes={start}-{stop - 1}", **condition)
    except (Changed, Missing) as error:
        raise SourceChanged("The object in the bucket was replaced while it was read; ask again.") from error


def listed(bucket: Bucket, prefix: str) -> Iterator[str]:
    """Yield the keys that begin with ``prefix``, a page of at most 1,000 at a time.

    Raises a `SourceError` or `Overloaded`.
    """
    page: dict[str, str] = {}
    while True:
        keys, following = bucket.ask("list_objects_v2", _page, Prefix=prefix, **page)
        yield from (key for key in keys if key.startswith(prefix))
        if following is None:
            return
        if {"ContinuationToken": following} == page:
            raise SourceError("The bucket's server lists the same objects again and again.")
        page = {"ContinuationToken": following}


class ObjectBlob(Blob):
    """An object whose parts are fetched as they are read. The beginning is there already."""

    remote = True

    def __init__(self, bucket: Bucket, key: str, part: Part) -> None:
        self._bucket = bucket
        self._key = key
        self._head = part.data
        self._etag = part.etag
        self.version = part.version
        self.size = part.total
        self.modified = part.modified

    def read(self, offset: int, length: int) -> bytes:
        """Read what is there, and ask for the rest. Raises `SourceChanged` if the object was replaced."""
        if offset < 0 or length < 0:
            raise ValueError(f"offset {offset} and length {length} must not be negative")
        stop = min(offset + length, self.size)
        parts = [self._head[offset:stop]]
        offset += len(parts[0])
        while offset < stop:
            end = min(stop, offset + LARGEST_READ)
            parts.append(next_part(self._bucket, self._key, offset, end, self._etag, self.size))
            offset = end
        return b"".join(parts)


def _page(answer: Any) -> tuple[list[str], str | None]:
    keys = [entry["Key"] for entry in answer.get("Contents", ())]
    return keys, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None


def _begun(answer: Any, length: int) -> Part:
    whole = answer.get("ContentLength") or 0
    start, stop, total = _range(answer) or (0, whole, whole)
    if start != 0 or stop != min(length, total):
        raise SourceError(_NONSENSE)
    etag = answer.get("ETag")
    if not etag:
        raise SourceError("The bucket's server sends no ETag, by which versions are told apart.")
    modified = answer.get("LastModified")
    data = _exactly(answer, stop)
    return Part(
        data,
        etag,
        total,
        modified.timestamp() if isinstance(modified, datetime) else None,
        _age(answer, modified),
        # Some servers write the names of headers in capitals, and botocore leaves them so.
        {name.lower(): value for name, value in (answer.get("Metadata") or {}).items()},
    )


def _range(answer: Any) -> tuple[int, int, int] | None:
    """Return the first byte, the byte after the last, and the bytes of the whole."""
    match = _RANGE.fullmatch(answer.get("ContentRange") or "")
    if match is None:
        return None
    first, last, total = map(int, match.groups())
    return first, last + 1, total


def _exactly(answer: Any, length: int) -> bytes:
    if answer.get("ContentLength") != length:
        raise SourceError(_NONSENSE)
    data: bytes = answer["Body"].read(length) if length else b""
    if len(data) != length:
        raise ConnectionError("The body is shorter than its range.")
    return data


def _age(answer: Any, modified: Any) -> float:
    if not isinstance(modified, datetime):
        return 0.0
    try:
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        now = time.time()
    return now - modified.timestamp()
