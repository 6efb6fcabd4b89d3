"""The images that a source lists, as folders: what the gallery shows and what a manifest holds."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

MOST = 200_000
"""Images that are listed; a source with more is shown in part."""

LONGEST = 2048
"""Characters of the longest identifier that is listed."""

DEEPEST = 64
"""Folders below one another; what lies deeper is listed in the last of them."""

BATCH = 200
"""Images that are added in one go."""


@dataclass(slots=True)
class Folder:
    """One folder. ``path`` is empty for the outermost; ``images`` are whole identifiers, ``total`` counts them below.

    ``cover`` is the first image below.
    """

    path: str = ""
    folders: "dict[str, Folder]" = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    total: int = 0
    cover: str = ""

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    def inner(self) -> "list[Folder]":
        """Return the folders in this one, sorted by name."""
        return [self.folders[name] for name in sorted(self.folders)]

    def walk(self) -> Iterator[str]:
        """Yield all images below: the folder's own first, then those of each folder in it."""
        yield from self.images
        for folder in self.inner():
            yield from folder.walk()


class Catalog:
    """What a source has listed so far. One thread fills it while others look; ``complete`` says that it is done.

    ``cut`` says that there are more images than are listed; ``failure`` is what ended the listing early.
    """

    def __init__(self) -> None:
        self._root = Folder()
        self._all: list[str] = []
        self._lock = threading.Lock()
        self.complete = False
        self.cut = False
        self.failure: Exception | None = None

    def __len__(self) -> int:
        return len(self._all)

    def fill(
        self, identifiers: Callable[[], Iterable[str]], stopped: Callable[[], bool] = lambda: False, most: int = MOST
    ) -> None:
        """List images until there are no more, or ``most`` are there. What the source raises becomes ``failure``."""
        batch: list[str] = []
        try:
            for identifier in identifiers():
                batch.append(identifier)
                if len(batch) == BATCH:
                    self._take(batch, most)
                    batch.clear()
                    if self.cut or stopped():
                        break
        except Exception as error:
            self.failure = error
        self._take(batch, most)
        self.complete = True

    def _take(self, batch: list[str], most: int) -> None:
        with self._lock:
            for identifier in batch:
                self.cut = self.cut or len(self._all) >= most
                if not self.cut and _is_listable(identifier):
                    self._add(identifier)

    def _add(self, identifier: str) -> None:
        self._all.append(identifier)
        folder = self._root
        segments = identifier.split("/", DEEPEST)
        for depth, segment in enumerate(segments[:-1]):
            self._count(folder, identifier)
            inner = folder.folders.get(segment)
            if inner is None:
                inner = folder.folders[segment] = Folder("/".join(segments[: depth + 1]))
            folder = inner
        self._count(folder, identifier)
        folder.images.append(identifier)

    @staticmethod
    def _count(folder: Folder, identifier: str) -> None:
        folder.total += 1
        folder.cover = folder.cover or identifier

    def folder(self, path: str) -> Folder | None:
        """Return a copy of a folder, with all that is below it; None if no image is in it."""
        with self._lock:
            found = self._find(path)
            return _copied(found) if found is not None else None

    def page(self, path: str, start: int, count: int) -> tuple[Folder, list[Folder | str]] | None:
        """Return a folder and ``count`` entries of it from ``start``: its folders first, then its own images.

        The folder comes without what is in it. None if no image is below it.
        """
        with self._lock:
            found = self._find(path)
            if found is None:
                return None
            inner = found.inner()
            entries: list[Folder | str] = [_bare(folder) for folder in inner[start : start + count]]
            first = max(0, start - len(inner))
            entries += found.images[first : first + count - len(entries)]
            return _bare(found), entries

    def size(self, path: str) -> int:
        """Return how many entries a folder has."""
        with self._lock:
            found = self._find(path)
            return len(found.folders) + len(found.images) if found is not None else 0

    def search(self, words: str, path: str = "") -> list[str]:
        """Return the images below a folder whose identifier has all the words in it, in any case."""
        wanted = words.casefold().split()
        prefix = f"{path}/" if path else ""
        return [
            identifier
            for identifier in self._all[: len(self._all)]
            if identifier.startswith(prefix) and _has_all(identifier[len(prefix) :].casefold(), wanted)
        ]

    def _find(self, path: str) -> Folder | None:
        folder = self._root
        for segment in path.split("/") if path else ():
            inner = folder.folders.get(segment)
            if inner is None:
                return None
            folder = inner
        return folder


def _is_listable(identifier: str) -> bool:
    """Return whether an identifier can be part of an address."""
    try:
        return 0 < len(identifier) <= LONGEST and bool(identifier.encode("utf-8"))
    except UnicodeEncodeError:
        return False


def _has_all(text: str, words: list[str]) -> bool:
    return all(word in text for word in words)


def _bare(folder: Folder) -> Folder:
    return Folder(folder.path, total=folder.total, cover=folder.cover)


def _copied(folder: Folder) -> Folder:
    inner = {name: _copied(value) for name, value in folder.folders.items()}
    return Folder(folder.path, inner, list(folder.images), folder.total, folder.cover)
