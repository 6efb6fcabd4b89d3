"""Work in a thread of its own, so that the main thread can show how it goes and hears an interrupt at once."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

from .stopping import Stop

TICK = 0.2
"""Seconds between two looks at the progress."""

Item = TypeVar("Item")


def attended(work: Iterator[Item], stop: Stop) -> Generator[Item | None]:
    """Yield what ``work`` yields in a thread of its own, and None now and then while there is nothing.

    Its errors are raised here. If this is left early, by an interrupt for instance, the work is stopped first.
    """
    events: queue.SimpleQueue[tuple[Item | None, BaseException | None]] = queue.SimpleQueue()
    done = StopIteration()

    def run() -> None:
        try:
            for item in work:
                events.put((item, None))
            events.put((None, done))
        except BaseException as error:
            events.put((None, error))

    thread = threading.Thread(target=run, name="iiifkit-run", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item, error = events.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            if error is done:
                return
            if error is not None:
                raise error
            yield item
    finally:
        if thread.is_alive():
            stop.stop()
            thread.join()
