"""Files that are truncated, forged, enormous on paper, or no files at all: a clear answer, bounded memory, no end."""

import io
import os
import random
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pictures
import pytest
from conftest import Serve
from PIL import Image
from serving import Answer, Server
from watching import black_png, memory, threads, wait_until

FORMATS = ("jpg", "png", "tif", "webp", "gif", "avif", "jp2")
PARAMETERS = ("full/50,/0/default.jpg", "0,0,20,20/max/0/default.png", "full/max/90/gray.jpg")
CLEAR = {200, 400, 404, 415, 422}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "pictures"


@pytest.fixture(scope="module")
def hostile(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder.mkdir()
    config = {"limits": {"deadline": 20, "memory": 512}, "prepare": {"min_pixels": 1_000_000}}
    with Server(tmp_path_factory.mktemp("server"), folder, config) as server:
        yield server


def look_at(server: Server, name: str) -> list[Answer]:
    """Ask for all that can be asked of an image; whatever it is, the server says so within a few seconds."""
    started = time.monotonic()
    answers = [server.get(f"/iiif/3/{name}/{rest}", timeout=30) for rest in ("info.json", *PARAMETERS)]
    assert time.monotonic() - started < 20
    for answer in answers:
        assert answer.status in CLEAR, (name, answer.status, answer.text)
        if answer.status != 200:
            assert answer.sentence.endswith(".")
            assert "\n" not in answer.sentence
            assert answer.header("Access-Control-Allow-Origin") == "*"
            assert not any(word in answer.text for word in ("Traceback", "/tmp", "vips", "Pillow", "PIL", "Error"))
    assert server.alive
    return answers


def encoded(format: str) -> bytes:
    return pictures.encoded(pictures.photograph("coffee.png", 120, 80), format)


@pytest.mark.parametrize("format", FORMATS)
def test_truncated_files_are_errors_and_never_half_pictures(hostile: Server, folder: Path, format: str) -> None:
    data = encoded(format)
    for part in (0, 1, 3, 8, 12, 20, 32, 64, 100, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 100):
        name = f"truncated-{part}.{format}"
        (folder / name).write_bytes(data[:part])
        information, whole, corner, turned = look_at(hostile, name)
        assert 200 not in (whole.status, turned.status), part
        if corner.status == 200:  # its rows may all be there
            expected = pictures.photograph("coffee.png", 120, 80)[:20, :20]
            assert np.abs(corner.pixels.astype(int) - expected).mean() < 6
        if part < 3:
            assert information.status == 415
    assert "Traceback" not in hostile.log


@pytest.mark.parametrize("format", FORMATS)
def test_random_bytes_after_a_valid_beginning(hostile: Server, folder: Path, format: str) -> None:
    data = encoded(format)
    chance = random.Random(format)
    for number in range(4):
        keep = (16, 32, 200, len(data) // 2)[number]
        name = f"random-{number}.{format}"
        (folder / name).write_bytes(data[:keep] + chance.randbytes(20_000))
        look_at(hostile, name)
    assert "Traceback" not in hostile.log


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_files_with_some_bytes_changed(hostile: Server, folder: Path, format: str) -> None:
    data = encoded(format)
    chance = random.Random(format)
    for number in range(60):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(min(len(data), 600 if number % 2 else len(data)))] = chance.randrange(256)
        name = f"changed-{number}.{format}"
        (folder / name).write_bytes(changed)
        look_at(hostile, name)
    assert "Traceback" not in hostile.log


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_claiming(width: int, height: int, interlaced: bool = False) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, int(interlaced))
    data = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif_claiming(width: int, height: int) -> bytes:
    data = bytearray(pictures.encoded(np.zeros((4, 4, 3), np.uint8), "gif"))
    data[6:10] = struct.pack("<HH", width, height)
    at = data.index(b",")
    data[at + 5 : at + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def tiff_claiming(width: int, height: int, compression: int = 8, tile: int | None = None) -> bytes:
    """One strip, or one tile, for all of the picture, and hardly any data in it."""
    data = zlib.compress(bytes(1_000_000), 9)
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1), (277, 3, 1)]
    if tile is None:
        tags += [(273, 4, 0), (278, 4, height), (279, 4, len(data))]
    else:
        tags += [(322, 4, tile), (323, 4, tile), (324, 4, 0), (325, 4, len(data))]
    tags.sort()
    offset = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, offset if tag in (273, 324) else value) for tag, kind, value in tags
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def webp_claiming(width: int, height: int) -> bytes:
    data = bytearray(pictures.encoded(np.zeros((16, 16, 3), np.uint8), "webp", lossless=True))
    at = data.index(b"VP8L") + 9
    data[at : at + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(data)


def jpeg_claiming(width: int, height: int, progressive: bool = False) -> bytes:
    data = bytearray(pictures.encoded(np.zeros((16, 16, 3), np.uint8), "jpg", progressive=progressive))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def jp2_claiming(width: int, height: int, one_tile: bool = True) -> bytes:
    data = bytearray(pictures.encoded(np.zeros((16, 16, 3), np.uint8), "jp2"))
    size = data.index(b"\xff\x51") + 6
    data[size : size + 8] = struct.pack(">II", width, height)
    if one_tile:
        data[size + 16 : size + 24] = struct.pack(">II", width, height)
    header = data.index(b"ihdr") + 4
    data[header : header + 8] = struct.pack(">II", height, width)
    return bytes(data)


def avif_claiming(width: int, height: int) -> bytes:
    data = bytearray(pictures.encoded(np.zeros((16, 16, 3), np.uint8), "avif"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", width, height)
    return bytes(data)


BOMBS = {
    "huge.png": png_claiming(2**31 - 1, 2**31 - 1),
    "large.png": png_claiming(60_000, 60_000),
    "allowed.png": png_claiming(30_000, 30_000),
    "interlaced.png": png_claiming(30_000, 30_000, interlaced=True),
    "flat.png": png_claiming(900_000_000, 1),
    "tall.png": png_claiming(1, 900_000_000),
    "huge.gif": gif_claiming(65_535, 65_535),
    "allowed.gif": gif_claiming(10_900, 10_900),
    "huge.tif": tiff_claiming(2**32 - 1, 2**32 - 1),
    "allowed.tif": tiff_claiming(31_000, 31_000),
    "tile.tif": tiff_claiming(31_000, 31_000, tile=31_008),
    "flat.tif": tiff_claiming(900_000_000, 1),
    "raw.tif": tiff_claiming(31_000, 31_000, compression=1),
    "fax.tif": tiff_claiming(31_000, 31_000, compression=4),
    "huge.webp": webp_claiming(16_383, 16_383),
    "allowed.webp": webp_claiming(10_900, 10_900),
    "huge.jpg": jpeg_claiming(65_535, 65_535),
    "allowed.jpg": jpeg_claiming(31_000, 31_000),
    "progressive.jpg": jpeg_claiming(31_000, 31_000, progressive=True),
    "huge.jp2": jp2_claiming(2**32 - 1, 2**32 - 1),
    "allowed.jp2": jp2_claiming(31_000, 31_000),
    "tiles.jp2": jp2_claiming(31_000, 31_000, one_tile=False),
    "huge.avif": avif_claiming(65_000, 65_000),
    "allowed.avif": avif_claiming(9_900, 9_900),
}


REFUSED = {name for name in BOMBS if name.startswith("huge")} | {"large.png", "interlaced.png", "progressive.jpg"}
"""More pixels than their formats may have."""

COMPLETE = {"allowed.gif", "allowed.webp", "allowed.jpg"}
"""Pictures that are all there as far as their decoders can tell: the data say that they end, and a few say much."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_is_enormous_on_paper_costs_no_memory(hostile: Server, folder: Path, name: str) -> None:
    (folder / name).write_bytes(BOMBS[name])
    before = memory(hostile, peak=True)
    information, *rendered = look_at(hostile, name)
    assert information.status in ((422,) if name in REFUSED else (200, 422, 415))
    if name not in COMPLETE:
        assert all(answer.status != 200 for answer in rendered)
    # Decoders that hold the whole picture may take their format's share of pixels, but one at a time.
    assert memory(hostile, peak=True) - before < (1_000_000_000 if name in COMPLETE else 300_000_000)
    assert "Traceback" not in hostile.log


@pytest.mark.slow
def test_a_real_decompression_bomb_is_streamed(start: Serve, tmp_path: Path) -> None:
    """900 million pixels in a megabyte, all of them there."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "bomb.png").write_bytes(black_png(30_000, 30_000))
    server = start(folder)
    for rest in PARAMETERS[:2]:
        assert server.get(f"/iiif/3/bomb.png/{rest}").status == 200
    assert server.get("/iiif/3/bomb.png/full/!2000,2000/0/default.jpg").size == (2000, 2000)
    assert memory(server, peak=True) < 700_000_000


def test_what_is_no_file_or_not_inside_is_not_found(hostile: Server, folder: Path) -> None:
    outside = folder.parent / "outside.jpg"
    outside.write_bytes(encoded("jpg"))
    (folder / "sub").mkdir()
    (folder / "inside.jpg").write_bytes(encoded("jpg"))
    (folder / "link.jpg").symlink_to("inside.jpg")
    (folder / "out.jpg").symlink_to(outside)
    (folder / "relative.jpg").symlink_to("../outside.jpg")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "folder.jpg").symlink_to(folder.parent)
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / ".hidden.jpg").write_bytes(encoded("jpg"))
    os.mkfifo(folder / "pipe.jpg")
    assert {answer.status for answer in look_at(hostile, "link.jpg")} == {200}
    for name in (
        "sub",
        "pipe.jpg",
        "out.jpg",
        "relative.jpg",
        "circle.jpg",
        "folder.jpg",
        "folder.jpg%2Foutside.jpg",
        "device.jpg",
        ".hidden.jpg",
        "..%2Foutside.jpg",
        "..%252Foutside.jpg",
        "sub%2F..%2F..%2Foutside.jpg",
        "%2Fetc%2Fpasswd",
        str(outside).replace("/", "%2F"),
        "inside.jpg%00.jpg",
        "%2e%2e%2Foutside.jpg",
        "..%5Coutside.jpg",
        "a" * 300 + ".jpg",
        "%2F".join("a" * 2000),
    ):
        statuses = {answer.status for answer in (hostile.get(f"/iiif/3/{name}/info.json"),)}
        assert statuses <= {400, 404}, (name, statuses)
        assert hostile.get(f"/iiif/3/{name}/full/max/0/default.jpg").status in (400, 404)
    (folder / "pipe.jpg").unlink()


def test_a_pipe_that_takes_the_place_of_a_picture_stops_nobody(hostile: Server, folder: Path) -> None:
    path = folder / "turning.jpg"
    path.write_bytes(encoded("jpg"))
    assert hostile.get("/iiif/3/turning.jpg/info.json").status == 200
    path.unlink()
    os.mkfifo(path)
    started = time.monotonic()
    assert hostile.get("/iiif/3/turning.jpg/full/40,/0/default.jpg").status == 404
    assert time.monotonic() - started < 2
    path.unlink()


def test_the_content_counts_and_not_the_extension(hostile: Server, folder: Path) -> None:
    (folder / "really-png.jpg").write_bytes(encoded("png"))
    (folder / "no-extension").write_bytes(encoded("webp"))
    for name in ("really-png.jpg", "no-extension"):
        assert {answer.status for answer in look_at(hostile, name)} == {200}
    for name, data in {
        "text.jpg": b"This is no picture.\n" * 100,
        "page.png": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "program.tif": b"\x7fELF" + bytes(1000),
        "archive.jpg": b"PK\x03\x04" + bytes(1000),
        "document.jpg": b"%PDF-1.4\n" + bytes(1000),
        "empty.jpg": b"",
        "script.jpg": b"#!/bin/sh\necho no\n",
        "magick.jpg": b"push graphic-context\nviewbox 0 0 640 480\n",
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "bitmap.jpg": b"BM" + bytes(1000),
        "heic.jpg": b"\0\0\0\x18ftypheic" + bytes(1000),
    }.items():
        (folder / name).write_bytes(data)
        assert {answer.status for answer in look_at(hostile, name)} == {415}, name


def test_metadata_that_is_enormous_or_broken_harms_nobody(hostile: Server, folder: Path) -> None:
    image = Image.fromarray(pictures.photograph("coffee.png", 120, 80))
    target = io.BytesIO()
    image.save(target, "PNG", icc_profile=os.urandom(3_000_000))
    (folder / "profile.png").write_bytes(target.getvalue())
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9))
    data = encoded("png")
    (folder / "text.png").write_bytes(data[:33] + text + data[33:])
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + b"\xff" * 60_000
    data = encoded("jpg")
    (folder / "exif.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    before = memory(hostile, peak=True)
    for name in ("profile.png", "text.png", "exif.jpg"):
        look_at(hostile, name)
    assert memory(hostile, peak=True) - before < 500_000_000


def test_a_tiff_that_leads_in_circles_ends(hostile: Server, folder: Path) -> None:
    (folder / "circle.tif").write_bytes(pictures.tiff_in_a_circle())
    look_at(hostile, "circle.tif")


def test_all_of_it_at_once_and_nothing_is_left(hostile: Server, folder: Path) -> None:
    names = [path.name for path in folder.iterdir() if path.is_file()]
    wait_until(lambda: hostile.get("/healthz").status == 200)
    before = threads(hostile)

    def ask(name: str) -> None:
        statuses.append(hostile.get(f"/iiif/3/{name}/full/33,/0/default.jpg").status)

    statuses: list[int] = []
    asking = [threading.Thread(target=ask, args=(name,)) for name in names[:150]]
    for one in asking:
        one.start()
    for one in asking:
        one.join(60)
    assert len(statuses) == len(asking)
    assert set(statuses) <= CLEAR
    assert threads(hostile) <= before + 40
    assert hostile.stop() == 0
