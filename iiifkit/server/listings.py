"""The catalog of a source, kept fresh: listed in a thread when somebody looks, never twice at once."""

import asyncio
import logging
import time
from contextlib import suppress

from ..contracts import Source
from ..viewer.catalog import Catalog
from .lanes import Lane

log = logging.getLogger("iiifkit")

QUICK_SECONDS = 0.15
"""How long a page waits for a fresh listing, before it shows what is there."""

FRESH_SECONDS = 3.0
REMOTE_FRESH_SECONDS = 60.0
"""How long a listing is good; asking a remote source again costs requests."""

REST = 20
"""A listing is good for at least so many times the seconds that it took."""


class Listings:
    """Hands out the present catalog. Belongs to one event loop."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lane = Lane("listing", 1, 1)
        self._latest: Catalog | None = None
        self._filling: asyncio.Task[None] | None = None
        self._again = 0.0
        self._closed = False

    async def catalog(self, patience: float = QUICK_SECONDS) -> Catalog:
        """Return the catalog; after ``patience`` seconds an older one, or one that is still being filled."""
        if self._filling is None and (self._latest is None or time.monotonic() >= self._again):
            self._filling = asyncio.create_task(self._fill())
        if self._filling is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.shield(self._filling)
        return self._latest if self._latest is not None else Catalog()

    async def _fill(self) -> None:
        fresh = Catalog()
        if self._latest is None:
            self._latest = fresh
        started = time.monotonic()
        try:
            await self._lane.run(lambda: fresh.fill(self._source.identifiers, lambda: self._closed))
        finally:
            self._filling = None
        if fresh.failure is not None:
            log.warning("the images could not be listed: %s", fresh.failure)
        self._latest = fresh
        least = REMOTE_FRESH_SECONDS if self._source.revalidate else FRESH_SECONDS
        self._again = time.monotonic() + max(least, REST * (time.monotonic() - started))

    def close(self) -> None:
        """End a listing that runs."""
        self._closed = True
        self._lane.close()
