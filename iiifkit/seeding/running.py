"""A run of seeding: many images, in this process or in several, with progress, a report and a clean end."""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Protocol

from ..processors import processors
from ..runs.attending import attended
from ..runs.progress import Progress
from ..runs.report import Report
from ..runs.stopping import Stop
from ..runs.tidying import few_arenas, tidy
from .inputs import Job
from .settings import Outcome, Settings, Tally
from .starting import assembled, long_lived


class Crew(Protocol):
    """Those who do the work. ``warnings`` about the config are told by whoever takes them out."""

    warnings: list[str]

    def outcomes(self) -> Generator[Outcome | None]:
        """Yield what became of every image, in order; None when there is only progress to be shown."""

    @property
    def pictures(self) -> int:
        """The number of pictures that are there so far."""

    @property
    def share(self) -> float:
        """How many images the work on those that are not done amounts to."""

    def close(self) -> None:
        """Give back what is held; work that is not done is ended, with nothing left behind."""


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
    outcomes = crew.outcomes()
    try:
        with Report(Path(report) if report else None) as lines:
            for outcome in outcomes:
                while crew.warnings:
                    progress.say(f"iiifkit: {crew.warnings.pop(0)}")
                if outcome is not None:
                    lines.add(outcome)
                    images += 1
                    failures += _told(outcome, progress)
                    total.made += outcome.made
                    total.skipped += outcome.skipped
                    total.bytes += outcome.bytes
                    total.tiles += outcome.tiles
                progress.show(images, crew.pictures, crew.share)
    finally:
        outcomes.close()
        crew.close()
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
    """The whole work in the present process."""

    def __init__(self, config: str | None, jobs: list[Job], settings: Settings) -> None:
        """Raise a `SetupError` or `BadRequest`."""
        if len(jobs) > 1:
            few_arenas()
        self._jobs = jobs
        self._stop = Stop()
        with long_lived():
            from .image import ImageSeeder

            assembly = assembled(config)
            self._service = assembly.service
            self.warnings = list(assembly.warnings)
            self._seeder = ImageSeeder(assembly, settings, processors(), self._stop)
        self._before = 0
        self._tally = Tally()

    def outcomes(self) -> Generator[Outcome | None]:
        """See `Crew`."""
        return attended(self._seeded(), self._stop)

    @property
    def pictures(self) -> int:
        """See `Crew`."""
        return self._before + self._tally.done

    @property
    def share(self) -> float:
        """See `Crew`."""
        return self._tally.share

    def close(self) -> None:
        """See `Crew`."""
        self._service.close()

    def _seeded(self) -> Iterator[Outcome]:
        for number, job in enumerate(self._jobs):
            if number:
                tidy()
            self._tally = tally = Tally()
            outcome = self._seeder.seed(job, tally)
            self._before, self._tally = self._before + tally.done, Tally()
            yield outcome
