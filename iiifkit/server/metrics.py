"""Counters of what the server does, right across worker processes: each has a row of one shared array."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HOWS = ("memory", "disk", "slice", "render", "304", "info", "redirect", "preflight", "page", "error")
COUNTERS = (
    "cache_hits",
    "cache_misses",
    "cache_sets",
    "transforms",
    "transform_microseconds",
    "refused",
    "hang_ups",
    "bytes",
    "microseconds",
    *(f"status_{hundred}xx" for hundred in range(1, 6)),
    *(f"answers_{how}" for how in HOWS),
    "renders_running",
    "renders_waiting",
)
ROWS = 256
_INDEX = {name: number for number, name in enumerate(COUNTERS)}
_RUNNING, _WAITING = _INDEX["renders_running"], _INDEX["renders_waiting"]
_ROW_BYTES = 8 * len(COUNTERS)


class Metrics:
    """The counters of this process, and the sums over all processes that share the file.

    Only the event loop adds, so that no update is lost; readers may see a sum that is a moment old.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file: BinaryIO = file.open("r+b") if file is not None else tempfile.TemporaryFile()  # noqa: SIM115
        self._file.truncate(ROWS * _ROW_BYTES)
        self._all = memoryview(mmap.mmap(self._file.fileno(), ROWS * _ROW_BYTES)).cast("Q")
        row = _claim_row(self._file)
        self._mine = self._all[row * len(COUNTERS) : (row + 1) * len(COUNTERS)]
        self.renders(0, 0)

    def add(self, name: str, number: int = 1) -> None:
        """Count."""
        self._mine[_INDEX[name]] += number

    def renders(self, running: int, waiting: int) -> None:
        """Note how many renders run and wait in this process now."""
        self._mine[_RUNNING] = running
        self._mine[_WAITING] = waiting

    def totals(self) -> dict[str, int]:
        """Return the sums over all processes."""
        width = len(COUNTERS)
        return {name: sum(self._all[row * width + index] for row in range(ROWS)) for name, index in _INDEX.items()}

    def answered(self, how: str, status: int, size: int, seconds: float) -> None:
        """Count one answer."""
        mine, index = self._mine, _INDEX
        mine[index["bytes"]] += size
        mine[index["microseconds"]] += int(seconds * 1e6)
        mine[index[f"status_{status // 100}xx"]] += 1
        mine[index[f"answers_{how}"]] += 1


def _claim_row(file: BinaryIO) -> int:
    """Return a row that no living process has; a worker that is started again continues a dead one's counts."""
    try:
        import fcntl
    except ImportError:
        return os.getpid() % ROWS
    for row in range(ROWS):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
        except OSError:
            continue
        return row
    return ROWS - 1


def prometheus(metrics: Metrics) -> Iterator[str]:
    """Yield the lines of the Prometheus text format."""
    totals = metrics.totals()

    def head(name: str, kind: str, help: str) -> str:
        return f"# HELP iiifkit_{name} {help}\n# TYPE iiifkit_{name} {kind}"

    yield head("requests_total", "counter", "Requests answered, by class of status.")
    for hundred in range(1, 6):
        yield f'iiifkit_requests_total{{status="{hundred}xx"}} {totals[f"status_{hundred}xx"]}'
    yield head("answers_total", "counter", "Answers, by how they were made.")
    for how in HOWS:
        yield f'iiifkit_answers_total{{how="{how}"}} {totals[f"answers_{how}"]}'
    yield head("request_seconds_total", "counter", "Seconds from a request's head to its answer, summed.")
    yield f"iiifkit_request_seconds_total {totals['microseconds'] / 1e6:.6f}"
    yield head("response_bytes_total", "counter", "Bytes of bodies sent.")
    yield f"iiifkit_response_bytes_total {totals['bytes']}"
    for name, help in (("hits", "found in"), ("misses", "not found in"), ("sets", "put into")):
        yield head(f"derivative_cache_{name}_total", "counter", f"Derivatives {help} the cache.")
        yield f"iiifkit_derivative_cache_{name}_total {totals[f'cache_{name}']}"
    yield head("renders_total", "counter", "Pictures rendered.")
    yield f"iiifkit_renders_total {totals['transforms']}"
    yield head("render_seconds_total", "counter", "Seconds spent rendering, summed.")
    yield f"iiifkit_render_seconds_total {totals['transform_microseconds'] / 1e6:.6f}"
    yield head("refused_total", "counter", "Requests refused because too much work was waiting, or it took too long.")
    yield f"iiifkit_refused_total {totals['refused']}"
    yield head("hang_ups_total", "counter", "Clients that went away before their answer.")
    yield f"iiifkit_hang_ups_total {totals['hang_ups']}"
    for name in ("running", "waiting"):
        yield head(f"renders_{name}", "gauge", f"Renders {name}.")
        yield f"iiifkit_renders_{name} {totals[f'renders_{name}']}"
