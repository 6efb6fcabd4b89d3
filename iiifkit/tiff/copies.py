"""Which pictures of a TIFF file are smaller copies of its first one, and where they are."""

from collections.abc import Iterator

from ..blob import Blob
from ..errors import BrokenImage
from ..image_api.image import Level
from .directory import Directory, Tiff
from .page import HEIGHT, OLD_SUBFILE_TYPE, SUBDIRECTORIES, SUBFILE_TYPE, WIDTH, Page

MOST_DIRECTORIES = 64

_REDUCED, _MASK = 1, 4
_OLD_REDUCED = 2


def scale_factor(full: tuple[int, int], copy: tuple[int, int]) -> int | None:
    """Return the factor s, at least 2, for which the copy's sides are floor or ceil of the full sides divided by s.

    A power of two is preferred where several fit; None if none does.
    """
    if min(copy) < 1:
        return None
    sides = list(zip(full, copy, strict=True))
    low = max(2, *(side // (small + 1) + 1 for side, small in sides))
    high = min((side - 1) // (small - 1) if small > 1 else max(full) for side, small in sides)
    if low > high:
        return None
    power = 1 << (low - 1).bit_length()
    return power if power <= high else min(max((2 * full[0] + copy[0]) // (2 * copy[0]), low), high)


def first_page(blob: Blob) -> Page:
    """Return the first picture of a TIFF file. Raises `BrokenImage`, also if the file does not begin as a TIFF does."""
    tiff = Tiff.open(blob)
    if tiff is None:
        raise BrokenImage("The TIFF file is damaged: it does not begin like one.")
    return Page(tiff.directory(tiff.first), 0)


def copies_of_first(first: Page) -> list[tuple[int, Page]]:
    """Return the smaller copies of a file's first picture, each with its scale factor, largest first.

    They are its sub-directories, and the pictures that follow it and say that they are reduced, as far as they have its
    shape, and samples that mean the same; the first page that is another picture ends the search. Raises `BrokenImage`.
    """
    copies: dict[int, Page] = {}
    for page in _reduced(first):
        factor = scale_factor((first.width, first.height), (page.width, page.height))
        if factor is not None and page.resembles(first):
            copies.setdefault(factor, page)
    return sorted(copies.items())


def find(blob: Blob, level: Level | None) -> Page:
    """Return a level's picture, the full one for None. Raises `BrokenImage` if the file has no such level."""
    first = first_page(blob)
    if level is None:
        return first
    for page in _reduced(first):
        if (page.locator, page.subdirectory) == (level.locator, level.subdirectory):
            return page
    raise BrokenImage("The TIFF file is damaged: a smaller copy is missing.")


def _reduced(first: Page) -> Iterator[Page]:
    tiff = first.directory.tiff
    for number, offset in enumerate(first.directory.numbers(SUBDIRECTORIES, MOST_DIRECTORIES)):
        directory = tiff.directory(offset)
        if _has_size(directory):
            yield Page(directory, number, subdirectory=True)
    seen = {first.directory.offset}
    offset = first.directory.next
    while offset:
        if offset in seen or len(seen) == MOST_DIRECTORIES:
            raise BrokenImage("The TIFF file is malformed: its directories run in circles, or there are too many.")
        number = len(seen)
        seen.add(offset)
        directory = tiff.directory(offset)
        kind = directory.number(SUBFILE_TYPE)
        reduced = kind & _REDUCED or directory.number(OLD_SUBFILE_TYPE) == _OLD_REDUCED
        if not reduced and not kind & _MASK:
            return
        if reduced and not kind & _MASK and _has_size(directory):
            yield Page(directory, number)
        offset = directory.next


def _has_size(directory: Directory) -> bool:
    return WIDTH in directory and HEIGHT in directory
