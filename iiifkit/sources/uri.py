"""Images of another server, by HTTP; a URI template says where each identifier lives."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec

from ..blob import Blob, Buffered, BytesBlob, clip
from ..contracts import Location
from ..errors import ImageOverLimit, SourceChanged, SourceError
from ..hookspecs import Environment
from ..opened_file import OpenedFile
from .addresses import Template, is_public
from .identifiers import not_found, quoted

if TYPE_CHECKING:
    from .fetching import Answer

FIRST = 256 * 1024
"""Bytes that are asked for when an image is opened."""

SMALL = 1024 * 1024
"""Images up to this many bytes are fetched whole, into memory."""

LARGEST_READ = 4 * 1024 * 1024
"""Bytes that are asked for at once; a longer read is several requests."""

DEFAULT_MAX_BYTES = 1_000_000_000

_NOT_STORED = "The image cannot be stored while it is read."
_GONE = (400, 404, 410, 414)
_READABLE = (200, 206, 404, 410, 412, 416)
_NO_HEAD = (400, 403, 405, 501)


class UriOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``path``: an RFC 6570 template with ``{id}``. Times are seconds, sizes bytes.

    ``timeout`` bounds each request, ``download_timeout`` the download of a whole image from a server that cannot
    serve parts. ``hosts`` and ``allow_private`` are for templates whose host comes from ``{id}``.
    """

    path: str
    revalidate: Annotated[float, msgspec.Meta(ge=0)] = 60
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10
    download_timeout: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 60
    max_bytes: Annotated[int, msgspec.Meta(gt=0)] | None = None
    hosts: tuple[str, ...] = ()
    allow_private: bool = False


