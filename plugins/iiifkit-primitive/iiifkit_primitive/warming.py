"""Warming up: compiling, or loading what was compiled before, while the first requests wait and can still stop."""

import logging
import threading
import time
from collections.abc import Callable

from iiifkit import Stopped, Work

log = logging.getLogger("iiifkit")

GLANCE = 0.05
"""Seconds between two looks at whether anybody still waits."""


def warm_up() -> None:
    """Run everything once on a tiny picture, which imports numba and compiles, or loads, all kernels."""
    started = time.monotonic()
    from .compiling import despite_cache, is_kept
    from .painting import rehearse

    if not is_kept():
        log.info(
            "primitive: compiling, once after each installation or upgrade; requests for it wait about a quarter of a "
            "minute, unless python -m iiifkit_primitive is run beforehand"
        )
    despite_cache(rehearse)
    log.info("primitive: ready after %.1f seconds", time.monotonic() - started)


class Warming:
    """Warms up once, in a thread of its own, started by the first who waits for it."""

    def __init__(self, warm_up: Callable[[], None] = warm_up) -> None:
        """Prepare for calling ``warm_up``; one that fails is called again for the next who waits."""
        self._warm_up = warm_up
        self._lock = threading.Lock()
        self._attempt: _Attempt | None = None

    def wait(self, work: Work) -> None:
        """Return once all is warm. Raises `Stopped`, and goes on warming for others; or what ``warm_up`` raised."""
        with self._lock:
            if self._attempt is None or self._attempt.failure is not None:
                self._attempt = _Attempt(self._warm_up)
            attempt = self._attempt
        while not attempt.over.wait(GLANCE):
            if work.stopped():
                raise Stopped("The picture was abandoned before its first shape.")
        if attempt.failure is not None:
            raise attempt.failure


class _Attempt:
    """One run of a function in a daemon thread, and how it ended."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.over = threading.Event()
        self.failure: Exception | None = None
        threading.Thread(target=self._run, args=(run,), name="primitive-warm-up", daemon=True).start()

    def _run(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:
            self.failure = error
        finally:
            self.over.set()
