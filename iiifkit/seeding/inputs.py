"""Which images to seed: arguments, lines of standard input, and CSV files."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec

from ..errors import IIIFKitError
from ..wording import clean

LONGEST_LINE = 16_384
COLUMNS = ("source_id", "alternate_id")
STANDARD_INPUT = "-"


class Job(msgspec.Struct, frozen=True):
    """One image to seed: the ``source`` that is read, and the ``identifier`` that its tiles are filed under."""

    source: str
    identifier: str


def jobs(arguments: Sequence[str], mode: str) -> list[Job]:
    """Return the images that are asked for, each once, in order.

    In the mode ``-`` the arguments are identifiers, or ``source,alternate`` pairs; without arguments, or for the
    argument ``-``, they are the lines of standard input. In the mode ``csv`` they are CSV files with a header. Raises
    `IIIFKitError` for a line that cannot be understood, and for files that cannot be read.
    """
    found: list[Job] = []
    for argument in arguments or (STANDARD_INPUT,):
        if mode == "csv":
            with _opened(argument) as file:
                found += _rows(file, argument)
        elif argument == STANDARD_INPUT:
            with _opened(argument) as file:
                found += (_pair(text, f"line {number}") for number, text in _lines(file) if text)
        else:
            found.append(_pair(argument, "the argument"))
    return list(dict.fromkeys(found))


def _pair(text: str, where: str) -> Job:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2 or not parts[0]:
        raise IIIFKitError(
            f"{where[:1].upper()}{where[1:]} ({clean(text)!r}) is neither an identifier nor source,alternate; "
            "identifiers with commas go into a CSV file (--mode csv)."
        )
    return Job(parts[0], parts[-1] or parts[0])


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise IIIFKitError(f"Line {number} has more than {LONGEST_LINE} characters.")
        yield number, line.strip()


def _rows(file: TextIO, name: str) -> Iterable[Job]:
    import csv

    reader = csv.reader(text for _, text in _lines(file))
    try:
        header = [title.strip() for title in next(reader, [])]
        if not set(COLUMNS) <= set(header):
            raise IIIFKitError(f"The CSV file {name!r} has no header with the columns {' and '.join(COLUMNS)}.")
        source_at, alternate_at = (header.index(column) for column in COLUMNS)
        for row in reader:
            if not any(row):
                continue
            cells = [cell.strip() for cell in (*row, *("" for _ in header))]
            if not cells[source_at]:
                raise IIIFKitError(f"Line {reader.line_num} of {name!r} has no source_id.")
            yield Job(cells[source_at], cells[alternate_at] or cells[source_at])
    except csv.Error as error:
        raise IIIFKitError(f"Line {reader.line_num} of {name!r} is not CSV: {error}.") from None


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    try:
        if name == STANDARD_INPUT:
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")  # type: ignore[union-attr]
            yield sys.stdin
        else:
            with Path(name).open(encoding="utf-8-sig", newline="") as file:
                yield file
    except OSError as error:
        raise IIIFKitError(f"The list {name!r} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise IIIFKitError(f"The list {name!r} is not UTF-8 text.") from None
