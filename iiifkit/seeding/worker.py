"""A worker process of a run of seeding: orders and jobs come in on standard input, events go out."""

import os
import queue
import signal
import sys
import threading
from typing import IO, TYPE_CHECKING

import msgspec

from ..errors import IIIFKitError, SetupError, Stopped
from ..runs.stopping import Stop
from ..runs.tidying import few_arenas, tidy
from .inputs import Job
from .protocol import Orders, Pictures, Ready, Refused, send
from .settings import Tally
from .starting import assembled, long_lived

if TYPE_CHECKING:
    from .image import ImageSeeder

TICK = 0.5
"""Seconds between two reports of the progress."""


def main() -> None:
    """Work until there are no more jobs; if standard input ends in the middle of one, stop at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt goes to all processes; the first one tells the others
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a plugin prints must not come between the events
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    stop = Stop()
    few_arenas()
    try:
        with long_lived():
            from .image import ImageSeeder

            assembly = assembled(orders.config)
            seeder = ImageSeeder(assembly, orders.settings, orders.threads, stop)
    except IIIFKitError as error:
        send(output, Refused(str(error), isinstance(error, SetupError)))
        return
    send(output, Ready(assembly.warnings))
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, jobs, stop), daemon=True).start()
    try:
        while (job := jobs.get()) is not None:
            _seed(seeder, job, output)
            tidy()
    except (Stopped, BrokenPipeError):
        pass
    assembly.service.close()


def _listen(file: IO[bytes], jobs: "queue.SimpleQueue[Job | None]", stop: Stop) -> None:
    for line in file:
        if not line.endswith(b"\n"):
            break  # whoever wrote it was killed
        jobs.put(msgspec.json.decode(line, type=Job))
    jobs.put(None)
    stop.stop()


def _seed(seeder: "ImageSeeder", job: Job, output: IO[bytes]) -> None:
    tally, done = Tally(), threading.Event()

    def report() -> None:
        while not done.wait(TICK):
            send(output, Pictures(tally.done, tally.share))

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        outcome = seeder.seed(job, tally)
    finally:
        done.set()
        reporter.join()
    send(output, outcome)


if __name__ == "__main__":
    main()
