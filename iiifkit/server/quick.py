"""uvicorn's HTTP protocol with a shorter way for answers that need no waiting: no task, and one write."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .replies import Reply


class QuickProtocol(HttpToolsProtocol):
    """Asks the application for an answer ``at_once``; only if there is none a task is begun for it.

    uvicorn's own way, with a task, two messages and a look at every header, costs more than most of these answers. It
    is taken while anything waits on the connection, in either direction, so that a client that asks without reading
    is told to wait as ever.
    """

    _waited = False

    def on_response_complete(self) -> None:
        """Go on with requests that waited for their turn, the long way: one within the other would go too deep."""
        self._waited = True
        try:
            super().on_response_complete()
        finally:
            self._waited = False

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        at_once = getattr(app, "at_once", None)
        if at_once is None or self._waited or self.transport.get_write_buffer_size():
            super()._start_asgi_task(cycle, app)
            return
        reply = at_once(cycle.scope)
        if reply is None:
            super()._start_asgi_task(cycle, app)
        else:
            self._answer(cycle, reply)

    def _answer(self, cycle: Any, reply: Reply) -> None:
        """Write the whole answer, and leave everything as uvicorn does at the end of one."""
        pieces = [STATUS_LINE[reply.status]]
        for name, value in self.server_state.default_headers:
            pieces += (name, b": ", value, b"\r\n")
        pieces.append(reply.head)
        pieces.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        if cycle.scope["method"] != "HEAD":
            pieces.append(reply.body)
        self.transport.write(b"".join(pieces))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        cycle.on_response = _nothing  # it holds this object, which holds the cycle


def _nothing() -> None:
    pass
