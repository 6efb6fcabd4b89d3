"""Speed and likeness on photographs, beside the original program's search at full resolution.

    python benchmarks/pictures.py [--width 500] [--iterations 100] [NAME ...]

``original.py`` has the original's rule in the same compiled code; it searches on the picture itself. Scores are those
of the finished picture, drawn with smooth edges, against the photograph: the root of the mean squared error over four
channels, divided by 255. Seconds are of processor time, without compiling.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import original
import skimage
from PIL import Image

from iiifkit_primitive import search
from iiifkit_primitive.drawing import Drawing
from iiifkit_primitive.search import Search, mean_color
from iiifkit_primitive.small_copy import Picture, small_copy
from iiifkit_primitive.wish import MODES

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")


Row = tuple[float, float, float, float, float]
"""Seconds and score, those of the original's search, and the ratio of the scores."""


def load(name: str, width: int) -> Picture:
    """Return one of scikit-image's photographs, as wide as asked for."""
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        rgb = image.convert("RGB")
    return np.array(rgb.resize((width, round(rgb.height * width / rgb.width)), Image.Resampling.LANCZOS))


def paint(
    photograph: Picture, copied: Callable[[Picture], Picture], find: Callable[..., None], mode: int, iterations: int
) -> tuple[float, float]:
    """Return seconds of processor time, and the score of the finished picture."""
    started = time.process_time()
    target = copied(photograph)
    height, width, _ = photograph.shape
    drawing = Drawing(width, height, target.shape[1], target.shape[0], mean_color(target))
    with mock.patch.object(search, "find", find):
        finder = Search(target, mode, 0)
        for _ in range(iterations):
            if stroke := finder.step():
                drawing.draw(stroke)
    seconds = time.process_time() - started
    error = int(((photograph.astype(np.int64) - drawing.picture) ** 2).sum())
    return seconds, math.sqrt(error / (height * width * 4)) / 255


def main() -> None:
    """Print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--iterations", type=int, default=100)
    arguments = parser.parse_args()
    searches = (small_copy, search.find), (lambda picture: picture, original.find)
    for copied, find in searches:
        paint(np.zeros((8, 8, 3), np.uint8), copied, find, 0, 1)
    print(f"{arguments.iterations} iterations, {arguments.width} pixels wide, alpha automatic\n")
    print("| photograph | mode | CPU s | score | CPU s, original's | score, original's | ratio of scores |")
    print("|---|---|--:|--:|--:|--:|--:|")
    measured: dict[str, list[Row]] = {called: [] for called in MODES}
    for name in arguments.names:
        photograph = load(name, arguments.width)
        for mode, called in enumerate(MODES):
            (seconds, score), (its_seconds, its_score) = (
                paint(photograph, copied, find, mode, arguments.iterations) for copied, find in searches
            )
            row = (seconds, score, its_seconds, its_score, score / its_score)
            measured[called].append(row)
            print(f"| {name} | {called} {cells(row)}", flush=True)
    print(summary(measured))


def summary(measured: dict[str, list[Row]]) -> str:
    """Return the README's table: each mode's figures over all photographs."""
    lines = [
        "",
        "| mode | processor time, mean | most | original's rule, mean | score / original's rule, mean | range |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for called, rows in measured.items():
        seconds, _, its_seconds, _, ratios = zip(*rows, strict=True)
        lines.append(
            f"| {called} | {np.mean(seconds):.1f} s | {max(seconds):.1f} s | {np.mean(its_seconds):.1f} s "
            f"| {np.mean(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} |"
        )
    return "\n".join(lines)


def cells(row: Row) -> str:
    """Return one row's figures as cells of the table."""
    return "| {:.2f} | {:.5f} | {:.2f} | {:.5f} | {:.3f} |".format(*row)


if __name__ == "__main__":
    main()
