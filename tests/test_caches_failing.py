"""Caches that fail while an entry of theirs is read: pictures are made without them."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import Serve
from pictures import photograph
from PIL import Image
from serving import Server
from watching import install_plugin

from iiifkit.blob import Blob, FileBlob
from iiifkit.caches.disk import DiskCache
from iiifkit.caches.memory import MemoryCache
from iiifkit.caches.null import NullCache
from iiifkit.contracts import Cache, Location
from iiifkit.engines.pillow import PillowEngine
from iiifkit.errors import CacheError
from iiifkit.originals import Originals, ReadLimits

FAILING = """
    import threading
    from pathlib import Path
    from iiifkit import *
    from iiifkit.caches.disk import DiskCache, DiskOptions

    LOCK = threading.Lock()
    KINDS = {
        "cache": CacheError("It died."), "source": SourceError("It died."), "late": SourceTimeout("It died."),
        "changed": SourceChanged("It died."), "busy": Overloaded("It died."), "broken": BrokenImage("It died."),
        "system": OSError(5, "It died."),
    }

    class Dying(Blob):
        remote = True

        def __init__(self, blob, folder):
            self._blob, self._folder = blob, folder
            self.size, self.version, self.modified = blob.size, blob.version, blob.modified

        def read(self, offset, length):
            trouble = Path(self._folder, "trouble")
            with LOCK:
                kind, count = trouble.read_text().split() if trouble.exists() else ("", "1")
                if int(count) == 0:
                    raise KINDS[kind]
                if kind:
                    trouble.write_text(f"{kind} {int(count) - 1}")
            return self._blob.read(offset, length)

        def close(self):
            self._blob.close()

    class Cache(DiskCache):
        def __init__(self, options, environment):
            Path(options.path, f"patient {environment.patient}").touch()
            super().__init__(Path(options.path, "entries"))
            self._folder = options.path
            self.location = None

        def get(self, key, tag):
            kept = super().get(key, tag)
            return kept and Dying(kept, self._folder)

    class Source:
        location, revalidate = None, 0.001

        def __init__(self, options):
            self._folder = Path(options.path)

        def version(self, identifier):
            return "1"

        def open(self, identifier):
            try:
                return BytesBlob((self._folder / identifier).read_bytes(), "1")
            except OSError:
                raise ImageNotFound("There is no such image.") from None

        def identifiers(self):
            return ()

        def close(self):
            pass

    @hookimpl
    def iiifkit_sources():
        return {"Remote": Offer(lambda options, environment: Source(options), DiskOptions)}

    @hookimpl
    def iiifkit_caches():
        return {"Dying": Offer(Cache, DiskOptions)}
