"""How far a run has come: a bar on a terminal, else a line every few seconds, on standard error."""

import sys
import time
from typing import Any

PATIENCE = 1.0
"""Seconds before anything is shown: short runs end without."""

LEAST = 0.05
"""The part of an image that must be done before the time left can be told."""

LINE_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """Shows images done, ``unit`` (tiles) a second and the time left. ``total`` is the number of images."""

    def __init__(self, total: int, unit: str) -> None:
        self._total = total
        self._unit = unit
        self._started = time.monotonic()
        self._next = self._started + PATIENCE
        self._bar: Any = None
        self._task: Any = None

    def show(self, images: int, units: int, share: float = 0.0) -> None:
        """Note how many images are done, how many units there are, and how many images half-done ones amount to."""
        now = time.monotonic()
        if now < self._next or not units:
            return
        text = self._text(images, units, images + share, now)
        if not sys.stderr.isatty():
            self._next = now + LINE_EVERY
            self.say(text)
            return
        if self._bar is None:
            self._draw()
        self._bar.update(self._task, completed=images + share, text=text)

    def say(self, text: str) -> None:
        """Write a line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def _text(self, images: int, units: int, done: float, now: float) -> str:
        elapsed = now - self._started
        left = f", about {_duration(elapsed * max(0.0, self._total - done) / done)} left" if done >= LEAST else ""
        return f"{images:,} of {self._total:,} images, {units:,} {self._unit}, {units / elapsed:,.0f} a second{left}"

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(BarColumn(), TextColumn("{task.fields[text]}"), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=self._total, text="")
        self._bar.start()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
