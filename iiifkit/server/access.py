"""The access log: one line a request, with its canonical form and how the answer was made."""

import logging
import re

from .asked import Asked
from .replies import Reply

log = logging.getLogger("iiifkit.access")

_UNSAFE = re.compile(r"[^\x21-\x7e]|[\"\\]")


def escaped(text: str, longest: int = 500) -> str:
    r"""Return a client's text with everything that could fake or break a log line written as ``\xNN``."""
    cut = text if len(text) <= longest else text[:longest] + "..."
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", cut)


def write(asked: Asked, reply: Reply, seconds: float) -> None:
    """Log one answer: who, what, status, bytes, milliseconds, how it was made, canonical form."""
    log.info(
        '%s "%s %s" %d %d %.1fms %s %s',
        asked.peer or "-",
        escaped(asked.method),
        escaped(asked.path),
        reply.status,
        len(reply.body),
        seconds * 1000,
        reply.how or "-",
        escaped(reply.canonical) or "-",
    )
