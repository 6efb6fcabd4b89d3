"""What an identifier may look like, for sources that make a path of it."""

import re
from collections.abc import Sequence

from ..errors import ImageNotFound

LONGEST = 4096
"""Characters of the longest identifier that is looked for."""

_SHOWN = 80
_REFUSED = re.compile(r"[\x00\\\ud800-\udfff]|\A[A-Za-z]:")


def not_found(identifier: str) -> ImageNotFound:
    """Return the error that says that no image has this identifier."""
    return ImageNotFound(f"There is no image {quoted(identifier)}.")


def quoted(identifier: str) -> str:
    """Return the identifier in quotes, on one line and of bounded length, for messages."""
    shown = identifier if len(identifier) <= _SHOWN else identifier[:_SHOWN] + "…"
    return repr(shown)


def segments_of(identifier: str) -> Sequence[str]:
    """Return the segments of a relative path, split at ``/``.

    Raises `ImageNotFound` for what could lead elsewhere or is hidden: absolute paths, drives, backslashes, NUL, lone
    surrogates, more than 4,096 characters, and segments that are empty or begin with a dot.
    """
    if len(identifier) > LONGEST or _REFUSED.search(identifier):
        raise not_found(identifier)
    segments = identifier.split("/")
    for segment in segments:
        if not segment or segment[0] == ".":
            raise not_found(identifier)
    return segments
