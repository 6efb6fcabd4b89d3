"""A source with a single image: what the command line transforms, and what needs no images at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from ..blob import Blob, BytesBlob
from ..contracts import Location
from ..errors import ImageNotFound, SourceError
from ..opened_file import READ_FLAGS, OpenedFile, checked

IDENTIFIER = "image"


class OneImage:
    """A source that holds one image under `IDENTIFIER`: a file, or bytes that were read from somewhere."""

    location: Location | None = None
    revalidate = 0.0

    def __init__(self, image: Path | bytes) -> None:
        self._image = image

    def version(self, identifier: str) -> str:
        """Return the version of the one image. Raises what `open` raises."""
        with self.open(identifier) as blob:
            return blob.version

    def open(self, identifier: str) -> Blob:
        """Return the one image. Raises `ImageNotFound` or `SourceError`."""
        if identifier != IDENTIFIER:
            raise ImageNotFound(f"There is no image {identifier!r} here.")
        if isinstance(self._image, bytes):
            return BytesBlob(self._image, str(len(self._image)))
        try:
            descriptor = os.open(self._image, READ_FLAGS)
            return OpenedFile(descriptor, self._image, checked(descriptor))
        except FileNotFoundError:
            wrong = "is not a file" if self._image.exists() else "does not exist"
            raise ImageNotFound(f"{str(self._image)!r} {wrong}.") from None
        except OSError as error:
            raise SourceError(f"The file {str(self._image)!r} cannot be read: {error.strerror}.") from None

    def identifiers(self) -> Iterable[str]:
        """Return the one identifier."""
        return (IDENTIFIER,)

    def close(self) -> None:
        """Do nothing; there is nothing to give back."""
