"""Memory of runs over many images: one of thousands takes no more than one of twenty."""

import gc
from functools import cache
from typing import Any

_ARENA_MAX = -8
_ARENAS = 2


def few_arenas() -> None:
    """Make the C library keep freed memory in two places, not in one for each of libvips' threads, where it can.

    Call it before there are threads. It costs no time: two arenas are as fast as sixteen.
    """
    library = _library()
    if hasattr(library, "mallopt"):
        library.mallopt(_ARENA_MAX, _ARENAS)


def tidy() -> None:
    """Drop what only cycles hold, such as decoded pictures, and give freed memory back to the system, where it can."""
    gc.collect()
    library = _library()
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


@cache
def _library() -> Any:
    """Return the C library; None if the system has no such thing."""
    import ctypes

    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
