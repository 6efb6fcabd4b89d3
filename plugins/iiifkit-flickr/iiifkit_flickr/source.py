"""Public photos of Flickr, by their ids."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from iiifkit import (
    Blob,
    BytesBlob,
    ConfigError,
    Environment,
    FileBlob,
    ImageNotFound,
    ImageOverLimit,
    Location,
    SourceError,
)
from msgspec import Meta, Struct

from .lookups import Lookups
from .quiet import Quiet
from .sizes import best_source, not_found, unavailable

if TYPE_CHECKING:
    from .fetching import Answer

SMALL = 1024 * 1024
"""Photos up to this many bytes are kept in memory, larger ones in a temporary file."""

LARGEST_ANSWER = 256 * 1024
"""Bytes of the longest answer of the API that is read."""

DEFAULT_MAX_BYTES = 1_000_000_000

_PHOTO = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_PICTURE = re.compile(r"image/.*|.*/octet-stream|", re.ASCII)
_SHOWN = 80
_GONE = (404, 410)
_NOT_STORED = "The photo cannot be stored while it is read."
_UNAVAILABLE = "photo_unavailable"


class FlickrOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """``ttl``: seconds for which a photo's sizes are remembered. ``timeout`` and ``download_timeout`` are seconds, too.

    ``timeout`` bounds each question, ``download_timeout`` the download of a photo.
    """

    ttl: Annotated[float, Meta(ge=1, le=86_400)] = 3600
    timeout: Annotated[float, Meta(gt=0, le=600)] = 10
    download_timeout: Annotated[float, Meta(gt=0, le=86_400)] = 60


class FlickrBlock(Struct, frozen=True, forbid_unknown_fields=True):
    """The block ``flickr``. ``apisecret`` is what go-iiif's configs may have; nothing is signed, so it is not used."""

    apikey: str = ""
    apisecret: str = ""

    def __repr__(self) -> str:
        return "FlickrBlock()"


@dataclass(frozen=True, slots=True)
class Place:
    """Where Flickr is. Only tests have another one, so that no config can send a key or a request elsewhere.

    ``hosts`` are the domains of its photos; ``authorities`` is a file of certificates, None for the system's.
    """

    api: str = "https://api.flickr.com/services/rest/"
    hosts: frozenset[str] = frozenset({"staticflickr.com"})
    authorities: str | None = None


FLICKR = Place()