class UriSource:
    """Images by HTTP. Parts are read by range requests; a server without them is asked for the whole image.

    The version is the ETag, or else Last-Modified and length. A server that sends neither is read whole to tell.
    """

    location: Location | None = None

    def __init__(self, options: UriOptions, max_bytes: int, temporary_folder: str | None = None) -> None:
        from .connections import pool_manager
        from .fetching import Fetcher

        self._template = Template(options.path, options.hosts)
        self.revalidate = options.revalidate
        self._timeout = options.timeout
        self._download_timeout = options.download_timeout
        self._max_bytes = max_bytes
        self._temporary_folder = temporary_folder
        checked = self._template.origin is None and not options.allow_private
        self._fetcher = Fetcher(pool_manager(is_public if checked else None))

    def version(self, identifier: str) -> str:
        """Ask for the headers. Raises `ImageNotFound` or a `SourceError`."""
        url = self._template.url(identifier)
        version = self._fetcher.fetch("HEAD", url, {}, self._timeout, partial(self._head_version, identifier))
        if version is None:
            take = partial(self._range_version, identifier)
            version = self._fetcher.fetch("GET", url, {"Range": "bytes=0-0"}, self._timeout, take)
        if version is None:
            version = self._fetcher.fetch("GET", url, {}, self._timeout, partial(self._content_version, identifier))
        return version

    def open(self, identifier: str) -> Blob:
        """Ask for the beginning. Raises `ImageNotFound`, a `SourceError` or `ImageOverLimit`."""
        url = self._template.url(identifier)
        first = {"Range": f"bytes=0-{FIRST - 1}"}
        blob = self._fetcher.fetch("GET", url, first, self._timeout, partial(self._begun, identifier, url))
        if blob is None:
            blob = self._fetcher.fetch("GET", url, {}, self._timeout, partial(self._whole, identifier))
        if not isinstance(blob, _Ranges):
            return blob
        if blob.size <= SMALL:
            return BytesBlob(blob.read_all(), blob.version, blob.modified)
        return Buffered(blob)

    def identifiers(self) -> Iterable[str]:
        """Return nothing; other servers cannot be listed."""
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._fetcher.close()

    def part(self, url: str, start: int, stop: int, version: str, total: int) -> bytes:
        """Return the bytes ``[start, stop)`` of a version.

        Raises `SourceChanged` if the file is another by now, or a `SourceError`.
        """

        def take(answer: "Answer") -> bytes:
            if answer.status not in _READABLE:
                raise SourceError(f"The server of the images answered {answer.status} while one was read.")
            if answer.version(total) != version or (answer.range and answer.range[2] != total):
                raise SourceChanged("The image was changed while it was read; ask again.")
            if answer.status != 206 or answer.range != (start, stop, total):
                raise SourceError("The server of the images does not serve all parts of them.")
            return _exactly(answer, stop - start)

        return self._fetcher.fetch("GET", url, {"Range": f"bytes={start}-{stop - 1}"}, self._timeout, take)

    def _head_version(self, identifier: str, answer: "Answer") -> str | None:
        if answer.status in _NO_HEAD:
            return None
        if answer.status != 200:
            _refuse(identifier, answer.status)
        return answer.version(answer.length)

    def _range_version(self, identifier: str, answer: "Answer") -> str | None:
        if answer.status == 206 and answer.range:
            return answer.version(answer.range[2])
        if answer.status not in (200, 206, 416):
            _refuse(identifier, answer.status)
        return answer.version(answer.length) if answer.status == 200 else None

    def _content_version(self, identifier: str, answer: "Answer") -> str:
        digest = blake2b(digest_size=16)
        size = 0
        for chunk in self._body(identifier, answer):
            digest.update(chunk)
            size += len(chunk)
        return answer.version(size) or digest.hexdigest()

    def _begun(self, identifier: str, url: str, answer: "Answer") -> Blob | None:
        """Return the image if the server serves parts, or sent the whole; None if it must be asked for the whole."""
        if answer.status == 200:
            return self._whole(identifier, answer)
        if answer.status not in (206, 416):
            _refuse(identifier, answer.status)
        if answer.status == 416 or answer.range is None or answer.range[0] != 0:
            return None
        _, stop, total = answer.range
        self._check(identifier, total)
        version = answer.version(total)
        if version is None or stop < min(total, FIRST):
            return None
        return _Ranges(self, url, version, total, answer.modified, _exactly(answer, min(stop, FIRST)))

    def _whole(self, identifier: str, answer: "Answer") -> Blob:
        """Return the whole image, in memory if it is small, else in a temporary file that goes with the Blob."""
        digest = blake2b(digest_size=16)
        body = self._body(identifier, answer)
        kept = bytearray()
        for chunk in body:
            digest.update(chunk)
            kept += chunk
            if len(kept) > SMALL:
                return self._stored(bytes(kept), body, digest, answer)
        return BytesBlob(bytes(kept), answer.version(len(kept)) or digest.hexdigest(), answer.modified)

    def _stored(self, kept: bytes, body: Iterator[bytes], digest: "blake2b", answer: "Answer") -> Blob:
        try:
            descriptor, name = tempfile.mkstemp(prefix="iiifkit-", dir=self._temporary_folder)
        except OSError as error:
            raise SourceError(_NOT_STORED) from error
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(kept)
                for chunk in body:
                    digest.update(chunk)
                    file.write(chunk)
            blob = OpenedFile(descriptor, path, os.fstat(descriptor), partial(_remove, path))
        except BaseException as error:
            os.close(descriptor)
            _remove(path)
            if isinstance(error, OSError):
                raise SourceError(_NOT_STORED) from error
            raise
        blob.version = answer.version(blob.size) or digest.hexdigest()
        blob.modified = answer.modified
        return blob

    def _body(self, identifier: str, answer: "Answer") -> Iterator[bytes]:
        """Yield the whole body, within the limits of bytes and time."""
        if answer.status != 200:
            _refuse(identifier, answer.status)
        self._check(identifier, answer.length or 0)
        answer.allow(self._download_timeout)
        size = 0
        for chunk in answer.chunks(self._max_bytes + 1):
            size += len(chunk)
            self._check(identifier, size)
            yield chunk

    def _check(self, identifier: str, size: int) -> None:
        if size > self._max_bytes:
            raise ImageOverLimit(f"The image {quoted(identifier)} has more bytes than this server fetches.")


class _Ranges(Blob):
    """A remote file whose parts are fetched as they are read."""

    remote = True

    def __init__(
        self, source: UriSource, url: str, version: str, size: int, modified: float | None, head: bytes
    ) -> None:
        self._source = source
        self._url = url
        self._head = head
        self.version = version
        self.size = size
        self.modified = modified

    def read(self, offset: int, length: int) -> bytes:
        """Read from the beginning that is there, and ask for the rest."""
        stop = offset + clip(offset, length, self.size)
        parts = [self._head[offset:stop]]
        offset += len(parts[0])
        while offset < stop:
            part = self._source.part(self._url, offset, min(stop, offset + LARGEST_READ), self.version, self.size)
            parts.append(part)
            offset += len(part)
        return b"".join(parts)


def _exactly(answer: "Answer", length: int) -> bytes:
    from urllib3.exceptions import ProtocolError

    data = answer.read(length)
    if len(data) != length:
        raise ProtocolError("The body is shorter than its range.")
    return data


def _refuse(identifier: str, status: int) -> NoReturn:
    if status in _GONE:
        raise not_found(identifier)
    raise SourceError(f"The server of the images answered {status} for {quoted(identifier)}.")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def build(options: UriOptions, environment: Environment) -> UriSource:
    """Return the source of a URI template. Raises `ConfigError` if it is none."""
    max_bytes = options.max_bytes or environment.max_source_bytes or DEFAULT_MAX_BYTES
    return UriSource(options, max_bytes, environment.temporary_folder)
