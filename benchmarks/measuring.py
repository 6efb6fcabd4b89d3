"""Starting servers, loading them over loopback, and reading what processor time they spent."""

import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path


class Server:
    """A server in a process of its own, on a free port of 127.0.0.1; stopped at the end of a ``with`` block."""

    def __init__(self, command: Callable[[int], Sequence[str]], ready: str = "/") -> None:
        self.port = free_port()
        self._command = command(self.port)
        self._ready = ready

    def __enter__(self) -> "Server":
        """Start, and wait until it answers."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with suppress(OSError, ValueError):
                fetch(self.port, [self._ready], 1)
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"{self._command[0]} did not start: {' '.join(self._command)}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def processor_seconds(self) -> float:
        """Return user and system time of the process so far."""
        return processor_seconds(self.process.pid)

    def peak_megabytes(self) -> float:
        """Return the largest resident size that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor_seconds(pid: int) -> float:
    """Return user and system time of a process so far; Linux has a clock for every process."""
    return time.clock_gettime(~pid << 3 | 2)


def installed() -> None:
    """Let Python keep what it compiles, as it is where pip has installed a program."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> None:
    """Wait until somebody listens on a port. Raises `SystemExit` if nobody does in time."""
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def fetch(port: int, paths: Iterable[str], expect: int | None = None) -> tuple[int, int]:
    """Ask for each path over one connection; return how many answers were 200, and the bytes of their bodies."""
    good = size = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path in paths:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode())
            status, length = _read_answer(connection)
            good += status == 200
            size += length
    if expect is not None and good < expect and paths != ["/"]:
        raise ValueError(f"{good} of {expect} answers were 200")
    return good, size


def _read_answer(connection: socket.socket) -> tuple[int, int]:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            raise OSError("the connection was closed")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), None)
    received = len(body)
    chunked = any(line.startswith(b"transfer-encoding:") for line in lines)
    tail = body[-5:]
    while (length is not None and received < length) or (chunked and not tail.endswith(b"0\r\n\r\n")):
        part = connection.recv(262_144)
        if not part:
            break
        received += len(part)
        tail = (tail + part)[-5:]
    return int(lines[0].split()[1]), received


def load(server: Server, paths: Sequence[str], connections: int = 4) -> float:
    """Ask for all paths over several connections; return the server's processor seconds for one answer."""
    before = server.processor_seconds()
    threads = [
        threading.Thread(target=fetch, args=(server.port, paths[number::connections])) for number in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (server.processor_seconds() - before) / len(paths)


def alternately(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Run several measurements in turn, so that all see the same machine; return each one's figures."""
    figures: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for measure, into in zip(measures, figures, strict=True):
            into.append(measure())
    return figures


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def machine() -> str:
    """Return what the figures were measured on: processor, versions."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    import pyvips

    libraries = ", ".join(f"{name} {version(name)}" for name in ("starlette", "uvicorn", "uvloop", "pillow", "pyvips"))
    libvips = ".".join(str(pyvips.version(part)) for part in range(3))
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, libvips {libvips}, {libraries}"


def microseconds(figures: Sequence[float]) -> str:
    """Return the median in microseconds."""
    return f"{statistics.median(figures) * 1e6:,.0f}"


PYTHON = sys.executable
