"""A real HTTP server on loopback that behaves as tests tell it to."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

CERTIFICATE = Path(__file__).with_name("localhost.pem")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        remote = self.server.remote
        remote.requests.append((self.command, self.path, dict(self.headers)))
        behave = remote.behaviors.get(self.path)
        try:
            if behave is not None:
                behave(self)
            else:
                self.serve(remote.images.get(unquote(self.path.removeprefix("/images/"))))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def serve(self, data: bytes | None) -> None:
        """Answer as a good server does, within what the server can."""
        remote = self.server.remote
        if data is None:
            return self.reply(404, b"not here", {})
        if self.command == "HEAD" and remote.head_status != 200:
            return self.reply(remote.head_status, b"", {})
        headers = {}
        if remote.etags:
            headers["ETag"] = f'"{sha256(data).hexdigest()[:16]}"'
        if remote.modified is not None:
            headers["Last-Modified"] = formatdate(remote.modified, usegmt=True)
        asked = self.headers.get("Range")
        if asked and remote.ranges and self.command == "GET":
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, len(data))
            if start >= len(data):
                return self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            return self.reply(206, data[start:stop], headers)
        return self.reply(200, data, headers)

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def drip(self, data: bytes, seconds: float) -> None:
        """Write a byte at a time, until the client has enough or the test is over."""
        for byte in data:
            if self.server.remote.stopped.wait(seconds):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50
    remote: "Remote"

    def handle_error(self, *_: object) -> None:
        return


@dataclass
class Remote:
    """What is on the server, what it can do, and what it was asked."""

    images: dict[str, bytes] = field(default_factory=dict)
    behaviors: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    modified: float | None = 1_700_000_000
    head_status: int = 200
    tls: bool = False
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.remote = self
        if self.tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def template(self) -> str:
        return f"{self.origin}/images/{{id}}"

    def close(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
