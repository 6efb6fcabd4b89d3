"""uvicorn's HTTP protocol with a bound on the size of a request's head, and on the time it may take to arrive."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol


class BoundedProtocol(HttpToolsProtocol):
    """Answers 431 to a head of more than ``max_head_bytes``, and 408 if it is not there in ``head_seconds``.

    uvicorn makes the instances, so the bounds are the class's: one server a process.
    """

    max_head_bytes = 32 * 1024
    head_seconds = 20.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that never says anything is closed too."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes and not self.transport.is_closing():
            if self._head_bytes > self.max_head_bytes:
                self._refuse(431, b"The request's head is too large.")
            elif self._timer is None:
                self._start_timer()

    def on_headers_complete(self) -> None:
        """Hand over a head that is small enough."""
        self._in_head = False
        self._stop_timer()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_head_bytes:
            self._refuse(431, b"The request's head is too large.")
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass the body on, unless the head was refused."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head = True
        self._head_bytes = 0
        if self.cycle is not None:
            super().on_message_complete()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._refuse, 408, b"The request's head took too long.")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, sentence: bytes) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        head = STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\naccess-control-allow-origin: *\r\n"
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(sentence) + sentence)
        self.transport.close()
