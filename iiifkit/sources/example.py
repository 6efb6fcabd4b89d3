"""The example picture, in front of another source."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from ..blob import Blob, FileBlob, file_version
from ..contracts import Location, Source

IDENTIFIER = "example.jpg"


def example_path() -> Path:
    """Return where the example picture that comes with iiifkit lies."""
    return Path(str(files("iiifkit"))) / "example" / IDENTIFIER


class WithExample:
    """Another source, and the example picture under its own identifier in front of it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._path = example_path()
        self.location: Location | None = source.location
        self.revalidate = source.revalidate

    def version(self, identifier: str) -> str:
        """Return the version of the example, or what the other source says."""
        if identifier == IDENTIFIER:
            return file_version(self._path.stat())
        return self._source.version(identifier)

    def open(self, identifier: str) -> Blob:
        """Open the example, or what the other source has."""
        return FileBlob(self._path) if identifier == IDENTIFIER else self._source.open(identifier)

    def identifiers(self) -> Iterable[str]:
        """Return the example and all of the other source's identifiers."""
        yield IDENTIFIER
        yield from self._source.identifiers()

    def close(self) -> None:
        """Close the other source."""
        self._source.close()
