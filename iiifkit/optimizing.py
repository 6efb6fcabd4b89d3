"""Writing pyramids ahead of time: one tiled TIFF for each image, of which every tile is cheap to cut."""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .contracts import Location, PyramidSettings
from .errors import BadRequest, IIIFKitError, SetupError, Stopped
from .new_file import new_file
from .processors import processors
from .runs.attending import attended
from .runs.progress import Progress
from .runs.report import Report
from .runs.stopping import Stop
from .runs.tidying import few_arenas, tidy
from .wording import told

if TYPE_CHECKING:
    from .blob import Blob
    from .config.blocks import Prepare
    from .service import Service

SUFFIX = ".tif"


class Written(msgspec.Struct, kw_only=True):
    """What became of one image. ``skipped``: the pyramid is newer than the image. ``failed``: why there is none."""

    source: str
    target: str
    width: int = 0
    height: int = 0
    bytes: int = 0
    seconds: float = 0.0
    skipped: bool = False
    failed: str | None = None


class Files:
    """A source whose identifiers are the paths of files."""

    location: Location | None = None
    revalidate = 0.0

    def version(self, identifier: str) -> str:
        """Return the version of a file. Raises what `open` raises."""
        with self.open(identifier) as blob:
            return blob.version

    def open(self, identifier: str) -> "Blob":
        """Return a file's bytes. Raises `ImageNotFound` or `SourceError`."""
        from .sources.one_image import IDENTIFIER, OneImage

        return OneImage(Path(identifier)).open(IDENTIFIER)

    def identifiers(self) -> Iterable[str]:
        """Return nothing; files are named one by one."""
        return ()

    def close(self) -> None:
        """Do nothing; there is nothing to give back."""


def optimize(
    sources: Sequence[str],
    target: str,
    config: str | None,
    quality: int | None,
    tile: int | None,
    refresh: bool,
    report: str | None,
) -> bool:
    """Write a pyramid of each source; progress and failures go to standard error, the sum to standard output.

    ``target`` is a file, or a folder if it is one, ends with a slash, or there are several sources. ``quality`` and
    ``tile`` replace what the config's ``prepare`` block says. Returns whether all are there. Raises `BadRequest`, a
    `SetupError`, or `IIIFKitError` if the report cannot be written.
    """
    from .assembly import assemble
    from .config import read_config
    from .transforming import NO_CACHES

    pairs = targets(sources, target)
    if len(pairs) > 1:
        few_arenas()
    changed = {"prepare.quality": quality, "prepare.tile": tile}
    overrides = NO_CACHES | {path: value for path, value in changed.items() if value is not None}
    assembly = assemble(read_config(config), overrides, source=Files())
    stop, progress = Stop(), Progress(len(pairs), "images")
    writer = PyramidWriter(assembly.service, assembly.config.prepare, refresh, stop)
    work = attended((writer.write(source, path) for source, path in pairs), stop)
    rows: list[Written] = []
    try:
        with Report(Path(report) if report else None) as lines:
            for row in work:
                if row is not None:
                    lines.add(row)
                    rows.append(row)
                    if row.failed:
                        progress.say(f"iiifkit: {row.source}: {row.failed}")
                progress.show(len(rows), len(rows))
    finally:
        work.close()
        assembly.service.close()
        progress.close()
    failed, skipped = sum(row.failed is not None for row in rows), sum(row.skipped for row in rows)
    size = sum(row.bytes for row in rows) / 1e6
    written = len(rows) - failed - skipped
    sys.stdout.write(
        f"{written} pyramid{'s' * (written != 1)} written ({size:,.1f} MB), {skipped} skipped, {failed} failed, "
        f"{progress.seconds:,.1f} s\n"
    )
    return not failed


def targets(sources: Sequence[str], target: str) -> list[tuple[str, Path]]:
    """Return which file to write for each source. Raises `BadRequest` if two sources mean one file."""
    folder = Path(target)
    if len(sources) == 1 and not folder.is_dir() and not target.endswith("/"):
        return [(sources[0], folder)]
    pairs = [(source, folder / (Path(source).stem + SUFFIX)) for source in sources]
    taken: dict[Path, str] = {}
    for source, path in pairs:
        if (other := taken.setdefault(path, source)) != source:
            raise BadRequest(f"{other!r} and {source!r} would both become {str(path)!r}.")
    return list(dict.fromkeys(pairs))


class PyramidWriter:
    """Writes one pyramid after the other, each with all processors."""

    def __init__(self, service: "Service", prepare: "Prepare", refresh: bool, stop: Stop) -> None:
        """Raise `SetupError` if no engine writes pyramids."""
        if not service.renderer.builds:
            raise SetupError("No loaded graphics engine writes pyramids; the engine VIPS does.")
        self._service = service
        self._prepare = prepare
        self._refresh = refresh
        self._stop = stop
        self._written = False

    def write(self, source: str, target: Path) -> Written:
        """Write one pyramid, if it is not there. Raises `Stopped`; every other error is told in what is returned."""
        if self._written:
            tidy()
        self._written = True
        row, started = Written(source=source, target=str(target)), time.monotonic()
        self._stop.check()
        try:
            self._write(source, target, row)
        except Stopped:
            raise
        except IIIFKitError as error:
            row.failed = str(error)
        except OSError as error:
            row.failed = f"{str(target)!r} cannot be written: {error.strerror}."
        except Exception as error:
            row.failed = f"Something unforeseen went wrong: {told(error)}."
        row.seconds = round(time.monotonic() - started, 3)
        return row

    def _write(self, source: str, target: Path, row: Written) -> None:
        if target.exists() and Path(source).exists():
            if target.samefile(source):
                raise BadRequest("The pyramid would take the place of the image itself; write it elsewhere.")
            if not self._refresh and target.stat().st_mtime >= Path(source).stat().st_mtime:
                row.skipped = True
                return
        known = self._service.look(source)
        info, prepare = known.info, self._prepare
        row.width, row.height = info.width, info.height
        quality = None if info.alpha or info.bits > 8 else prepare.quality
        target.parent.mkdir(parents=True, exist_ok=True)
        with new_file(target) as path, self._stop.long_work() as work, self._service.originals.open(known) as blob:
            settings = PyramidSettings(prepare.tile, quality, processors())
            self._service.renderer.build(blob, info, path, settings, work)
        row.bytes = target.stat().st_size
