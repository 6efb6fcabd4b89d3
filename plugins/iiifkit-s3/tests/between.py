"""A real HTTP server that stands between a client and the S3 server: it counts requests, and spoils answers."""

import http.client
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from seaweed import CERTIFICATE


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def range(self) -> str:
        return self.headers.get("range", "")

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0].rpartition('/')[2]} {self.range}".strip()


@dataclass(repr=False)
class Between:
    """Forwards everything to ``upstream``, unless ``spoil`` answers; ``spoil`` gets the handler and the request.

    ``spoil`` returns False to have the request forwarded after all, or a function that changes the answer.
    """

    upstream: str
    spoil: Callable[["Handler", Request], bool] = lambda *_: False
    change: Callable[[Request, dict[str, str], bytes], tuple[dict[str, str], bytes]] = lambda _, h, b: (h, b)
    tls: bool = False
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.between = self
        if self.tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def told(self) -> list[str]:
        """The requests so far, in short; they are forgotten then."""
        told = [str(request) for request in self.requests]
        self.requests.clear()
        return told


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50
    between: Between

    def handle_error(self, *_: object) -> None:
        return


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one(self) -> None:
        between = self.server.between
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        between.requests.append(request)
        try:
            if not between.spoil(self, request):
                self.forward(request)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_one  # noqa: N815

    def ask(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """What the server behind answers."""
        url = urlsplit(self.server.between.upstream)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def forward(self, request: Request) -> None:
        status, headers, body = self.ask(request)
        headers, body = self.server.between.change(request, headers, body)
        self.reply(status, body, headers)

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        self.send_response_only(status)
        dropped = ("transfer-encoding", "connection")
        given = {name: value for name, value in (headers or {}).items() if name.lower() not in dropped}
        if self.command != "HEAD" and not any(name.lower() == "content-length" for name in given):
            given["Content-Length"] = str(len(body))
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def refuse(self, status: int, code: str, more: str = "") -> bool:
        """Answer an error as S3 does."""
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{more}</Error>".encode()
        return self.reply(status, body, {"Content-Type": "application/xml"})

    def write(self, data: bytes) -> bool:
        """Write these bytes as they are, and close the connection."""
        self.wfile.write(data)
        self.close_connection = True
        return True

    def drip(self, data: bytes) -> bool:
        """Write a byte at a time, until the client has enough or the test is over."""
        self.close_connection = True
        for byte in data:
            if self.server.between.stopped.wait(0.05):
                break
            self.wfile.write(bytes([byte]))
        return True

    def hang(self) -> bool:
        """Answer nothing until the test is over."""
        self.server.between.stopped.wait(20)
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        return
