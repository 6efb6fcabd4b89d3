"""Pyramids that lie behind a server which answers ranges: opened with few requests, sliced with one each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
import pyvips
from remote_server import Remote

from iiifkit import originals
from iiifkit.assembly import assemble
from iiifkit.service import Service

SIDE = 3000


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """A photograph with so much noise that its file is large."""
    noise = np.random.default_rng(5).integers(-25, 25, (SIDE, SIDE, 1))
    return np.clip(pictures.photograph("coffee.png", SIDE, SIDE) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def remote(photograph: np.ndarray) -> Iterator[Remote]:
    """A server of a pyramid of several megabytes."""
    picture = pyvips.Image.new_from_array(photograph).copy(interpretation="srgb")
    options = {"tile": True, "pyramid": True, "tile_width": 256, "tile_height": 256}
    remote = Remote({"large.tif": picture.tiffsave_buffer(compression="jpeg", Q=89, **options)})
    assert len(remote.images["large.tif"]) > 4_000_000
    yield remote
    remote.close()


@pytest.fixture
def service(remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service on it that takes images of a megabyte for too large to be fetched whole."""
    monkeypatch.setattr(originals, "WHOLE", 1_000_000)
    config: dict[str, Any] = {
        "images": {
            "source": {"name": "URI", "path": remote.template},
            "cache": {"name": "Disk", "path": str(tmp_path / "images")},
        },
        "derivatives": {"cache": {"name": "Null"}},
    }
    return assemble(config).service


def fetched(remote: Remote) -> int:
    """How many bytes were asked for since the last time."""
    ranges = [headers.get("Range", "bytes=0-999999999999") for method, _, headers in remote.requests if method == "GET"]
    remote.requests.clear()
    numbers = [text.removeprefix("bytes=").split("-") for text in ranges]
    return sum(int(last) - int(first) + 1 for first, last in numbers)


def test_it_is_opened_with_few_requests_and_sliced_with_one_each(
    remote: Remote, service: Service, photograph: np.ndarray
) -> None:
    document = service.document("large.tif", "http://x", 3)
    assert document["tiles"] == [{"width": 256, "scaleFactors": [1, 2, 4, 8, 16]}]
    assert len(remote.requests) <= 7
    assert fetched(remote) < 7 * 128 * 1024
    first = service.answer("large.tif/256,512,256,256/256,256/0/default.jpg", 3)
    assert first.how == "slice"
    assert len(remote.requests) <= 8
    assert fetched(remote) < 8 * 128 * 1024
    for factor in (1, 2, 4):
        span = 256 * factor
        for number in range(SIDE // span):
            x = number * span
            answer = service.answer(f"large.tif/{x},{x},{span},{span}/256,256/0/default.jpg", 3)
            assert answer.how == "slice"
            assert len(remote.requests) <= 1
            assert fetched(remote) <= 2 * 128 * 1024
            expected = pictures.halved(photograph[x : x + span, x : x + span], factor) if factor > 1 else None
            wanted = photograph[x : x + span, x : x + span] if expected is None else expected
            assert np.abs(pictures.decoded(answer.body).astype(int) - wanted).mean() < 9


def test_what_is_rendered_reads_only_what_it_needs(remote: Remote, service: Service) -> None:
    service.answer("large.tif/0,0,256,256/256,256/0/default.jpg", 3)
    fetched(remote)
    for path in ("2816,2816,184,184/184,184", "1000,1000,300,300/300,300", "full/!300,300"):
        assert service.answer(f"large.tif/{path}/0/default.jpg", 3).how == "render"
        assert len(remote.requests) <= 6
        assert fetched(remote) < 12 * 128 * 1024


def test_a_new_version_is_another_pyramid(remote: Remote, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    tile = "large.tif/0,0,256,256/256,256/0/default.jpg"
    before = service.answer(tile, 3)
    black = pyvips.Image.black(SIDE, SIDE, bands=3).copy(interpretation="srgb")
    options = {"tile": True, "pyramid": True, "tile_width": 256, "tile_height": 256, "compression": "jpeg"}
    remote.images["large.tif"] = black.tiffsave_buffer(**options) + bytes(8_000_000)
    monkeypatch.setattr(service.originals.source, "revalidate", 1e-9)
    after = service.answer(tile, 3)
    assert after.how == "slice"
    assert pictures.decoded(after.body).max() == 0 < pictures.decoded(before.body).max()
