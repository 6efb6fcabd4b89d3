"""What happens to images and disks while the server works: replaced, truncated, deleted, forbidden, full."""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pictures
import pytest
from conftest import Serve
from PIL import Image
from serving import Answer, Server

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="a file system can be mounted by root only")
NOBODY = 65534
FORMATS = ("jpg", "png", "tif", "webp", "gif")
RED, BLUE = (200, 30, 30), (30, 30, 200)


def plain(
    color: tuple[int, int, int], format: str = "jpg", size: tuple[int, int] = (900, 600), **options: object
) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, color).save(target, pictures.PILLOW_NAMES[format], **options)
    return target.getvalue()


def replace(path: Path, data: bytes) -> None:
    """Put a new file in the place of the old one, as careful programs do."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)


def color_of(answer: Answer) -> str:
    """``red``, ``blue``, or ``mixed`` if not all of the picture is one of them."""
    pixels = pictures.decoded(answer.body).astype(int)
    red, blue = pixels[..., 0] > pixels[..., 2] + 50, pixels[..., 2] > pixels[..., 0] + 50
    return "red" if red.all() else "blue" if blue.all() else "mixed"


@contextmanager
def load(server: Server, paths: list[str], clients: int = 4) -> Iterator[list[Answer]]:
    """Ask for paths over and over until the end of the block; the answers are in the list then."""
    answers: list[Answer] = []
    ended = threading.Event()

    def ask(first: int) -> None:
        number = first
        while not ended.is_set():
            answers.append(server.get(paths[number % len(paths)]))
            number += 1

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask, number) for number in range(clients)]
        try:
            yield answers
        finally:
            ended.set()
        for one in asking:
            one.result()


def fresh_paths(name: str, count: int = 400) -> list[str]:
    return [f"/iiif/3/{name}/full/{width},/0/default.png" for width in range(10, 10 + count)]


@pytest.mark.parametrize("format", FORMATS)
def test_the_very_next_request_after_a_replacement_shows_the_new_picture(
    start: Serve, tmp_path: Path, format: str
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / f"picture.{format}"
    path.write_bytes(plain(RED, format))
    server = start(folder)
    base = f"/iiif/3/{path.name}"
    tags = set()
    for number in range(10):
        color, size = ((RED, (900, 600)), (BLUE, (800, 500)))[number % 2]
        replace(path, plain(color, format, size))
        picture = server.get(f"{base}/full/90,/0/default.png")
        assert color_of(picture) == ("red", "blue")[number % 2]
        again = server.get(f"{base}/full/90,/0/default.png", If_None_Match=picture.header("ETag"))
        assert again.status == 304
        information = server.get(f"{base}/info.json")
        assert (information.json["width"], information.json["height"]) == size
        tags |= {picture.header("ETag"), information.header("ETag")}
        stale = server.get(f"{base}/full/90,/0/default.png", If_None_Match='"of another picture"')
        assert stale.status == 200
    assert len(tags) == 20


@pytest.mark.parametrize("format", FORMATS)
def test_replacing_a_file_under_load_gives_the_old_or_the_new_picture(
    start: Serve, tmp_path: Path, format: str
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / f"picture.{format}"
    versions = [plain(RED, format), plain(BLUE, format)]
    path.write_bytes(versions[0])
    server = start(folder)
    with load(server, fresh_paths(path.name)) as answers:
        for number in range(1, 24):
            replace(path, versions[number % 2])
            time.sleep(0.1)
    assert {answer.status for answer in answers} <= {200, 503}
    assert {color_of(answer) for answer in answers if answer.status == 200} == {"red", "blue"}
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) <= max(1, len(answers) / 10), "twice replaced between a look and an opening: that is rare"
    assert all(answer.header("Retry-After") for answer in refused)
    assert server.alive
    assert "Traceback" not in server.log


@pytest.mark.parametrize("format", FORMATS)
def test_writing_over_a_file_under_load_never_mixes_two_pictures(start: Serve, tmp_path: Path, format: str) -> None:
    """In place, as ``cp`` does: for a moment the file is empty, then it is torn."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / f"picture.{format}"
    options = {"tif": {"compression": None}, "png": {"compress_level": 0}}.get(format, {})
    versions = [plain(color, format, (1200, 900), **options) for color in (RED, BLUE)]
    path.write_bytes(versions[0])
    server = start(folder)
    with load(server, fresh_paths(path.name)) as answers:
        for number in range(1, 30):
            with path.open("r+b") as file:
                file.truncate(0 if number % 3 else len(versions[0]) // 2)
                for at in range(0, len(versions[0]), 1 << 18):
                    file.write(versions[number % 2][at : at + (1 << 18)])
                    file.flush()
            time.sleep(0.02)
    assert {answer.status for answer in answers} <= {200, 415, 422, 503}
    assert {color_of(answer) for answer in answers if answer.status == 200} <= {"red", "blue"}
    assert any(answer.status == 200 for answer in answers)
    assert all(answer.sentence.endswith(".") for answer in answers if answer.status != 200)
    path.write_bytes(versions[0])
    assert color_of(server.get(f"/iiif/3/{path.name}/full/90,/0/default.png")) == "red"
    assert "Traceback" not in server.log


@pytest.mark.parametrize("format", FORMATS)
def test_truncating_a_file_in_mid_render_is_an_error_and_not_the_end(start: Serve, tmp_path: Path, format: str) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / f"picture.{format}"
    noise = np.random.default_rng(2).integers(0, 255, (2500, 2500, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(noise if format != "gif" else noise[:900, :900]).save(target, pictures.PILLOW_NAMES[format])
    server = start(folder, {"prepare": {"enabled": False}})
    for delay in (0.0, 0.01, 0.03, 0.1, 0.2):
        path.write_bytes(target.getvalue())
        answers: list[Answer] = []
        asking = threading.Thread(
            target=lambda: answers.append(server.get(f"/iiif/3/{path.name}/full/301,/7/default.jpg"))  # noqa: B023
        )
        asking.start()
        time.sleep(delay)
        os.truncate(path, 1000)
        asking.join()
        assert answers[0].status in (200, 415, 422, 503), answers[0].text
        if answers[0].status == 200:
            assert answers[0].size[0] >= 301
    assert server.get(f"/iiif/3/{path.name}/full/302,/0/default.jpg").status in (415, 422)
    assert server.alive
    assert "Traceback" not in server.log


def test_a_deleted_image_is_404_under_every_address_and_comes_back(start: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / "picture.jpg"
    path.write_bytes(plain(RED))
    server = start(folder)
    addresses = [f"/iiif/3/{path.name}{rest}" for rest in ("", "/info.json", "/full/90,/0/default.jpg")]
    assert [server.get(address).status for address in addresses] == [303, 200, 200]
    tag = server.get(addresses[2]).header("ETag")
    path.unlink()
    assert [server.get(address).status for address in addresses] == [404, 404, 404]
    assert server.get(addresses[2], If_None_Match=tag).status == 404
    path.write_bytes(plain(BLUE))
    assert [server.get(address).status for address in addresses] == [303, 200, 200]
    assert color_of(server.get(addresses[2])) == "blue"


def test_deleting_a_file_under_load_gives_the_picture_or_404(start: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / "picture.png"
    server = start(folder)
    with load(server, fresh_paths(path.name)) as answers:
        for _ in range(30):
            path.write_bytes(plain(RED, "png"))
            time.sleep(0.02)
            path.unlink()
    assert {answer.status for answer in answers} <= {200, 404, 415, 422, 503}
    assert {200, 404} <= {answer.status for answer in answers}
    assert {color_of(answer) for answer in answers if answer.status == 200} == {"red"}
    assert "Traceback" not in server.log


@pytest.fixture
def start_as_nobody(tmp_path: Path) -> Iterator[Serve]:
    """Like ``start``, but the server is not root, whom file modes do not hold back."""
    servers: list[Server] = []
    home = Path(tempfile.gettempdir()) / f"iiifkit-test-{os.getpid()}-{time.monotonic_ns()}"

    def running(folder: Path, config: "dict[str, object] | None" = None) -> Server:
        for place in (home, folder):
            place.mkdir(parents=True, exist_ok=True)
            shutil.chown(place, NOBODY, NOBODY)
        servers.append(AsNobody(home / f"server-{len(servers)}", folder, config))
        return servers[-1]

    yield running
    for server in servers:
        server.stop()
    shutil.rmtree(home, ignore_errors=True)


class AsNobody(Server):
    """A server that another user runs."""

    def __init__(self, home: Path, folder: Path, config: "dict[str, object] | None") -> None:
        home.mkdir(parents=True)
        shutil.chown(home, NOBODY, NOBODY)
        real = subprocess.Popen

        def dropped(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
            prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if AS_ROOT else []
            return real([*prefix, *command], **options)  # type: ignore[call-overload, no-any-return]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("serving.subprocess.Popen", dropped)
            super().__init__(home, folder, config)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is for its user alone."""
    folder = Path(tempfile.gettempdir()) / f"iiifkit-pictures-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_an_image_that_may_not_be_read_is_a_clear_error(start_as_nobody: Serve, open_folder: Path) -> None:
    path = open_folder / "picture.jpg"
    path.write_bytes(plain(RED))
    server = start_as_nobody(open_folder)
    address = f"/iiif/3/{path.name}/full/90,/0/default.jpg"
    assert server.get(address).status == 200
    path.chmod(0)
    refused = server.get(f"/iiif/3/{path.name}/full/91,/0/default.jpg")
    assert refused.status == 502
    assert "may not be read" in refused.sentence
    assert str(open_folder) not in refused.text
    replace(path, plain(BLUE))
    path.chmod(0)
    assert server.get(address).status == 502
    path.chmod(0o644)
    assert color_of(server.get(address)) == "blue"
    open_folder.chmod(0)
    try:
        assert server.get(f"/iiif/3/{path.name}/full/92,/0/default.jpg").status in (404, 502)
    finally:
        open_folder.chmod(0o755)
    assert "Traceback" not in server.log


def disk_config(folder: Path, **more: object) -> dict[str, object]:
    return {"derivatives": {"cache": {"name": "Disk", "path": str(folder), **more}}}


def entries_in(tiles: Path) -> list[Path]:
    """The pictures that the tree shows, without what the cache keeps to itself."""
    return [
        path
        for path in tiles.rglob("default.*")
        if not any(part.startswith(".") for part in path.relative_to(tiles).parts)
    ]


def is_whole_png(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.read_bytes()[-8:-4] == b"IEND"
    return True


def warnings_in(server: Server) -> list[str]:
    return [line for line in server.log.splitlines() if "WARNING" in line]


def test_a_read_only_cache_costs_a_warning_and_no_answer(start_as_nobody: Serve, open_folder: Path) -> None:
    (open_folder / "pictures").mkdir()
    (open_folder / "pictures" / "picture.jpg").write_bytes(plain(RED))
    tiles = open_folder / "tiles"
    tiles.mkdir(mode=0o555)
    server = start_as_nobody(open_folder / "pictures", disk_config(tiles))
    for width in range(50, 90):
        assert server.get(f"/iiif/3/picture.jpg/full/{width},/0/default.jpg").status == 200
    assert list(tiles.iterdir()) == []
    assert "cannot be written" in server.log
    assert 1 <= len(warnings_in(server)) <= 5, server.log


def test_a_cache_that_becomes_read_only_costs_no_answer(start_as_nobody: Serve, open_folder: Path) -> None:
    (open_folder / "pictures").mkdir()
    (open_folder / "pictures" / "picture.jpg").write_bytes(plain(RED))
    tiles = open_folder / "tiles"
    tiles.mkdir()
    shutil.chown(tiles, NOBODY, NOBODY)
    server = start_as_nobody(open_folder / "pictures", disk_config(tiles))
    address = "/iiif/3/picture.jpg/full/50,/0/default.jpg"
    kept = server.get(address).body
    subprocess.run(["chmod", "-R", "a-w", str(tiles)], check=True)
    assert server.get(address).body == kept
    for width in range(51, 91):
        assert server.get(f"/iiif/3/picture.jpg/full/{width},/0/default.jpg").status == 200
    assert 1 <= len(warnings_in(server)) <= 5, server.log
    subprocess.run(["chmod", "-R", "u+w", str(tiles)], check=True)


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux")
def test_a_full_cache_costs_a_warning_and_no_answer(start: Serve, tmp_path: Path) -> None:
    folder, tiles = tmp_path / "pictures", tmp_path / "tiles"
    folder.mkdir()
    tiles.mkdir()
    noise = np.random.default_rng(3).integers(0, 255, (600, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tiles)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        server = start(folder, disk_config(tiles))
        for width in range(100, 160):
            answer = server.get(f"/iiif/3/noise.png/full/{width},/0/default.png")
            assert answer.status == 200
            assert answer.size[0] == width
        assert entries_in(tiles)
        assert all(is_whole_png(path) for path in entries_in(tiles)), "a torn entry is visible"
        assert not [path for path in tiles.rglob("*") if path.is_file() and "temporary" in path.parts]
        assert "full" in server.log
        assert 1 <= len(warnings_in(server)) <= 5, server.log
        server.stop()
    finally:
        subprocess.run(["umount", "-l", str(tiles)], check=False)


def test_a_torn_entry_is_a_miss(start: Serve, tmp_path: Path) -> None:
    folder, tiles = tmp_path / "pictures", tmp_path / "tiles"
    folder.mkdir()
    (folder / "picture.jpg").write_bytes(plain(RED))
    server = start(folder, disk_config(tiles))
    address = "/iiif/3/picture.jpg/full/90,/0/default.jpg"
    whole = server.get(address).body
    entries = entries_in(tiles)
    assert len(entries) == 1
    for size in (0, 1, len(whole) // 2):
        os.truncate(entries[0], size)
        assert server.get(address).body == whole
    entries[0].unlink()
    entries[0].mkdir()
    assert server.get(address).body == whole
    assert server.alive


def test_entries_appear_whole_or_not_at_all(start: Serve, tmp_path: Path) -> None:
    folder, tiles = tmp_path / "pictures", tmp_path / "tiles"
    folder.mkdir()
    noise = np.random.default_rng(3).integers(0, 255, (1000, 1000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    server = start(folder, disk_config(tiles))
    torn = []
    ended = threading.Event()

    looks = 0

    def look() -> None:
        nonlocal looks
        while not ended.is_set():
            entries = entries_in(tiles)
            torn.extend(path for path in entries if not is_whole_png(path))
            looks += len(entries)

    looking = threading.Thread(target=look)
    looking.start()
    with load(server, [f"/iiif/3/noise.png/full/{width},/0/default.png" for width in range(900, 940)]) as answers:
        time.sleep(2)
    ended.set()
    looking.join()
    assert answers
    assert looks > 40
    assert not torn


@pytest.mark.parametrize("format", ["png", "tif"])
def test_a_pyramid_is_of_one_picture_whatever_happens_while_it_is_built(
    start: Serve, tmp_path: Path, format: str
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / f"picture.{format}"
    options = {"tif": {"compression": None}, "png": {"compress_level": 0}}[format]
    versions = [plain(color, format, (3000, 3000), **options) for color in (RED, BLUE)]
    server = start(folder, {"prepare": {"min_pixels": 1_000_000}})
    tile = f"/iiif/3/{path.name}/0,0,1024,1024/256,256/0/default.jpg"
    for number in range(6):
        path.write_bytes(versions[number % 2])
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(server.get(tile)))  # noqa: B023
        asking.start()
        time.sleep(0.02 * number)
        with path.open("r+b") as file:
            file.write(versions[(number + 1) % 2])
        asking.join()
        assert answers[0].status in (200, 422, 503)
        expected = ("blue", "red")[number % 2]
        for corner in ("0,0,1024,1024", "1024,1024,1024,1024"):
            answer = server.get(f"/iiif/3/{path.name}/{corner}/256,256/0/default.jpg")
            assert color_of(answer) == expected
    assert "Traceback" not in server.log
