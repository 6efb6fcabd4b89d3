"""One image in, one picture out: the line without a server, a folder or a cache."""

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from .errors import BadRequest, IIIFKitError, ImageOverLimit, SourceError
from .image_api.formats import FORMATS
from .sources.one_image import IDENTIFIER, OneImage

STREAM = "-"
SUFFIXES = {"jpeg": "jpg", "tiff": "tif", **{name: name for name in FORMATS}}
NO_CACHES = {"images.cache": {"name": "Null"}, "derivatives.cache": {"name": "Null"}}


def transform_file(
    source: str, target: str, config: str | None, format: str | None, parameters: Mapping[str, str]
) -> None:
    """Make ``target`` out of ``source``; ``-`` is standard input or output. A file is replaced only when all is done.

    ``parameters`` are region, size, rotation and quality. Raises the errors of the line, and of start-up.
    """
    from .assembly import assemble, registry_for
    from .config import load_config, read_config

    path = request_path(**parameters, format=format or format_of(target))
    raw = read_config(config)
    registry = registry_for(raw)
    largest = load_config(raw, registry, NO_CACHES).limits.max_source_bytes
    service = assemble(raw, NO_CACHES, registry, OneImage(incoming(source, largest))).service
    try:
        body = service.answer(path, version=3).body
    finally:
        service.close()
    try:
        if target == STREAM:
            write_stream(sys.stdout, body)
        else:
            write_file(Path(target), body)
    except BrokenPipeError:
        raise
    except OSError as error:
        what = "Standard output" if target == STREAM else f"The file {target!r}"
        raise IIIFKitError(f"{what} cannot be written: {error.strerror}.") from None


def format_of(target: str) -> str:
    """Return the format that a file's name ends in. Raises `BadRequest`."""
    if target == STREAM:
        raise BadRequest(f"Standard output has no name to tell the format by; say it: --format {'|'.join(FORMATS)}.")
    format = SUFFIXES.get(Path(target).suffix[1:].lower())
    if format is None:
        raise BadRequest(f"{target!r} does not end in a format; say it: --format {'|'.join(FORMATS)}.")
    return format


def request_path(region: str, size: str, rotation: str, quality: str, format: str) -> str:
    """Return the path of an image request in version 3; 2.1's size ``full`` is understood too."""
    size = "max" if size == "full" else size
    parts = (region, size, rotation, f"{quality}.{format}")
    return "/".join((IDENTIFIER, *(part.replace("%", "%25").replace("/", "%2F") for part in parts)))


def incoming(source: str, largest: int | None) -> Path | bytes:
    """Return the file to read, or what standard input or a pipe holds, up to ``largest`` bytes.

    Raises `ImageOverLimit` or `SourceError`.
    """
    try:
        if source == STREAM:
            return read_stream(sys.stdin.buffer if sys.stdin else None, largest)
        if not Path(source).is_fifo():
            return Path(source)
        with Path(source).open("rb") as pipe:
            return read_stream(pipe, largest)
    except OSError as error:
        what = "Standard input" if source == STREAM else f"The file {source!r}"
        raise SourceError(f"{what} cannot be read: {error.strerror}.") from None


def read_stream(stream: IO[bytes] | None, largest: int | None) -> bytes:
    """Read a stream to its end. Raises `ImageOverLimit` past ``largest`` bytes, `SourceError` if it is closed."""
    if stream is None:
        raise SourceError("Standard input is closed.")
    data = stream.read() if largest is None else stream.read(largest + 1)
    if largest is not None and len(data) > largest:
        raise ImageOverLimit(f"The image has more than {largest} bytes, which limits.max_source_bytes allows.")
    return data


def write_stream(stream: IO[str] | None, data: bytes) -> None:
    """Write to a standard stream and flush it. Raises `OSError`, or `IIIFKitError` if it is closed."""
    if stream is None:
        raise IIIFKitError("Standard output is closed.")
    stream.buffer.write(data)  # type: ignore[attr-defined]
    stream.flush()


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all; an existing one is replaced only then.

    Links are followed. Pipes and devices are written to, never replaced. Raises `OSError`.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))
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
