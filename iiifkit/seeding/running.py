"""A run of seeding: many images, in this process or in several, with progress, a report and a clean end."""

import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..errors import Stopped
from ..processors import processors
from .inputs import Job
from .progress import Progress
from .report import Report
from .settings import Outcome, Settings, Tally
from .starting import assembled, long_lived
from .stopping import Stop

TICK = 0.2
"""Seconds between two looks at the progress."""


class Crew(Protocol):
    """Those who do the work."""

    def outcomes(self) -> Iterator[Outcome | None]:
        """Yield what became of every image, in order; None when there is only progress to be shown."""

    @property
    def pictures(self) -> int:
        """The number of pictures that are there so far."""

    def stop(self) -> None:
        """End the work as soon as possible, with nothing left behind."""


def seed(config: str | None, jobs: list[Job], settings: Settings, processes: int | None, report: str | None) -> bool:
    """Seed all images; progress and failures go to standard error, the sum to standard output.

    ``processes`` None is one for each processor. ``report`` names a file that gets one JSON object a line for each
    image. Returns whether all is there. Raises a `SetupError`, `BadRequest`, or `IIIFKitError` if the report cannot be
    written; `KeyboardInterrupt` after a clean end.
    """
    total = Outcome(source="", identifier="")
    images = failures = 0
    crew = _crew(config, jobs, settings, min(processes or processors(), len(jobs)))
    progress = Progress(len(jobs), "pictures")
    try:
        with Report(Path(report) if report else None) as lines:
            for outcome in crew.outcomes():
                if outcome is not None:
                    lines.add(outcome)
                    images += 1
                    failures += _told(outcome, progress)
                    total.made += outcome.made
                    total.skipped += outcome.skipped
                    total.bytes += outcome.bytes
                    total.tiles += outcome.tiles
                progress.show(images, crew.pictures)
    except BaseException:
        crew.stop()
        raise
    finally:
        progress.close()
    sys.stdout.write(
        f"{images} image{'s' * (images != 1)} of {total.tiles:,} tiles: {total.made:,} pictures made "
        f"({total.bytes / 1e6:,.1f} MB), {total.skipped:,} skipped, {failures} image{'s' * (failures != 1)} failed, "
        f"{progress.seconds:,.1f} s\n"
    )
    return not failures


def _told(outcome: Outcome, progress: Progress) -> bool:
    """Say what is worth saying about an image; return whether it failed."""
    for note in outcome.notes:
        progress.say(f"iiifkit: {outcome.source}: {note}")
    if outcome.failed is not None:
        progress.say(f"iiifkit: {outcome.source}: {outcome.failed}")
    return outcome.failed is not None


def _crew(config: str | None, jobs: list[Job], settings: Settings, processes: int) -> Crew:
    if processes < 2:
        return Alone(config, jobs, settings)
    from .crew import Processes

    return Processes(config, settings, jobs, processes, max(1, processors() // processes))


class Alone:
    """The whole work in the present process, in a thread, so that it hears an interrupt at once."""

    def __init__(self, config: str | None, jobs: list[Job], settings: Settings) -> None:
        """Raise a `SetupError` or `BadRequest`."""
        threads = processors()
        self._jobs = jobs
        self._stop = Stop()
        with long_lived():
            from .image import ImageSeeder

            assembly = assembled(config)
            self._service = assembly.service
            self._seeder = ImageSeeder(assembly, settings, threads, self._stop)
        self._before = 0
        self._tally = Tally()
        self._events: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="iiifkit-seed", daemon=True)

    def outcomes(self) -> Iterator[Outcome | None]:
        """See `Crew`."""
        self._thread.start()
        while True:
            try:
                found = self._events.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            if found is None:
                self._service.close()
                return
            if isinstance(found, BaseException):
                raise found
            yield found

    @property
    def pictures(self) -> int:
        """See `Crew`."""
        return self._before + self._tally.done

    def stop(self) -> None:
        """See `Crew`."""
        self._stop.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._service.close()

    def _work(self) -> None:
        try:
            for job in self._jobs:
                self._tally = Tally()
                outcome = self._seeder.seed(job, self._tally)
                self._before, self._tally = self._before + self._tally.done, Tally()
                self._events.put(outcome)
            self._events.put(None)
        except Stopped:
            self._events.put(None)
        except BaseException as error:
            self._events.put(error)
