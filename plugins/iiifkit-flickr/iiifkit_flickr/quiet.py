"""Leaving Flickr in peace for as long as it wants."""

import math
import time

from iiifkit import Overloaded

LONGEST = 300
"""Seconds after which Flickr is asked again in any case."""


class Quiet:
    """Until when nothing is asked, because there were too many questions. ``says`` is what is answered meanwhile."""

    def __init__(self, says: str) -> None:
        self._says = says
        self._until = 0.0

    def keep(self) -> None:
        """Raise `Overloaded` if it is too early to ask again."""
        left = self._until - time.monotonic()
        if left > 0:
            raise Overloaded(self._says, math.ceil(left))

    def begin(self, seconds: int) -> Overloaded:
        """Ask nothing for so many seconds, at most `LONGEST`; return the error to raise."""
        self._until = time.monotonic() + min(seconds, LONGEST)
        return Overloaded(self._says, seconds)
