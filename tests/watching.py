"""What the tests of robustness share: slow pictures, plugins that misbehave, and a look at a server from outside."""

import os
import re
import socket
import struct
import textwrap
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image
from serving import Server

MEGABYTE = 1_000_000


def black_png(width: int, height: int, bands: int = 1) -> bytes:
    """A black PNG of any size, made in no time: it is small, but takes a decoder its time and its memory."""
    rest = height * (width * bands + 1)
    block = bytes(1 << 20)
    packed_block = _deflated(block)
    packed, checksum = [b"\x78\x01"], 1
    while rest:
        length = min(rest, len(block))
        piece = block[:length]
        packed.append(packed_block if length == len(block) else _deflated(piece))
        checksum = zlib.adler32(piece, checksum)
        rest -= length
    data = b"".join((*packed, b"\x03\x00", struct.pack(">I", checksum)))
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[bands], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


def make_slow_pictures(folder: Path) -> Path:
    """``slow.png`` takes seconds to render, but a sixth of one on a machine that does nothing else.

    ``noise.png`` has megabytes as PNG, ``small.jpg`` is quick.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slow.png").write_bytes(black_png(30_000, 30_000))
    noise = np.random.default_rng(1).integers(0, 255, (2000, 2000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png", compress_level=1)
    Image.fromarray(noise[:100, :150]).save(folder / "small.jpg")
    return folder


def install_plugin(folder: Path, name: str, code: str) -> dict[str, str]:
    """Lay a plugin's distribution into a folder, as pip would; return the environment that finds it there."""
    module = name.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(textwrap.dedent(code))
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[iiifkit]\n{module} = {module}\n")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{before}" if before else str(folder)}


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that must happen in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def _status(pid: int, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found
    return int(found[1])


def memory(server: Server, peak: bool = False) -> int:
    """The bytes of memory that a server's process holds, or held at most."""
    return _status(server.process.pid, "VmHWM" if peak else "VmRSS") * 1024


def threads(server: Server) -> int:
    return _status(server.process.pid, "Threads")


def descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def holds(server: Server, connection: socket.socket) -> bool:
    """Whether a server's process has its end of a client's connection open (over IPv4)."""
    ends = [f":{port:04X}" for port in (server.port, connection.getsockname()[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *rest = line.split()
        if local.endswith(ends[0]) and remote.endswith(ends[1]):
            return f"socket:[{rest[6]}]" in _opened(server)
    return False


def _opened(server: Server) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed since
            found.add(str(descriptor.readlink()))
    return found


def processor_seconds(server: Server) -> float:
    """How long processors have worked for a server's process."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if re.search(rf"^PPid:\s+{pid}$", text, re.M) and lives(int(status.parent.name)):
            found.append(int(status.parent.name))
    return found


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked for its result does not."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return not re.search(r"^State:\s+[ZX]", text, re.M)


def metric(server: Server, name: str) -> int:
    """A number from /metrics, such as ``renders_running`` or ``requests_total{status="2xx"}``."""
    found = re.search(rf"^iiifkit_{re.escape(name)} (\d+)", server.get("/metrics").text, re.M)
    assert found, name
    return int(found[1])
