"""Leaving Flickr in peace for as long as it wants."""

import math
import threading
import time
from collections import OrderedDict

from iiifkit import Overloaded

LONGEST = 300
"""Seconds after which Flickr is asked again in any case."""

MOST = 1000
"""Things that are not asked for at a time; the one that was refused longest ago goes first."""


class Quiet:
    """What is not asked for, and until when, because Flickr refused. ``says`` is what is answered meanwhile."""

    def __init__(self, says: str) -> None:
        self._says = says
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, what: str = "") -> None:
        """Raise `Overloaded` if it is too early to ask for it again."""
        with self._lock:
            left = self._until.get(what, 0.0) - time.monotonic()
        if left > 0:
            raise Overloaded(self._says, math.ceil(left))

    def begin(self, seconds: int, what: str = "") -> Overloaded:
        """Leave it for so many seconds, at most `LONGEST`; return the error to raise."""
        with self._lock:
            self._until[what] = time.monotonic() + min(seconds, LONGEST)
            self._until.move_to_end(what)
            if len(self._until) > MOST:
                self._until.popitem(last=False)
        return Overloaded(self._says, seconds)
