"""Images in a folder; identifiers are paths relative to it."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated

import msgspec

from ..blob import Blob, file_version
from ..contracts import Location, location_of_folder
from ..errors import ConfigError, IIIFKitError, ImageNotFound, SourceError
from ..hookspecs import Environment
from ..opened_file import READ_FLAGS, OpenedFile, checked
from .identifiers import not_found, quoted, segments_of

EXTENSIONS = frozenset((".avif", ".gif", ".j2k", ".jp2", ".jpeg", ".jpg", ".jpx", ".png", ".tif", ".tiff", ".webp"))
"""Files with these extensions, in any case, are listed; others are opened all the same if asked for."""

DEEPEST = 32
"""Folders below one another that are listed."""

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.EINVAL, errno.EILSEQ)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_CAN_DESCEND = os.open in os.supports_dir_fd and bool(_NO_FOLLOW)
_ON_WINDOWS = os.name == "nt"


class DiskSourceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``path``: the folder. ``prefix``: a folder in it. ``revalidate``: seconds that a version is trusted."""

    path: str = "."
    prefix: str = ""
    revalidate: Annotated[float, msgspec.Meta(ge=0)] = 0


class DiskSource:
    """The images in ``folder``; nothing outside it is ever read, whatever links lead there."""

    def __init__(self, folder: Path, revalidate: float = 0) -> None:
        self._root = str(folder.absolute())
        self.location: Location | None = location_of_folder(folder, hides=True)
        self.revalidate = revalidate

    def version(self, identifier: str) -> str:
        """Return the file's modification time, size and inode; takes microseconds."""
        return file_version(self._find(identifier)[1])

    def open(self, identifier: str) -> Blob:
        """Return the open file. Raises `ImageNotFound`, or `SourceError` if it may not be read."""
        path, _ = self._find(identifier)
        try:
            descriptor = self._descend(path) if _CAN_DESCEND else self._open_and_check(path, identifier)
            status = checked(descriptor)
        except OSError as error:
            raise self._translated(error, identifier) from error
        return OpenedFile(descriptor, Path(path), status)

    def identifiers(self) -> Iterator[str]:
        """Yield the identifiers of the files that look like images, sorted within each folder, as they are met.

        Raises `SourceError` if a folder cannot be listed.
        """
        return self._list(self._root, "", DEEPEST)

    def close(self) -> None:
        """Do nothing; nothing is held."""

    def _find(self, identifier: str) -> tuple[str, os.stat_result]:
        """Return the path, with links inside the root resolved, and status of the regular file that is meant."""
        segments = segments_of(identifier)
        if _ON_WINDOWS and (":" in identifier or any(map(_is_reserved, segments))):
            raise not_found(identifier)
        path = self._root
        try:
            for segment in segments:
                path = f"{path}/{segment}"
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    path, status = self._follow(segments, identifier)
                    break
        except (OSError, ValueError) as error:
            raise self._translated(error, identifier) from error
        if not stat.S_ISREG(status.st_mode):
            raise not_found(identifier)
        return path, status

    def _follow(self, segments: Sequence[str], identifier: str) -> tuple[str, os.stat_result]:
        real = os.path.realpath("/".join((self._root, *segments)), strict=True)
        inside = self._inside(real)
        if inside is None:
            raise not_found(identifier)
        path = f"{self._root}/{inside}"
        return path, os.lstat(path)

    def _inside(self, real: str) -> str | None:
        """Return a resolved path relative to the root, or None if it is not inside it."""
        root = os.path.realpath(self._root).rstrip(os.sep) + os.sep
        return real[len(root) :].replace(os.sep, "/") if real.startswith(root) and len(real) > len(root) else None

    def _descend(self, path: str) -> int:
        """Open a file segment by segment without following a link, so that nobody can slip one in meanwhile."""
        segments = path[len(self._root) + 1 :].split("/")
        folder = os.open(self._root, _FOLDER)
        try:
            for segment in segments[:-1]:
                inner = os.open(segment, _FOLDER | _NO_FOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            return os.open(segments[-1], READ_FLAGS | _NO_FOLLOW, dir_fd=folder)
        finally:
            os.close(folder)

    def _open_and_check(self, path: str, identifier: str) -> int:
        """Open a file where folders cannot be held open, then see whether it is the one inside the root."""
        descriptor = os.open(path, READ_FLAGS)
        try:
            real = os.path.realpath(path, strict=True)
            if self._inside(real) is None or not os.path.samestat(Path(real).stat(), os.fstat(descriptor)):
                raise not_found(identifier)
        except (OSError, IIIFKitError):
            os.close(descriptor)
            raise
        return descriptor

    def _translated(self, error: Exception, identifier: str) -> IIIFKitError:
        if isinstance(error, PermissionError):
            return SourceError(f"The image {quoted(identifier)} may not be read by the server.")
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _MISSING:
            return SourceError(f"The image {quoted(identifier)} cannot be read.")
        if not Path(self._root).is_dir():
            return SourceError("The folder of the images is not there.")
        return not_found(identifier)

    def _list(self, folder: str, prefix: str, deeper: int) -> Iterator[str]:
        try:
            with os.scandir(folder) as entries:
                names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError as error:
            if prefix and isinstance(error, (FileNotFoundError, NotADirectoryError)):
                return  # removed since its parent was listed
            raise SourceError("A folder of the images cannot be listed.") from error
        for name, is_folder in names:
            if name.startswith("."):
                continue
            if is_folder:
                # Links to folders are not followed: what they lead to inside the root is listed there.
                if deeper:
                    yield from self._list(f"{folder}/{name}", f"{prefix}{name}/", deeper - 1)
            elif PurePath(name).suffix.lower() in EXTENSIONS and self._exists(prefix + name):
                yield prefix + name

    def _exists(self, identifier: str) -> bool:
        try:
            self._find(identifier)
        except (ImageNotFound, SourceError):
            return False
        return True


def _is_reserved(segment: str) -> bool:
    return PureWindowsPath(segment).is_reserved()


def build(options: DiskSourceOptions, environment: Environment) -> DiskSource:
    """Return the source of a folder. Raises `ConfigError` if the folder does not exist."""
    prefix = options.prefix.strip("/")
    if prefix:
        try:
            segments_of(prefix)
        except ImageNotFound as error:
            message = "Give a folder below images.source.path, such as 'maps/1900'."
            raise ConfigError(message, "images.source.prefix") from error
    folder = Path(options.path).expanduser() / prefix
    if not options.path or not folder.is_dir():
        named = f"{options.path}/{prefix}" if prefix else options.path
        message = f"There is no folder {named!r}. Create it, or name the one that your images are in."
        raise ConfigError(message, "images.source.prefix" if prefix else "images.source.path")
    return DiskSource(folder, options.revalidate)
