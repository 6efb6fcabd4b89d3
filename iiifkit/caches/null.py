"""The cache that keeps nothing."""

from contextlib import AbstractContextManager
from pathlib import Path

from ..blob import Blob
from ..contracts import Location
from ..hookspecs import Environment, NoOptions
from .locks import KeyedLocks


class NullCache:
    """Finds nothing and keeps nothing."""

    location: Location | None = None
    instant = True
    workspace: Path | None = None

    def __init__(self) -> None:
        self._locks = KeyedLocks()

    def get(self, key: str, tag: str) -> Blob | None:
        """Return None."""
        return None

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        """Keep nothing; a file stays where it is."""

    def delete(self, prefix: str) -> int:
        """Return 0."""
        return 0

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        """Tell the threads of this process apart; see `iiifkit.contracts.Cache.lock`."""
        return self._locks.hold(key, seconds)

    def close(self) -> None:
        """Do nothing."""


def build(options: NoOptions, environment: Environment) -> NullCache:
    """Return a cache that keeps nothing."""
    return NullCache()
