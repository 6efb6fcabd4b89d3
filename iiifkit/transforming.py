"""One image in, one picture out: the line without a server, a folder or a cache."""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from .blob import Blob, BytesBlob, FileBlob
from .contracts import Location
from .errors import IIIFKitError, ImageNotFound, SourceError
from .image_api.formats import FORMATS

IDENTIFIER = "image"


class OneImage:
    """A source that holds a single image: a file, or bytes that were read from somewhere."""

    location: Location | None = None
    revalidate = 0.0

    def __init__(self, image: Path | bytes) -> None:
        self._image = image

    def version(self, identifier: str) -> str:
        """Return the version of the one image. Raises `ImageNotFound` for any other identifier."""
        with self.open(identifier) as blob:
            return blob.version

    def open(self, identifier: str) -> Blob:
        """Return the one image. Raises `ImageNotFound` or `SourceError`."""
        if identifier != IDENTIFIER:
            raise ImageNotFound(f"There is no image {identifier!r} here.")
        if isinstance(self._image, bytes):
            return BytesBlob(self._image, str(len(self._image)))
        try:
            return FileBlob(self._image)
        except FileNotFoundError:
            raise ImageNotFound(f"There is no file {str(self._image)!r}.") from None
        except OSError as error:
            raise SourceError(f"The file {str(self._image)!r} cannot be read: {error.strerror}.") from None

    def identifiers(self) -> Iterable[str]:
        """Return the one identifier."""
        return (IDENTIFIER,)

    def close(self) -> None:
        """Do nothing; there is nothing to give back."""


SUFFIXES = {"jpeg": "jpg", "tiff": "tif", **{name: name for name in FORMATS}}


def transform_file(
    source: str, target: str, config: str | None, format: str | None, parameters: Mapping[str, str]
) -> None:
    """Make ``target`` out of ``source``; ``-`` is standard input or output. A file is replaced only when all is done.

    ``parameters`` are region, size, rotation and quality. Raises the errors of the line, and of start-up.
    """
    from .assembly import assemble
    from .config import read_config

    chosen = format or SUFFIXES.get(Path(target).suffix[1:].lower())
    if chosen is None:
        raise IIIFKitError(f"{target!r} does not end in a format; name one of {', '.join(FORMATS)} with --format.")
    image = OneImage(sys.stdin.buffer.read() if source == "-" else Path(source))
    nothing = {"images.cache": {"name": "Null"}, "derivatives.cache": {"name": "Null"}}
    service = assemble(read_config(config), nothing, source=image).service
    try:
        body = service.answer(request_path(**parameters, format=chosen), version=3).body
    finally:
        service.close()
    if target == "-":
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    try:
        write_file(Path(target), body)
    except OSError as error:
        raise IIIFKitError(f"The file {target!r} cannot be written: {error.strerror}.") from None


def request_path(region: str, size: str, rotation: str, quality: str, format: str) -> str:
    """Return the path of an image request in version 3; 2.1's size ``full`` is understood too."""
    size = "max" if size == "full" else size
    parts = (region, size, rotation, f"{quality}.{format}")
    return "/".join((IDENTIFIER, *(part.replace("%", "%25").replace("/", "%2F") for part in parts)))


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all; an existing one is replaced only then.

    Raises `OSError`.
    """
    descriptor, name = tempfile.mkstemp(prefix=".iiifkit-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(data)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(name, mode)  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
