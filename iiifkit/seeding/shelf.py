"""Where the pictures of one image are filed: in the cache of derivatives, under the names that viewers ask for."""

from typing import Any

import msgspec

from ..contracts import Cache
from ..image_api.canonical import key_identifier
from ..originals import Known
from .document import merged
from .settings import Tally
from .tree import Picture

MOST_INFO_BYTES = 1 << 20


class Shelf:
    """The entries of one image; what is there already can be left alone. Thread-safe."""

    def __init__(self, cache: Cache, known: Known, media_type: str, refresh: bool, tally: Tally) -> None:
        self._cache = cache
        self._prefix = key_identifier(known.identifier)
        self._tag = known.tag
        self._media_type = media_type
        self._refresh = refresh
        self._tally = tally

    def lacks(self, picture: Picture) -> bool:
        """Return whether a picture is to be made: it is not there, fresh, under all its names."""
        return self._refresh or not all(self._read(name, 0) is not None for name in picture.names)

    def withdraw(self) -> None:
        """Take away an info.json that tells of another version of the image, before its pictures change one by one.

        Raises `CacheError`.
        """
        if self._read("info.json", 0) is None:
            self._cache.put(f"{self._prefix}/info.json", b"", self._tag, "application/json")

    def skip(self) -> None:
        """Count a picture that is there."""
        self._tally.add(None)

    def put(self, picture: Picture, body: bytes) -> None:
        """File a picture under all its names. Raises `CacheError`."""
        for name in picture.names:
            self._cache.put(f"{self._prefix}/{name}", body, self._tag, self._media_type)
        self._tally.add(len(body))

    def describe(self, document: dict[str, Any]) -> None:
        """File the info.json, together with what an earlier run says in it. Raises `CacheError`."""
        before = self._read("info.json", MOST_INFO_BYTES)
        if before:
            document = merged(document, msgspec.json.decode(before))
        body = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        if body != before:
            self._cache.put(f"{self._prefix}/info.json", body, self._tag, "application/json")

    def _read(self, name: str, length: int) -> bytes | None:
        kept = self._cache.get(f"{self._prefix}/{name}", self._tag)
        if kept is None:
            return None
        with kept:
            return kept.read(0, length)
