"""A real `iiifkit serve` in a subprocess, and requests that reach it byte for byte."""

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pictures
from PIL import Image

Image.MAX_IMAGE_PIXELS = None

STARTING = 30.0
"""Seconds that a server may take until it answers."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. Header names are looked up in any case; ``body`` is what came over the wire."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, empty if it is not there. A header that came twice is a fault."""
        values = self.headers.get_all(name) or []
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else ""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def sentence(self) -> str:
        """An error's text without the line end."""
        return self.text.rstrip("\n")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def image(self) -> Image.Image:
        """The picture in the body, as Pillow opens it."""
        return Image.open(io.BytesIO(self.body))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in the body, all of it decoded."""
        image = self.image
        image.load()
        return image.size

    @property
    def pixels(self) -> np.ndarray:
        return pictures.decoded(self.body)

    @property
    def links(self) -> dict[str, str]:
        """The Link header: address by relation."""
        return {rel: uri for uri, rel in re.findall(r'<([^>]*)>;rel="([a-z]+)"', self.header("Link"))}


class Server:
    """A server process. Use it as a context manager; `stop` ends it.

    ``config`` is written to a file in ``home``, which is also the user's cache folder and the temporary one.
    """

    def __init__(
        self, home: Path, folder: Path | None, config: Mapping[str, Any] | None = None, *arguments: str, **environ: str
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.folder = folder
        self._log = home / "stderr.txt"
        self._access = home / "stdout.txt"
        config_file = home / "config.json"
        config_file.write_text(json.dumps(config or {}))
        command = [sys.executable, "-m", "iiifkit.cli", "serve"]
        command += [str(folder)] if folder is not None else []
        command += ["--config", str(config_file), "--host", "127.0.0.1", "--port", "0", *arguments]
        with self._log.open("wb") as stderr, self._access.open("wb") as stdout:
            self.process = subprocess.Popen(
                command,
                stdout=stdout,
                stderr=stderr,
                cwd=home,
                env={**os.environ, "XDG_CACHE_HOME": str(home / "user-cache"), "PYTHONUNBUFFERED": "1", **environ},
            )
        try:
            self.scheme, self.port = self._address()
            self._wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the server wrote to standard error."""
        return self._log.read_text(errors="replace")

    @property
    def access_log(self) -> str:
        """What the server wrote to standard output."""
        return self._access.read_text(errors="replace")

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def _address(self) -> tuple[str, int]:
        end = time.monotonic() + STARTING
        while time.monotonic() < end:
            if found := re.search(r"(?:listens on|try) +(https?)://[^/]*:(\d+)", self.log):
                return found[1], int(found[2])
            assert self.alive, f"the server ended with {self.process.returncode}:\n{self.log}"
            time.sleep(0.01)
        raise AssertionError(f"the server does not say where it is:\n{self.log}")

    def _wait(self) -> None:
        end = time.monotonic() + STARTING
        while time.monotonic() < end:
            try:
                if self.scheme == "https" or self.get("/healthz").status == 200:
                    return
            except (OSError, http.client.HTTPException):
                assert self.alive, f"the server ended with {self.process.returncode}:\n{self.log}"
            time.sleep(0.01)
        raise AssertionError(f"the server does not answer:\n{self.log}")

    def connect(self, timeout: float = 60) -> socket.socket:
        """A TCP connection to the server."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def send(self, head: bytes, method: str = "GET", timeout: float = 60) -> Answer:
        """Send these bytes on a new connection and read one answer."""
        with self.connect(timeout) as connection:
            connection.sendall(head)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            return Answer(response.status, response.headers, response.read())

    def request(
        self,
        path: str | bytes,
        method: str = "GET",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        timeout: float = 60,
    ) -> Answer:
        """Ask for a path exactly as it is spelled. Besides Host and Connection only the given headers are sent."""
        given = list(headers.items() if isinstance(headers, Mapping) else headers)
        if not any(name.lower() == "host" for name, _ in given):
            given.insert(0, ("Host", self.netloc))
        lines = [f"{name}: {value}".encode("latin-1") for name, value in [*given, ("Connection", "close")]]
        spelled = path if isinstance(path, bytes) else path.encode("latin-1")
        head = method.encode() + b" " + spelled + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"
        return self.send(head, method, timeout)

    def get(self, path: str | bytes, timeout: float = 60, **headers: str) -> Answer:
        """GET a path; keyword ``If_None_Match`` is the header If-None-Match."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request(path, headers=given, timeout=timeout)

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 40) -> int:
        """End the process and return its exit status."""
        if self.alive:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
