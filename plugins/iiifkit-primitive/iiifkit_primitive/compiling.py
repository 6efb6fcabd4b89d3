"""Compiling functions to machine code, and the folder where the result is kept for the next start."""

import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_numba: Any = numba.config

log = logging.getLogger("iiifkit")

_kernels: list[Any] = []

Function = TypeVar("Function", bound=Callable[..., Any])

Number = Any
"""A whole number of Python's or of one of NumPy's types; which one, numba finds out."""


def part(function: Function) -> Function:
    """Compile a function that is called by compiled ones only; its code is kept as a part of theirs."""
    return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))


def kernel(function: Function) -> Function:
    """Compile a function that Python calls. It runs without the interpreter's lock, and its code is kept."""
    with _numba_keeps_in(cache_folder()) as keeps:
        compiled = numba.njit(nogil=True, error_model="numpy", cache=keeps)(function)
    _kernels.append(compiled)
    return cast(Function, compiled)


def despite_cache(run: Callable[[], None]) -> None:
    """Call ``run``; if it fails, because code cannot be kept or was kept damaged, again without keeping any."""
    try:
        run()
    except Exception as error:
        log.warning("compiled code cannot be kept, or was damaged (%s); it is compiled anew", type(error).__name__)
        if folder := cache_folder():
            shutil.rmtree(folder, ignore_errors=True)
        for compiled in _kernels:
            compiled._cache.disable()
        run()


@cache
def cache_folder() -> Path | None:
    """Return the folder for compiled code, the first of these that can be written to; None if none can.

    ``NUMBA_CACHE_DIR`` if it is set; else ``__pycache__`` beside this file, else the user's cache folder.
    Below it the folder is named for the package's sources, because numba notices changes in the file of a
    kernel, but not in the files of its parts.
    """
    chosen: str = _numba.CACHE_DIR
    places = [Path(chosen)] if chosen else [_beside(), _of_user()]
    for place in places:
        folder = place / f"iiifkit_primitive-{_digest()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    log.warning("compiled code cannot be kept, so each start compiles again; set NUMBA_CACHE_DIR to a writable folder")
    return None


def is_kept() -> bool:
    """Return whether there is compiled code to load, so that a start takes a second, not a quarter of a minute."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob("*.nbc"))


@contextmanager
def _numba_keeps_in(folder: Path | None) -> Iterator[bool]:
    """Point numba to the folder while a kernel is declared; it has no setting of this for one function alone."""
    before = _numba.CACHE_DIR
    _numba.CACHE_DIR = str(folder or before)
    try:
        yield folder is not None
    finally:
        _numba.CACHE_DIR = before


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _beside() -> Path:
    return Path(__file__).parent / "__pycache__"


def _of_user() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path("~/AppData/Local").expanduser())
    if sys.platform == "darwin":
        return Path("~/Library/Caches").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
