"""A pyramid of more than 10 GB: what its information and its tiles cost in requests and bytes."""

import io
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from between import Between, Request
from iiifkit import ImageOverLimit, Service, open_service
from PIL import Image
from serving import Server
from sparse import HEIGHT, LEVELS, WIDTH, SparsePyramid

BLOCK = 128 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Between]:
    pyramid = SparsePyramid(tmp_path / "huge.tif")
    assert pyramid.size > 10_000_000_000
    server = Between("http://127.0.0.1:1", spoil=pyramid.answer)
    yield server
    server.close()
    pyramid.close()


def service(folder: Path, server: Between, **limits: Any) -> Service:
    source = {"name": "S3", "path": "bucket", "endpoint": server.url}
    config = {"images": {"source": source, "cache": {"name": "Null"}}, "limits": limits}
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    return open_service(file)


def spent(server: Between) -> tuple[int, int]:
    """The requests since the last look, and the bytes that they asked for."""
    asked = [_length(request) for request in server.requests]
    server.requests.clear()
    return len(asked), sum(asked)


def _length(request: Request) -> int:
    assert request.method == "GET"
    first, last = map(int, request.range.removeprefix("bytes=").split("-"))
    return last + 1 - first


def test_few_small_gets_at_first_and_one_afterwards(tmp_path: Path, server: Between) -> None:
    images = service(tmp_path, server, max_source_bytes=None, max_source_pixels=None)
    try:
        document = images.document("huge.tif", "x")
        assert (document["width"], document["height"]) == (WIDTH, HEIGHT)
        assert len(document["tiles"][0]["scaleFactors"]) == LEVELS
        requests, size = spent(server)
        assert requests <= LEVELS + 2
        assert size < 2_000_000
        corners = [(WIDTH - 256, HEIGHT - 256), (WIDTH // 2, 0), (WIDTH // 4, 0, 2), (0, HEIGHT // 2)]
        costs = [tile(images, server, *corner) for corner in corners]
    finally:
        images.close()
    requests, size = costs[0]
    assert requests <= 6
    assert size < 4_000_000
    for requests, size in costs[1:]:
        assert requests <= 1
        assert size <= BLOCK


def tile(images: Service, server: Between, x: int, y: int, factor: int = 1) -> tuple[int, int]:
    """Ask for a tile, and return what it costs."""
    span = 256 * factor
    answer = images.answer(f"huge.tif/{x},{y},{span},{span}/256,256/0/default.jpg", 3)
    assert answer.how == "slice"
    assert Image.open(io.BytesIO(answer.body)).size == (256, 256)
    return spent(server)


@pytest.mark.parametrize("by_http", [False, True])
def test_another_version_is_read_at_once(tmp_path: Path, server: Between, by_http: bool) -> None:
    """Although the first is trusted for a minute, and its index is kept."""
    path = "huge.tif/0,0,256,256/256,256/0/default.jpg"
    images = service(tmp_path, server, max_source_bytes=None, max_source_pixels=None)
    config = json.loads((tmp_path / "config.json").read_text())
    other = SparsePyramid(tmp_path / "other.tif", "maroon")
    seen = []
    with Server(tmp_path, config) if by_http else nullcontext() as running:
        for _ in range(2):
            body = running.get(f"/iiif/3/{path}")[1] if running else images.answer(path, 3).body
            with Image.open(io.BytesIO(body)) as picture:
                seen.append(picture.convert("RGB").getpixel((9, 9)))
            server.spoil = other.answer
            path = path.replace("0,0,", f"{WIDTH // 4},0,")
    images.close()
    other.close()
    (_, _, blue), (red, _, _) = seen
    assert blue > 100
    assert red > 100


@pytest.mark.parametrize("limits", [{}, {"max_source_bytes": None}])
def test_the_limits_have_to_be_raised(tmp_path: Path, server: Between, limits: dict[str, Any]) -> None:
    images = service(tmp_path, server, **limits)
    with pytest.raises(ImageOverLimit, match="this server opens"):
        images.document("huge.tif", "x")
    images.close()
