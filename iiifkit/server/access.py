"""The access log: one line a request, with its canonical form and how the answer was made."""

import re
import threading
import time
from contextlib import suppress
from typing import TextIO

from .asked import Asked
from .replies import Reply

_UNSAFE = re.compile(r"[^\x21-\x7e]|[\"\\]")
LONGEST_PATH = 500
MOST_WAITING = 20_000
FLUSH_SECONDS = 0.1


def escaped(text: str, longest: int = LONGEST_PATH) -> str:
    r"""Return a client's text with everything that could fake or break a log line written as ``\\xNN``."""
    cut = text if len(text) <= longest else text[:longest] + "..."
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", cut) if _UNSAFE.search(cut) else cut


class AccessLog:
    """Gathers lines and writes them a tenth of a second later, in a thread: a full pipe never holds up an answer.

    A line costs a few microseconds; through the logging module it cost more than an answer from memory. While nobody
    reads, at most ``MOST_WAITING`` lines wait; how many were lost is written instead.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._lost = 0
        self._closing = False
        self._filled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="iiifkit-access-log", daemon=True)
        self._thread.start()

    def write(self, asked: Asked, reply: Reply, seconds: float) -> None:
        """Add the line of one answer: who, what, status, bytes, milliseconds, how it was made, canonical form."""
        if len(self._lines) >= MOST_WAITING:
            self._lost += 1
            return
        self._lines.append(
            f'{asked.peer or "-"} "{escaped(asked.method)} {escaped(asked.path)}" {reply.status} {len(reply.body)} '
            f"{seconds * 1000:.1f}ms {reply.how or '-'} {escaped(reply.canonical) or '-'}\n"
        )
        self._filled.set()

    def close(self) -> None:
        """Write what waits, if somebody reads it within a second."""
        self._closing = True
        self._filled.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while not self._closing:
            self._filled.wait()
            self._filled.clear()
            if not self._closing:
                time.sleep(FLUSH_SECONDS)
            self._write_out()

    def _write_out(self) -> None:
        """Write what waits; a stream that is closed loses it."""
        lines, self._lines = self._lines, []
        lost, self._lost = self._lost, 0
        if lost:
            lines.append(f"- {lost} lines were lost because nobody read them\n")
        with suppress(OSError, ValueError):
            self._stream.write("".join(lines))
            self._stream.flush()
