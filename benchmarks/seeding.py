"""How fast tile-seed is, next to libvips' own ``dzsave``, how that grows with the picture, and what memory it takes.

Run ``python benchmarks/seeding.py``; ``--short`` only sees that it works, ``--only growth`` runs one part. Whole
processes are measured, from start to end: both make the same tiles of the same picture, in JPEG of quality 80. Both are
started in turn, and the ratio of each round counts. ``--output`` is where tiles are written: a folder in memory such as
``/dev/shm`` leaves the disk out of it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from measuring import PYTHON, alternately, installed, machine, ratio
from pictures import mosaic, photograph

FACTORS = "8,4,2,1"

DZSAVE = """
import sys, pyvips
for source in sys.argv[2:]:
    image = pyvips.Image.new_from_file(source, access="sequential")
    image.dzsave(sys.argv[1] + "/" + source.rpartition("/")[2], layout="iiif3", tile_size=256, overlap=0,
                 suffix=".jpg[Q=80]")
"""


class Bench:
    """A place for pictures and tiles; every run writes into a folder of its own, all of them go at the end."""

    def __init__(self, work: Path, output: Path, rounds: int) -> None:
        self.source = work / "source"
        self.source.mkdir()
        self.work, self.output, self.rounds = work, output, rounds
        self._number = 0

    def fresh(self) -> Path:
        """Return a new empty folder. Old ones are not removed meanwhile: file systems are slow to reuse them."""
        self._number += 1
        folder = self.output / str(self._number)
        folder.mkdir()
        return folder

    def command(self, *arguments: str) -> list[str]:
        """Return a tile-seed into a fresh folder."""
        folder = self.fresh()
        config = folder / "config.json"
        images = {
            "source": {"name": "Disk", "path": str(self.source)},
            "cache": {"name": "Disk", "path": str(folder / "images")},
        }
        cache = {"cache": {"name": "Disk", "path": str(folder / "tiles")}}
        config.write_text(json.dumps({"images": images, "derivatives": cache, "api": {"default_version": "3"}}))
        return [PYTHON, "-m", "iiifkit.cli", "tile-seed", "--config", str(config), *arguments]

    def dzsave(self, *names: str) -> list[str]:
        """Return a dzsave of the same pictures, in one process."""
        return [PYTHON, "-c", DZSAVE, str(self.fresh()), *(str(self.source / name) for name in names)]


def timed(*commands: list[str]) -> tuple[float, float]:
    """Run commands one after the other; return the wall seconds and the processor seconds of all."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compared(title: str, rounds: int, ours: Callable[[], tuple[float, float]], *others: object) -> None:
    """Run ours and each of the others (a name, a measure) in turn, and print a row of medians and ratios for each."""
    names, measures = others[::2], others[1::2]
    figures = alternately(rounds, ours, *measures)  # type: ignore[arg-type]
    mine = figures[0]
    for name, theirs in zip(names, figures[1:], strict=True):
        wall = ratio([row[0] for row in mine], [row[0] for row in theirs])  # type: ignore[index]
        processor = ratio([row[1] for row in mine], [row[1] for row in theirs])  # type: ignore[index]
        seconds = statistics.median(row[0] for row in mine), statistics.median(row[0] for row in theirs)  # type: ignore[index]
        print(f"| {title} | {name} | {seconds[0]:.2f} | {seconds[1]:.2f} | {wall:.2f} | {processor:.2f} |")


