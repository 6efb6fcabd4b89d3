"""What a run of seeding is told, and what it says of each image; both travel between processes as JSON."""

import threading

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What to make of every image.

    ``scale_factors`` None are all that make sense; ``tile`` None is the size that the server advertises, in pixels;
    ``version`` None is the config's default version. ``endpoint`` is where the tree will be published.
    """

    scale_factors: tuple[int, ...] | None = None
    tile: int | None = None
    format: str = "jpg"
    quality: str = "default"
    refresh: bool = False
    endpoint: str = "http://localhost:8080"
    version: int | None = None


class Outcome(msgspec.Struct, kw_only=True, tag="outcome"):
    """What became of one image. ``made`` and ``skipped`` count pictures; ``failed`` says why it is not complete.

    ``tiles`` is the number of tiles that the image has at the ``scale_factors``, ``bytes`` the size of what was made.
    """

    source: str
    identifier: str
    width: int = 0
    height: int = 0
    scale_factors: list[int] = []
    tiles: int = 0
    made: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0
    notes: list[str] = []
    failed: str | None = None


class Tally:
    """Counts what is made, from several threads. ``expected`` is about how many pictures there will be."""

    def __init__(self) -> None:
        self.expected = 0
        self.made = self.skipped = self.bytes = 0
        self._lock = threading.Lock()

    @property
    def done(self) -> int:
        """The number of pictures that are there now."""
        return self.made + self.skipped

    @property
    def share(self) -> float:
        """The part of the image that is there now, 0 to 1."""
        return min(1.0, self.done / self.expected) if self.expected else 0.0

    def add(self, size: int | None) -> None:
        """Count a picture of ``size`` bytes; None is one that was there already."""
        with self._lock:
            if size is None:
                self.skipped += 1
            else:
                self.made += 1
                self.bytes += size
