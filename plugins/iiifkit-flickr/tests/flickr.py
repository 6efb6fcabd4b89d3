"""A real HTTPS server on loopback that speaks as Flickr's API and its photo servers do."""

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from iiifkit_flickr.source import Place

CERTIFICATE = Path(__file__).with_name("localhost.pem")
KEY = "0123456789abcdef0123456789abcdef"

MEDIUM = ("Square", "Thumbnail", "Small", "Medium")
LARGE = ("Large", "Large 1600", "Large 2048", "Original")
_LETTERS = {"Original": "_o", "Large 2048": "_k", "Large 1600": "_h", "Large": "_b", "Medium": "", "Small": "_m"}


@dataclass(repr=False)
class Flickr:
    """Photos by id, each in the sizes of ``labels``; ``spoil`` may answer a request in its own way."""

    photos: dict[str, bytes] = field(default_factory=dict)
    labels: tuple[str, ...] = (*MEDIUM, *LARGE)
    spoil: Callable[["Handler"], bool] = lambda _: False
    requests: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.flickr = self
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.place = Place(f"https://{self.host}/services/rest/", frozenset({self.host}), str(CERTIFICATE))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def told(self) -> list[str]:
        """The requests so far; they are forgotten then."""
        told = list(self.requests)
        self.requests.clear()
        return told

    def path(self, photo: str, label: str) -> str:
        """Where a size of a photo is; a photo that was replaced is elsewhere."""
        secret = sha256(self.photos[photo]).hexdigest()[:10]
        return f"/65535/{photo}_{secret}{_LETTERS.get(label, '_s')}.jpg"

    def sizes(self, photo: str) -> dict[str, Any]:
        """The answer of flickr.photos.getSizes, as Flickr writes it."""
        if photo not in self.photos:
            return {"stat": "fail", "code": 1, "message": "Photo not found"}
        sizes = [
            {
                "label": label,
                "width": 100,
                "height": 75,
                "source": f"https://{self.host}{self.path(photo, label)}",
                "url": f"https://www.flickr.com/photos/somebody/{photo}/sizes/x/",
                "media": "photo",
            }
            for label in self.labels
        ]
        return {"sizes": {"canblog": 0, "canprint": 0, "candownload": 1, "size": sizes}, "stat": "ok"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50
    flickr: Flickr

    def handle_error(self, *_: object) -> None:
        return


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    @property
    def asked(self) -> str:
        """``sizes ID``, or the path of a photo."""
        if self.command == "GET":
            return self.path
        return f"sizes {self.form['photo_id']}"

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        flickr = self.server.flickr
        flickr.requests.append(self.asked)
        try:
            if not flickr.spoil(self):
                self.answer()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_POST = handle_one  # noqa: N815

    def answer(self) -> None:
        flickr = self.server.flickr
        if self.command == "POST":
            self.json(self._method())
            return
        for photo, data in flickr.photos.items():
            if self.path in {flickr.path(photo, label) for label in flickr.labels}:
                self.reply(200, data, {"Content-Type": "image/jpeg"})
                return
        self.reply(404)

    def _method(self) -> dict[str, Any]:
        """What the API answers; like Flickr it wants JSON to be asked for, and a key."""
        if (self.path, self.form.get("format"), self.form.get("nojsoncallback")) != ("/services/rest/", "json", "1"):
            return {"stat": "fail", "code": 111, "message": 'Format "xxx" not found'}
        if self.form.get("method") != "flickr.photos.getSizes":
            return {"stat": "fail", "code": 112, "message": 'Method "xxx" not found'}
        if self.form.get("api_key") != KEY:
            return {"stat": "fail", "code": 100, "message": "Invalid API Key (Key has invalid format)"}
        return self.server.flickr.sizes(self.form["photo_id"])

    def json(self, document: object, status: int = 200) -> bool:
        body = json.dumps(document).replace("/", "\\/").encode()
        return self.reply(status, body, {"Content-Type": "application/json"})

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        return True

    def write(self, data: bytes) -> bool:
        """Write these bytes as they are, and close the connection."""
        self.wfile.write(data)
        self.close_connection = True
        return True

    def drip(self, data: bytes) -> bool:
        """Write a byte at a time, until the client has enough or the test is over."""
        self.close_connection = True
        for byte in data:
            if self.server.flickr.stopped.wait(0.05):
                break
            self.wfile.write(bytes([byte]))
        return True

    def hang(self) -> bool:
        self.server.flickr.stopped.wait(20)
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        return