class FlickrSource:
    """Photos in the best size that their owners let everybody have. The version of a photo is its address.

    Flickr gives a photo that is replaced another address; it is looked up once in ``options.ttl`` seconds.
    """

    location: Location | None = None
    revalidate = 60.0

    def __init__(
        self,
        key: str,
        options: FlickrOptions,
        max_bytes: int = DEFAULT_MAX_BYTES,
        temporary_folder: str | None = None,
        place: Place = FLICKR,
    ) -> None:
        from .fetching import Fetcher

        self._key = key
        self._options = options
        self._max_bytes = max_bytes
        self._temporary_folder = temporary_folder
        self._place = place
        self._fetcher = Fetcher(place.authorities)
        self._lookups = Lookups(self._look_up, options.ttl)
        self._questions = Quiet("Flickr answers no more questions of this API key for now.")
        self._downloads = Quiet("Flickr does not hand out this photo for now; try again later.")

    def version(self, identifier: str) -> str:
        """Return the version by what is remembered of the photo, or ask Flickr.

        Raises `ImageNotFound`, a `SourceError`, or `Overloaded`.
        """
        return _version(self._lookups.get(_photo(identifier)))

    def open(self, identifier: str) -> Blob:
        """Download the photo. Raises `ImageNotFound`, a `SourceError`, `Overloaded`, or `ImageOverLimit`."""
        photo = _photo(identifier)
        url = self._lookups.get(photo)
        blob = self._download(photo, url)
        if blob is None:
            self._lookups.forget(photo, url)
            moved = self._lookups.get(photo)
            blob = self._download(photo, moved) if moved != url else None
        if blob is None:
            raise not_found(photo)
        return blob

    def identifiers(self) -> Iterable[str]:
        """Return nothing: Flickr has too many."""
        return ()

    def close(self) -> None:
        """Close the connections."""
        self._fetcher.close()

    def _look_up(self, photo: str) -> str:
        self._questions.keep()
        form = {
            "method": "flickr.photos.getSizes",
            "api_key": self._key,
            "photo_id": photo,
            "format": "json",
            "nojsoncallback": "1",
        }
        # The key is in the body, because addresses are written into logs.
        return self._fetcher.fetch(self._place.api, self._options.timeout, partial(self._answered, photo), form)

    def _answered(self, photo: str, answer: "Answer") -> str:
        if answer.status == 429:
            raise self._questions.begin(answer.retry_after)
        if answer.status == 503:
            raise unavailable(answer.retry_after)
        if answer.status != 200:
            raise SourceError(f"Flickr's API answered {answer.status}.")
        data = b"".join(answer.chunks(LARGEST_ANSWER + 1))
        if len(data) > LARGEST_ANSWER:
            raise SourceError("Flickr sent an answer that is too long.")
        return best_source(data, photo, self._place.hosts)

    def _download(self, photo: str, url: str) -> Blob | None:
        """Return the bytes of a photo; None if it is not at this address any more."""
        self._downloads.keep(photo)
        return self._fetcher.fetch(url, self._options.download_timeout, partial(self._downloaded, photo, _version(url)))

    def _downloaded(self, photo: str, version: str, answer: "Answer") -> Blob | None:
        if answer.status in _GONE or (300 <= answer.status < 400 and _UNAVAILABLE in answer.location):
            return None
        if answer.status == 429:
            raise self._downloads.begin(answer.retry_after, photo)
        if answer.status == 503:
            raise unavailable(answer.retry_after)
        if answer.status != 200:
            raise SourceError(f"Flickr answered {answer.status} for the photo {photo}; redirects are not followed.")
        if not _PICTURE.fullmatch(answer.media_type):
            # It would be kept as the photo, for as long as that is at its address.
            raise SourceError(f"Flickr sent something else instead of the photo {photo}.")
        if not answer.has_an_end:
            raise SourceError(f"Flickr did not say how long the photo {photo} is.")
        self._check(photo, answer.length or 0)
        body = self._body(photo, answer)
        kept = bytearray()
        for chunk in body:
            kept += chunk
            if len(kept) > SMALL:
                return self._stored(bytes(kept), body, version)
        if not kept:
            raise SourceError(f"Flickr sent the photo {photo} without a byte.")
        return BytesBlob(bytes(kept), version)

    def _stored(self, kept: bytes, body: Iterator[bytes], version: str) -> Blob:
        try:
            descriptor, name = tempfile.mkstemp(prefix="iiifkit-", dir=self._temporary_folder)
        except OSError as error:
            raise SourceError(_NOT_STORED) from error
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(kept)
                for chunk in body:
                    file.write(chunk)
            return _Downloaded(path, version)
        except BaseException as error:
            _remove(path)
            if isinstance(error, OSError):
                raise SourceError(_NOT_STORED) from error
            raise

    def _body(self, photo: str, answer: "Answer") -> Iterator[bytes]:
        size = 0
        for chunk in answer.chunks(self._max_bytes + 1):
            size += len(chunk)
            self._check(photo, size)
            yield chunk

    def _check(self, photo: str, size: int) -> None:
        if size > self._max_bytes:
            raise ImageOverLimit(f"The photo {photo} has more bytes than this server fetches.")


class _Downloaded(FileBlob):
    """A temporary file that goes when it is closed."""

    def __init__(self, path: Path, version: str) -> None:
        super().__init__(path)
        self.version = version
        self.modified = None

    def close(self) -> None:
        super().close()
        if self.path is not None:
            _remove(self.path)


def _photo(identifier: str) -> str:
    if not _PHOTO.fullmatch(identifier):
        shown = identifier if len(identifier) <= _SHOWN else identifier[:_SHOWN] + "…"
        raise ImageNotFound(f"There is no image {shown!r}: photos of Flickr are known by numbers.")
    return identifier


def _version(url: str) -> str:
    return blake2b(url.encode(), digest_size=16).hexdigest()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def build(options: FlickrOptions, environment: Environment) -> FlickrSource:
    """Return the source. Raises `ConfigError` without an API key."""
    block = environment.block
    if not isinstance(block, FlickrBlock) or not block.apikey.strip():
        raise ConfigError(
            'missing; write "flickr": {"apikey": "..."}; Flickr gives out keys to everybody', "flickr.apikey"
        )
    max_bytes = environment.max_source_bytes or DEFAULT_MAX_BYTES
    return FlickrSource(block.apikey.strip(), options, max_bytes, environment.temporary_folder, FLICKR)
