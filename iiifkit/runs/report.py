"""The report of a run: one JSON object a line for each image."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from ..errors import IIIFKitError


class Report:
    """A file that grows by a line for each object; None writes nothing.

    All of it raises `IIIFKitError` if the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._path.open("wb", buffering=0)
            except OSError as error:
                raise self._failure(error) from None
        return self

    def add(self, line: msgspec.Struct) -> None:
        """Write an object."""
        if self._file is not None:
            try:
                self._file.write(msgspec.json.encode(line) + b"\n")
            except OSError as error:
                raise self._failure(error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _failure(self, error: OSError) -> IIIFKitError:
        return IIIFKitError(f"The report {str(self._path)!r} cannot be written: {error.strerror}.")
