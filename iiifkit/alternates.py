"""Alternate identifiers: names that tiles were seeded under, and the image in the source that each stands for."""

import logging

import msgspec

from .contracts import Cache
from .errors import CACHE_FAILURES
from .originals import digest

log = logging.getLogger("iiifkit")

_TAG = "alternate"
_MOST_BYTES = 64 * 1024


class Alternate(msgspec.Struct, frozen=True):
    """The record of one alternate identifier; both names, because the record is filed under a hash."""

    identifier: str
    source: str


class Alternates:
    """Records in the cache of derivatives, beside the tiles that they belong to."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def find(self, identifier: str) -> str | None:
        """Return the source that an identifier stands for; None if it is no alternate, or the cache is broken."""
        try:
            kept = self._cache.get(f"%alternates/{digest(identifier)}", _TAG)
            if kept is None:
                return None
            with kept:
                record = msgspec.json.decode(kept.read(0, _MOST_BYTES), type=Alternate)
        except CACHE_FAILURES as error:
            log.warning("the derivative cache failed: %s", error)
            return None
        except msgspec.DecodeError:
            return None
        return record.source if record.identifier == identifier else None

    def record(self, identifier: str, source: str) -> None:
        """Note which source an alternate identifier stands for. Raises `CacheError`."""
        data = msgspec.json.encode(Alternate(identifier, source))
        self._cache.put(f"%alternates/{digest(identifier)}", data, _TAG, "application/json")
