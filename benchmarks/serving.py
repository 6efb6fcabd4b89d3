"""How fast iiifkit serves, as ratios to what the same machine can do at the same time.

Run ``python benchmarks/serving.py``; ``--short`` only sees that it works. iipsrv (Debian's iipimage-server,
behind nginx) is measured where it is installed. Processor time is what the server's own process spends on one answer,
so that the load generator and other work on the machine do not count.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from measuring import (
    PYTHON,
    Server,
    alternately,
    fetch,
    free_port,
    installed,
    listens,
    load,
    machine,
    microseconds,
    ratio,
)
from pictures import mosaic, photograph, pyramid, tile_paths

IIPSRV = Path("/usr/lib/iipimage-server/iipsrv.fcgi")
ROOT = "/iiif/3/"


@contextmanager
def iiifkit(folder: Path, work: Path, **config: object) -> Iterator[Server]:
    """Serve a folder with iiifkit, without an access log."""
    path = work / f"config-{time.monotonic_ns()}.json"
    images = {"cache": {"name": "Disk", "path": str(work / "images")}}
    path.write_text(json.dumps({"server": {"access_log": False}, "images": images, **config}))
    command = [PYTHON, "-m", "iiifkit", "serve", str(folder), "--config", str(path), "--host", "127.0.0.1"]
    with Server(lambda port: [*command, "--port", str(port)], "/healthz") as server:
        yield server


@contextmanager
def iipsrv(folder: Path, work: Path) -> Iterator[Server]:
    """Serve a folder with iipsrv behind nginx; the processor time is iipsrv's alone, the port is nginx'.

    iipsrv serves one connection at a time, so nginx opens one for each request.
    """
    behind = free_port()
    settings = [f"FILESYSTEM_PREFIX={folder}/", "URI_MAP=iiif=>IIIF", "JPEG_QUALITY=80", "MAX_IMAGE_CACHE_SIZE=0"]
    logs = [f"LOGFILE={work}/iipsrv.log", "VERBOSITY=0"]
    process = subprocess.Popen(["env", *settings, *logs, str(IIPSRV), "--bind", f"127.0.0.1:{behind}"])
    names = ["QUERY_STRING", "REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL", "SERVER_NAME", "SERVER_PORT"]
    parameters = " ".join(f"fastcgi_param {name} ${name.lower()};" for name in (*names, "HTTP_HOST"))

    def command(port: int) -> list[str]:
        (work / "nginx.conf").write_text(
            f"daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log; events {{}} http {{ access_log off; server "
            f"{{ listen 127.0.0.1:{port}; keepalive_requests 1000000; location / {{ {parameters} "
            f"fastcgi_pass 127.0.0.1:{behind}; }} }} }}"
        )
        return ["nginx", "-c", str(work / "nginx.conf"), "-e", f"{work}/nginx.log"]

    try:
        listens(behind)
        with Server(command) as nginx:
            answering = Server(lambda _: [])
            answering.process, answering.port = process, nginx.port
            yield answering
    finally:
        process.kill()
        process.wait()


def cached(work: Path, rounds: int, requests: int) -> Iterator[str]:
    """Compare a memory-cached and a disk-cached derivative with a bare handler returning the same bytes."""
    folder = work / "cached"
    folder.mkdir()
    photograph(folder / "photo.jpg", 1024, 1024)
    path = f"{ROOT}photo.jpg/0,0,512,512/400,400/0/default.jpg"
    paths = [path] * requests
    disk = {"cache": {"name": "Disk", "path": str(work / "derivatives")}}
    with iiifkit(folder, work) as memory, iiifkit(folder, work, derivatives=disk) as on_disk:
        body = work / "body.jpg"
        body.write_bytes(_body(memory.port, path))
        fetch(on_disk.port, [path] * 3)
        with Server(lambda port: [PYTHON, str(Path(__file__).with_name("bare.py")), str(port), str(body)]) as bare:
            fetch(bare.port, [path] * 100)
            ours, disks, theirs = alternately(
                rounds, lambda: load(memory, paths), lambda: load(on_disk, paths), lambda: load(bare, paths)
            )
    size = body.stat().st_size
    yield row(f"bare Starlette handler, {size:,} bytes", theirs, 1.0)
    yield row("derivative from the memory cache", ours, 1 / ratio(ours, theirs), "aim 0.8")
    yield row("derivative from the disk cache", disks, 1 / ratio(disks, theirs), "aim 0.6")


def thumbnail(work: Path, rounds: int) -> Iterator[str]:
    """Compare a cold ``!400,400`` of a 16-megapixel JPEG with pyvips doing it by hand."""
    folder = work / "thumbnail"
    folder.mkdir()
    original = photograph(folder / "photo.jpg", 4096, 4096)
    from fractions import Fraction

    import pyvips

    from iiifkit.blob import FileBlob
    from iiifkit.engines.vips import VipsEngine
    from iiifkit.image_api.plan import Box, Plan

    engine = VipsEngine()
    plan = Plan(Box(0, 0, 4096, 4096), 400, 400, False, Fraction(0), "color", "jpg")

    def by_hand() -> float:
        started = time.process_time()
        pyvips.Image.thumbnail_buffer(original.read_bytes(), 400, height=400).jpegsave_buffer(Q=80, keep="none")
        return time.process_time() - started

    def ours() -> float:
        started = time.process_time()
        with FileBlob(original) as blob:
            info = engine.probe(blob, "jpg")
            engine.encode(engine.transform(blob, info, plan), plan)
        return time.process_time() - started

    mine, theirs = alternately(max(rounds, 3), ours, by_hand)
    yield row("cold !400,400 of 16 megapixels by hand", theirs, 1.0)
    yield row("the same through iiifkit's engine", mine, ratio(mine, theirs), "aim at most 1.15")


def tiles(work: Path, rounds: int, requests: int) -> Iterator[str]:
    """Compare tiles of a pyramidal TIFF, without a derivative cache, with iipsrv and with a bare handler."""
    folder = work / "tiles"
    folder.mkdir()
    original = photograph(work / "sixteen.jpg", 4096, 4096)
    pyramid(folder / "pyramid.tif", original)
    stored = tile_paths("pyramid.tif", 4096, 4096, 256, [1, 2, 4, 8])
    merged = tile_paths("pyramid.tif", 4096, 4096, 512, [1, 2, 4])
    mix = (
        [f"{name}" for name in stored[::7]] * 8
        + ["pyramid.tif/info.json"] * 38
        + ["pyramid.tif/full/!400,400/0/default.jpg"] * 38
    )
    null = {"cache": {"name": "Null"}}
    kinds = [("stored tiles of 256", stored), ("tiles of 512 from 256", merged), ("a visitors' mix", mix)]
    with iiifkit(folder, work, derivatives=null) as ours:
        body = work / "tile.jpg"
        body.write_bytes(_body(ours.port, ROOT + stored[100]))
        with Server(lambda port: [PYTHON, str(Path(__file__).with_name("bare.py")), str(port), str(body)]) as bare:
            for name, paths in kinds:
                many = (paths * (requests // len(paths) + 1))[:requests]
                yield from _tiles(name, many, ours, bare, folder, work, rounds)


def _tiles(
    name: str, paths: list[str], ours: Server, bare: Server, folder: Path, work: Path, rounds: int
) -> Iterator[str]:
    mine, theirs = [ROOT + path for path in paths], ["/iiif/" + path for path in paths]
    fetch(ours.port, mine[:50])
    figures, handler = alternately(rounds, lambda: load(ours, mine), lambda: load(bare, mine))
    yield row(f"{name}: iiifkit", figures, 1 / ratio(figures, handler), "of a bare handler")
    if not IIPSRV.exists() or not shutil.which("nginx"):
        return
    with iipsrv(folder, work) as peer:
        fetch(peer.port, theirs[:20], 20)
        again, peers = alternately(rounds, lambda: load(ours, mine), lambda: load(peer, theirs))
        yield row(f"{name}: iipsrv 1.1, without nginx' own time", peers, ratio(peers, again), "times iiifkit's time")


def opening(work: Path, rounds: int) -> Iterator[str]:
    """Open a viewer on a plain 16-megapixel JPEG that was never seen, then once more."""
    import pyvips

    original = photograph(work / "sixteen.jpg", 4096, 4096)
    firsts, seconds, decodes = [], [], []
    for number in range(rounds):
        folder = work / f"opening-{number}"
        folder.mkdir()
        shutil.copy(original, folder / "photo.jpg")
        coarse = tile_paths("photo.jpg", 4096, 4096, 256, [8, 4])
        view = ["photo.jpg/info.json", *coarse, *tile_paths("photo.jpg", 4096, 4096, 256, [1])[:20]]
        with iiifkit(folder, work, images={"cache": {"name": "Disk", "path": str(work / f"cache-{number}")}}) as server:
            for into in (firsts, seconds):
                started = time.perf_counter()
                fetch(server.port, [ROOT + view[0]], 1)
                with ThreadPoolExecutor(6) as six:
                    list(six.map(lambda path: fetch(server.port, [ROOT + path], 1), view[1:]))
                into.append(time.perf_counter() - started)
        started = time.perf_counter()
        pyvips.Image.new_from_file(str(original), access="sequential").avg()
        decodes.append(time.perf_counter() - started)
    yield row("one decode of a 16-megapixel JPEG (wall)", decodes, 1.0)
    yield row("first visitor: info.json and 101 tiles (wall)", firsts, ratio(firsts, decodes), "aim at most 3")
    yield row("second visitor (wall)", seconds, ratio(seconds, firsts), "of the first; aim at most 0.1")


def large(work: Path, megapixels: int) -> Iterator[str]:
    """Serve tiles of a very large picture, as JPEG and as tiled TIFF, and tell the most memory that it took."""
    folder = work / "large"
    folder.mkdir()
    side = int((megapixels * 1e6) ** 0.5)
    photo = photograph(work / "photograph.jpg", 2048, 2048)
    limits = {"deadline": 600}
    for name in ("large.jpg", "large.tif"):
        mosaic(folder / name, side, photo)
        paths = tile_paths(name, side, side, 256, [1, 8, 64])
        with iiifkit(folder, work, limits=limits) as server:
            started = time.perf_counter()
            fetch(server.port, [ROOT + paths[0]], 1)
            first = time.perf_counter() - started
            fetch(server.port, [ROOT + path for path in paths[:: max(1, len(paths) // 500)]])
            yield (
                f"| {megapixels} megapixels as {name[-3:]}: the first tile (wall) | {first * 1e6:,.0f} | at most "
                f"{server.peak_megabytes():,.0f} MB of memory; aim 600 |"
            )
        (folder / name).unlink()


def row(name: str, figures: list[float], ratio_: float, note: str = "") -> str:
    """Return a row of the table."""
    spread = f"{min(figures) * 1e6:,.0f} to {max(figures) * 1e6:,.0f}"
    return f"| {name} | {microseconds(figures)} ({spread}) | {ratio_:.2f} {note} |"


def _body(port: int, path: str) -> bytes:
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        data: bytes = answer.read()
        return data


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only see that it works")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["cached", "thumbnail", "tiles", "opening", "large"])
    chosen = parser.parse_args(arguments)
    installed()
    rounds, requests = (1, 300) if chosen.short else (chosen.rounds, 6000)
    print(f"{machine()}. Medians of {rounds} rounds, each round in turn.\n")
    print("| what | microseconds of processor time an answer (least to most) | ratio |\n|---|---|---|")
    parts = {
        "cached": lambda work: cached(work, rounds, requests),
        "thumbnail": lambda work: thumbnail(work, rounds),
        "tiles": lambda work: tiles(work, rounds, requests // 3),
        "opening": lambda work: opening(work, min(rounds, 5)),
        "large": lambda work: large(work, 4 if chosen.short else 1000),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="iiifkit-benchmark-") as folder:
                for line in part(Path(folder)):
                    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