def versus(bench: Bench) -> None:
    """Compare with dzsave: one picture, and several, twenty unless it only matters that this works."""
    print("\n| seeding, whole processes | against | seconds | its seconds | ratio | of processor time |")
    print("|---|---|---|---|---|---|")
    names = [f"{number:02}.jpg" for number in range(20 if bench.rounds > 1 else 2)]
    first = photograph(bench.source / names[0], 3897, 4096)
    for name in names[1:]:
        (bench.source / name).write_bytes(first.read_bytes())
    one = names[0]
    compared(
        f"one picture of 3897x4096 at {FACTORS}",
        bench.rounds,
        lambda: timed(bench.command("--scale-factors", FACTORS, one)),
        "dzsave",
        lambda: timed(bench.dzsave(one)),
    )
    for processes in ("2", "1"):
        compared(
            f"{len(names)} of them with `--processes {processes}`",
            max(1, bench.rounds // 4),
            lambda count=processes: timed(bench.command("--scale-factors", FACTORS, "--processes", count, *names)),
            "dzsave, a process each",
            lambda: timed(*(bench.dzsave(name) for name in names)),
            "dzsave, one process for all",
            lambda: timed(bench.dzsave(*names)),
        )


def growth(bench: Bench, sizes: tuple[int, ...]) -> None:
    """Print seconds a megapixel and the most memory, for pictures as JPEG and as tiled TIFF."""
    print("\n| megapixels | as | ms a megapixel | processor ms a megapixel | most memory, MB |\n|---|---|---|---|---|")
    photo = photograph(bench.work / "photograph.jpg", 2048, 2048)
    for suffix in (".jpg", ".tif"):
        for megapixels in sizes:
            name = f"{megapixels}{suffix}"
            mosaic(bench.source / name, int((megapixels * 1e6) ** 0.5), photo)
            command = [*measured_alone(), *bench.command(name)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall, processor, peak = (float(word) for word in done.stdout.splitlines()[-1].split())
            each = f"{1000 * wall / megapixels:.1f} | {1000 * processor / megapixels:.1f}"
            print(f"| {megapixels} | {suffix[1:]} | {each} | {peak:,.0f} |")
            (bench.source / name).unlink()


def measured_alone() -> list[str]:
    """Return a command that runs the one behind it and prints wall seconds, processor seconds and peak megabytes."""
    script = (
        "import resource, subprocess, sys, time; t = time.perf_counter(); "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); w = time.perf_counter() - t; "
        "r = resource.getrusage(resource.RUSAGE_CHILDREN); print(w, r.ru_utime + r.ru_stime, r.ru_maxrss / 1024)"
    )
    return [PYTHON, "-c", script]


def memory(bench: Bench, images: tuple[int, int]) -> None:
    """Print the memory of a run at some image and at a later one: the median while it and its neighbors are seeded."""
    first = photograph(bench.source / "m0.jpg", 2000, 1500)
    names = ["m0.jpg", *(f"m{number}.jpg" for number in range(1, images[1] + 4))]
    for name in names[1:]:
        (bench.source / name).write_bytes(first.read_bytes())
    command = bench.command("--processes", "1", *names)
    report = bench.output / "report.jsonl"
    process = subprocess.Popen(
        [*command, "--report", str(report)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    samples: list[tuple[int, float]] = []
    while process.poll() is None:
        done = report.read_bytes().count(b"\n") if report.exists() else 0
        with suppress(OSError, IndexError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            samples.append((done, int(status.split("VmRSS:")[1].split()[0]) / 1024))
        time.sleep(0.005)
    resident = [statistics.median(size for done, size in samples if abs(done - wanted) <= 2) for wanted in images]
    after = ", ".join(f"{size:,.1f} MB at image {wanted}" for wanted, size in zip(images, resident, strict=True))
    print(f"\nResident memory of a run: {after} ({resident[1] / resident[0] - 1:+.1%})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only see that it works")
    parser.add_argument("--only", choices=["versus", "growth", "memory"])
    parser.add_argument("--output", type=Path, help="where tiles are written; else the temporary folder")
    parser.add_argument("--largest", type=int, default=1000, help="megapixels of the largest picture")
    options = parser.parse_args(arguments)
    installed()
    print(machine())
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory(dir=options.output) as output:
        bench = Bench(Path(work), Path(output), 1 if options.short else 12)
        sizes = [size for size in (4, 16, 64, 250, 1000) if size <= (4 if options.short else options.largest)]
        parts: dict[str, Callable[[], None]] = {
            "versus": lambda: versus(bench),
            "growth": lambda: growth(bench, tuple(sizes)),
            "memory": lambda: memory(bench, (2, 5) if options.short else (20, 100)),
        }
        for name, part in parts.items():
            if options.only in (None, name):
                part()
                sys.stdout.flush()


if __name__ == "__main__":
    main()
