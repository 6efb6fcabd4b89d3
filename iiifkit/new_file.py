"""Large files that are there whole or not at all, and those that are only wanted for a while.

Where the system can, they have no name until they are done, so that a killed process leaves nothing behind.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .caches.hidden import mark_as_ours


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Hand out the path of an empty file, which becomes ``target`` if all goes well, and vanishes if not.

    Raises `OSError`.
    """
    with _begun(target.parent, target.suffix) as (path, hidden, descriptor):
        yield path
        if path is not hidden:
            # Only with a folder given, which an absolute path does not need, Python makes the call that follows links.
            os.link(path, hidden, src_dir_fd=descriptor, follow_symlinks=True)
        hidden.replace(target)


@contextmanager
def passing_file(folder: str | Path | None) -> Iterator[Path]:
    """Hand out the path of an empty file that vanishes afterwards; None is the system's folder for such files.

    Raises `OSError` if there is no place for one.
    """
    with _begun(Path(folder or tempfile.gettempdir()), ".tif") as (path, _, _):
        yield path


@contextmanager
def _begun(folder: Path, suffix: str) -> Iterator[tuple[Path, Path, int]]:
    """Hand out the path of an empty file, the name that it may take for a while, and its descriptor."""
    hidden = folder / f".iiifkit-{secrets.token_hex(8)}{suffix}"
    descriptor = _nameless(folder)
    path = hidden if descriptor is None else Path(f"/proc/self/fd/{descriptor}")
    if descriptor is None:
        descriptor = _named(hidden)
    try:
        yield path, hidden, descriptor
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            hidden.unlink()


def _nameless(folder: Path) -> int | None:
    """Return the descriptor of a new file that has no name; None if the system has no such thing."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o666)
    except OSError:
        return None
    if Path(f"/proc/self/fd/{descriptor}").exists():
        return descriptor
    os.close(descriptor)
    return None


def _named(path: Path) -> int:
    """Return the descriptor of a new file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    mark_as_ours(descriptor)
    return descriptor