"""
KINDS = ("cache", "source", "late", "changed", "busy", "broken", "system")
TILES = [(x, y) for y in range(0, 768, 256) for x in range(0, 1280, 256)]


class Place:
    """A folder with a picture, and servers whose caches fail when they are told to."""

    def __init__(self, folder: Path, start: Serve) -> None:
        self._folder = folder
        self._start = start
        self._trouble = folder / "trouble"
        self._environment = install_plugin(folder / "plugins", "dying", FAILING)
        self._tiles = itertools.cycle(TILES)
        self.picture = photograph("rocket.jpg", 1500, 1000)
        Image.fromarray(self.picture).save(folder / "rocket.png")

    @property
    def config(self) -> dict[str, dict[str, object]]:
        caches: dict[str, object] = {"cache": {"name": "Dying", "path": str(self._folder)}}
        images = {"source": {"name": "Remote", "path": str(self._folder)}, **caches}
        return {"images": images, "derivatives": caches, "prepare": {"min_pixels": 1}}

    def start(self) -> Server:
        return self._start(None, self.config, **self._environment)

    def seed(self, folder: Path) -> None:
        file = self._folder / "seeding.json"
        file.write_text(json.dumps(self.config | {"derivatives": {"cache": {"name": "Disk", "path": str(folder)}}}))
        command = [sys.executable, "-m", "iiifkit.cli", "tile-seed", "--config", str(file), "rocket.png"]
        subprocess.run(command, env=os.environ | self._environment, check=True, timeout=60)

    def fail(self, kind: str, count: int) -> None:
        """Let the reads of entries fail after ``count`` more of them."""
        self._trouble.write_text(f"{kind} {count}")

    def mend(self) -> None:
        self._trouble.unlink()

    def check(self, server: Server) -> None:
        """Ask for a tile, another one each time, and compare it with the picture."""
        x, y = next(self._tiles)
        answer = server.get(f"/iiif/3/rocket.png/{x},{y},200,200/100,100/0/default.jpg")
        assert answer.status == 200, answer.body
        wanted = self.picture[y : y + 200, x : x + 200].reshape(100, 2, 100, 2, 3).mean((1, 3))
        assert np.abs(answer.pixels - wanted).mean() < 12
        answer = server.get(f"/iiif/3/rocket.png/{x},{y},256,256/256,256/0/default.jpg")
        assert answer.status == 200, answer.body
        assert (
            np.abs(answer.pixels - self.picture[y : y + 256, x : x + 256][: answer.size[1]].astype(float)).mean() < 12
        )


@pytest.fixture
def place(tmp_path: Path, start: Serve) -> Place:
    return Place(tmp_path, start)


def test_in_the_middle_of_serving(place: Place) -> None:
    server = place.start()
    for kind in KINDS:
        for count in range(3):
            place.check(server)
            place.fail(kind, count)
            place.check(server)
            place.mend()
    assert "Traceback" not in server.log
    assert "died" in server.log


@pytest.mark.parametrize("count", (0, 1, 2, 4))
def test_from_the_start(place: Place, count: int) -> None:
    """What an earlier server has kept is read while the next one gets to know the picture."""
    first = place.start()
    for _ in TILES:
        place.check(first)
    first.stop()
    place.fail("source", count)
    server = place.start()
    assert server.get("/iiif/3/rocket.png/info.json").status == 200
    for _ in TILES:
        place.check(server)
    assert "died" in server.log


@pytest.mark.parametrize("count", [3, 20])
def test_while_tiles_are_seeded(place: Place, tmp_path: Path, count: int) -> None:
    place.check(place.start())
    place.fail("source", count)
    place.seed(tmp_path / "seeded")
    assert len(list(tmp_path.glob("seeded/rocket.png/*/*/0/default.jpg"))) > 24
    assert [file.name for file in sorted(tmp_path.glob("patient*"))] == ["patient False", "patient True"]


def test_a_pyramid_that_is_no_tiff_any_more_is_built_again(place: Place, tmp_path: Path) -> None:
    place.check(place.start())
    (kept,) = (tmp_path / "entries" / "%pyramids").iterdir()
    status = kept.stat()
    kept.write_bytes(b"x" * status.st_size)
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    server = place.start()
    place.check(server)
    assert "prepared 'rocket.png'" in server.log


class Fetched:
    """A source that has images as files of its own."""

    location: Location | None = None
    revalidate = 60.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def version(self, identifier: str) -> str:
        with self.open(identifier) as blob:
            return blob.version

    def open(self, identifier: str) -> Blob:
        return FileBlob(self._folder / identifier)

    def identifiers(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        return


def test_what_takes_the_place_of_a_copy_says_where_it_is(tmp_path: Path) -> None:
    """The server reads on its event loop what lies in a file, and nothing else."""
    original = tmp_path / "rocket.jpg"
    Image.fromarray(photograph("rocket.jpg")).save(original)
    cache = DiskCache(tmp_path / "cache")
    originals = Originals(Fetched(tmp_path), cache, PillowEngine().probe, ReadLimits(frozenset({"jpg"}), {}), "")
    with originals.open(originals.look("rocket.jpg")) as blob:
        copy = blob.path
        assert copy is not None and copy.is_relative_to(tmp_path / "cache")
        os.truncate(copy, 10)
        assert blob.read_all() == original.read_bytes()
        assert blob.path == original


class Full(NullCache):
    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        raise CacheError("It is full.")


@pytest.mark.parametrize("kind", ["null", "small", "large", "disk", "full"])
def test_no_copy_of_an_image_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    Image.fromarray(photograph("rocket.jpg")).save(tmp_path / "rocket.jpg")
    caches: dict[str, Cache] = {
        "null": NullCache(),
        "small": MemoryCache(1000),
        "large": MemoryCache(10_000_000),
        "disk": DiskCache(tmp_path / "cache"),
        "full": Full(),
    }
    limits = ReadLimits(frozenset({"jpg"}), {"jpg": None})
    originals = Originals(Fetched(tmp_path), caches[kind], PillowEngine().probe, limits, "")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    known = originals.look("rocket.jpg")
    originals.open(known).close()
    assert (known.info.width, known.info.height) == (640, 427)
    assert (tmp_path / "rocket.jpg").exists()
    assert list(temporary.iterdir()) == []
