"""A bucket that tile-seed has filled, published as it is: a site of level 0, read without credentials."""

import io
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import skimage
from iiifkit import ImageNotFound, SourceError
from PIL import Image
from putting import client, put
from seaweed import PUBLIC, Seaweed

from iiifkit_s3.options import BucketOptions
from iiifkit_s3.source import S3Source

PICTURE = Path(skimage.__file__).parent / "data" / "rocket.jpg"
WIDTH, HEIGHT, TILE = 640, 427, 256


@pytest.fixture
def public(seaweed: Seaweed) -> str:
    with suppress(client(seaweed.url).exceptions.BucketAlreadyOwnedByYou):
        client(seaweed.url).create_bucket(Bucket=PUBLIC)
    return PUBLIC


def get(url: str) -> tuple[dict[str, str], bytes]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return dict(answer.headers), answer.read()


def tiles(version: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """The paths that viewers ask for, and the sizes of what they expect."""
    for factor in (1, 2):
        for y in range(0, HEIGHT, TILE * factor):
            for x in range(0, WIDTH, TILE * factor):
                width, height = min(TILE * factor, WIDTH - x), min(TILE * factor, HEIGHT - y)
                size = -(-width // factor), -(-height // factor)
                is_whole = (width, height) == (WIDTH, HEIGHT)
                asked = f"{size[0]}," if version == 2 else f"{size[0]},{size[1]}"
                yield f"{'full' if is_whole else f'{x},{y},{width},{height}'}/{asked}/0/default.jpg", size


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["zurich", "2019/Zürich & Umgebung+100%.jpg"])
def test_every_tile_is_there(place: dict[str, Any], public: str, tmp_path: Path, name: str, version: int) -> None:
    images = BucketOptions(**place)
    source = "2019/Zürich & Umgebung+100%.jpg"
    put(images, source, PICTURE.read_bytes())
    site = f"{images.endpoint}/{public}/{images.prefix}-{version}"
    tree = {"name": "S3", "path": public, "prefix": f"{images.prefix}-{version}", "endpoint": images.endpoint}
    config = {"images": {"source": {"name": "S3", **place}}, "derivatives": {"cache": tree}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "iiifkit", "tile-seed", "--config", str(tmp_path / "config.json")]
    command += ["--endpoint", site, "--api-version", str(version), source if name == source else f"{source},{name}"]
    seeded = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert seeded.returncode == 0, seeded.stderr
    headers, body = get(f"{site}/{quote(name)}/info.json")
    assert headers["Content-Type"].startswith(("application/json", "application/ld+json"))
    info = json.loads(body)
    base = info["id" if version == 3 else "@id"]
    assert base == f"{site}/{quote(name)}"
    assert (info["width"], info["height"]) == (WIDTH, HEIGHT)
    assert info["tiles"][0]["scaleFactors"][:2] == [1, 2]
    for path, size in tiles(version):
        headers, body = get(f"{base}/{path}")
        assert headers["Content-Type"] == "image/jpeg"
        assert headers["Cache-Control"] == "public, max-age=86400"
        with Image.open(io.BytesIO(body)) as picture:
            assert picture.size == size


def test_images_that_anybody_may_read(open_source: Any, public: str, endpoint: str) -> None:
    put(BucketOptions(path=public, endpoint=endpoint), "photo.jpg", b"picture")
    source: S3Source = open_source(path=public, prefix="", credentials="anon:")
    with source.open("photo.jpg") as blob:
        assert blob.read_all() == b"picture"
    with pytest.raises((ImageNotFound, SourceError)):
        source.open("missing.jpg")
