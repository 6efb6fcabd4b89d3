"""uvicorn's HTTP protocol with bounds: on a request's head, on its time, and on how long an answer lies untaken."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .corked import CorkedTransport
from .quick import QuickProtocol

LINGER_SECONDS = 2.0
"""How long a refused client's bytes are thrown away, so that it reads why instead of seeing a broken connection."""

_LINE_BYTES = len(": \r\n")


class BoundedProtocol(QuickProtocol):
    """Answers 431 to a head of more than ``max_head_bytes``, and 408 if it is not there in ``head_seconds``.

    A body, which nobody reads, may take as long as a head. A client that takes nothing of its answer for
    ``stalled_seconds`` is cut off. uvicorn makes the instances, so the bounds are the class's: one server a process.
    """

    max_head_bytes = 32 * 1024
    head_seconds = 20.0
    stalled_seconds = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._in_body = False
        self._refused = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that never says anything is closed too."""
        super().connection_made(CorkedTransport(transport, self.loop))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_timer()
        self._stop_stalled_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head."""
        if self._refused:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > self.max_head_bytes:
            self._refuse(431, b"The request's head is too large.")
        elif self._timer is None and (self._in_body or (self._in_head and self._head_bytes)):
            self._start_timer()

    def on_message_begin(self) -> None:
        """Note that a head has begun, in the same piece of data as the end of the last request perhaps."""
        super().on_message_begin()
        self._head_bytes += 1

    def on_headers_complete(self) -> None:
        """Hand over a head that is small enough and names one host."""
        if self._refused:
            return
        self._in_head, self._in_body = False, True
        self._stop_timer()
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value) + _LINE_BYTES
            hosts += name == b"host"
        if size > self.max_head_bytes:
            self._refuse(431, b"The request's head is too large.")
        elif hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._refuse(400, b"A request needs one Host header.")
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass the body on, unless the head was refused."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head, self._in_body = True, False
        self._head_bytes = 0
        if not self._refused:
            self._stop_timer()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Watch whether the last answer on a connection is taken."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_stalled_timer()

    def pause_writing(self) -> None:
        """Watch whether a large answer is taken."""
        super().pause_writing()
        self._start_stalled_timer()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._stop_stalled_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one whose answer is still being taken is not idle, and is watched instead."""
        if not self.transport.get_write_buffer_size():
            super().timeout_keep_alive_handler()
            return
        if self._stalled_timer is None:
            self._start_stalled_timer()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if not self._refused:
            self._refuse(400, msg.encode())

    def _unsupported_upgrade_warning(self) -> None:
        """Answer in HTTP/1.1 and say nothing: clients offer other protocols as a matter of course."""

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(408, b"The request's head took too long.")
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _start_stalled_timer(self) -> None:
        self._stop_stalled_timer()
        left = self.transport.get_write_buffer_size()
        if left:
            self._stalled_timer = self.loop.call_later(self.stalled_seconds, self._check_stalled, left)

    def _stop_stalled_timer(self) -> None:
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
            self._stalled_timer = None

    def _check_stalled(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._start_stalled_timer()
        else:
            self.transport.abort()

    def _refuse(self, status: int, sentence: bytes) -> None:
        """Answer with a sentence, and take no more requests from this connection."""
        self._stop_timer()
        self._refused = True
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # answers come in order: the connection ends after the last one
            return
        head = STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\naccess-control-allow-origin: *\r\n"
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(sentence) + sentence)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()
