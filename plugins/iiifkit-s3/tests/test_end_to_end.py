"""The whole way: an HTTP request to ``iiifkit serve``, and images and caches in a bucket."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import pyvips
import skimage
from between import Between
from iiifkit import open_service
from PIL import Image
from putting import client, full_key, head, names, put
from serving import Server, refusal

from iiifkit_s3.options import BucketOptions

PICTURES = Path(skimage.__file__).parent / "data"


@pytest.fixture
def images(place: dict[str, Any]) -> BucketOptions:
    options = BucketOptions(**place | {"prefix": place["prefix"] + "/images"})
    put(options, "2019/Zürich.jpg", (PICTURES / "rocket.jpg").read_bytes())
    return options


@pytest.fixture
def caches(place: dict[str, Any]) -> BucketOptions:
    return BucketOptions(**place | {"prefix": place["prefix"] + "/caches"})


@pytest.fixture
def config(images: BucketOptions, caches: BucketOptions) -> dict[str, Any]:
    def block(options: BucketOptions) -> dict[str, Any]:
        return {"name": "S3", "path": options.path, "prefix": options.prefix, "endpoint": options.endpoint}

    return {
        "images": {"source": block(images), "cache": block(caches)},
        "derivatives": {"cache": block(caches)},
        "prepare": {"min_pixels": 10_000},
    }


def large_tiff() -> bytes:
    """A pyramid of JPEG tiles, padded to a size at which it is not fetched whole."""
    picture = pyvips.Image.new_from_file(str(PICTURES / "retina.jpg")).resize(3)
    data: bytes = picture.tiffsave_buffer(
        tile=True, pyramid=True, compression="jpeg", Q=85, tile_width=256, tile_height=256
    )
    return data.ljust(70_000_000, b"\0")


def test_serving_from_a_bucket(
    config: dict[str, Any], images: BucketOptions, caches: BucketOptions, tmp_path: Path
) -> None:
    identifier = "2019%2FZ%C3%BCrich.jpg"
    with Server(tmp_path, config) as server:
        status, body = server.get(f"/iiif/3/{identifier}/info.json")
        assert (status, json.loads(body)["width"], json.loads(body)["height"]) == (200, 640, 427)
        status, tile = server.get(f"/iiif/3/{identifier}/256,0,256,256/256,256/0/default.jpg")
        assert (status, Image.open(io.BytesIO(tile)).size) == (200, (256, 256))
        status, small = server.get(f"/iiif/3/{identifier}/full/100,/0/gray.png")
        assert (status, Image.open(io.BytesIO(small)).size) == (200, (100, 67))
        assert server.get("/iiif/3/missing.jpg/info.json")[0] == 404
        assert server.get("/iiif/3/..%2F..%2Fsecret.jpg/info.json")[0] == 404
    kept = names(caches)
    assert [name for name in kept if name.startswith("%pyramids/")]
    assert [name for name in kept if name.startswith("%sources/")]
    (picture,) = [name for name in kept if name.endswith("gray.png")]
    assert picture.startswith("2019/Zürich.jpg/full/100,")
    assert head(caches, picture)["ContentType"] == "image/png"
    assert not [name for name in kept if ".iiifkit" in name]
    with Server(tmp_path, config) as server:
        assert server.get(f"/iiif/3/{identifier}/256,0,256,256/256,256/0/default.jpg") == (200, tile)
        put(images, "2019/Zürich.jpg", b"not a picture")
    with Server(tmp_path, config) as server:
        assert server.get(f"/iiif/3/{identifier}/256,0,256,256/256,256/0/default.jpg")[0] == 415


def test_a_tile_of_a_large_pyramid_costs_few_gets(
    config: dict[str, Any], images: BucketOptions, between: Between, tmp_path: Path
) -> None:
    put(images, "large.tif", large_tiff())
    config["images"]["source"]["endpoint"] = between.url
    config["images"]["cache"] = {"name": "Disk", "path": str(tmp_path / "cache")}
    config["derivatives"]["cache"] = {"name": "Null"}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    service = open_service(file)
    try:
        service.document("large.tif", "x")
        at_first = between.told
        tiles = []
        for corner in ("0,0", "1024,1024", "2048,3072"):
            answer = service.answer(f"large.tif/{corner},256,256/256,256/0/default.jpg", 3)
            assert answer.how == "slice"
            assert Image.open(io.BytesIO(answer.body)).size == (256, 256)
            tiles.append(list(between.requests))
            between.requests.clear()
    finally:
        service.close()
    print(at_first, *[[str(request) for request in tile] for tile in tiles], sep="\n")
    assert len(at_first) <= 5
    first, second, third = tiles
    assert len(first) <= 2
    assert len(second) <= 1
    assert len(third) <= 1
    asked = [request.range.removeprefix("bytes=").split("-") for tile in tiles for request in tile]
    assert sum(int(last) + 1 - int(begin) for begin, last in asked) < 3_000_000


def test_a_changed_object_is_noticed(config: dict[str, Any], images: BucketOptions, tmp_path: Path) -> None:
    config["images"]["source"]["revalidate"] = 0.2
    with Server(tmp_path, config) as server:
        path = "/iiif/3/2019%2FZ%C3%BCrich.jpg/0,0,128,128/64,64/0/default.png"
        rocket = server.get(path)
        assert rocket[0] == 200
        put(images, "2019/Zürich.jpg", (PICTURES / "coffee.png").read_bytes())
        time.sleep(0.3)
        status, coffee = server.get(path)
        assert status == 200
        assert coffee != rocket[1]
        client(images.endpoint).delete_object(Bucket=images.path, Key=full_key(images, "2019/Zürich.jpg"))
        time.sleep(0.3)
        assert server.get(path)[0] == 404


@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    [
        (lambda handler, _: handler.refuse(403, "SignatureDoesNotMatch"), 502, b"credentials"),
        (lambda handler, _: handler.refuse(301, "PermanentRedirect"), 502, b"another region"),
        (lambda handler, _: handler.refuse(404, "NoSuchKey"), 404, b"no image"),
        (lambda handler, _: handler.refuse(503, "SlowDown"), 503, b"too much to do"),
        (lambda handler, _: handler.write(b"nonsense"), 502, b"broke off"),
        (lambda handler, _: handler.hang(), 504, b"in time"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_told(
    config: dict[str, Any], between: Between, tmp_path: Path, spoil: Any, status: int, said: bytes
) -> None:
    config["images"]["source"] |= {"endpoint": between.url, "timeout": 1, "retries": 0}
    between.spoil = spoil
    with Server(tmp_path, config) as server:
        told, body = server.get("/iiif/3/photo.jpg/full/max/0/default.jpg")
        assert told == status
        assert said in body
        assert "Traceback" not in server.log


def test_without_the_plugin_start_up_names_the_package(config: dict[str, Any], tmp_path: Path) -> None:
    said = refusal(tmp_path, config, without="iiifkit-s3")
    assert "images.source.name" in said
    assert "pip install iiifkit-s3" in said


def test_a_wrong_bucket_is_an_answer_and_not_the_end(config: dict[str, Any], tmp_path: Path) -> None:
    config["images"]["source"]["path"] = "another-bucket"
    with Server(tmp_path, config) as server:
        status, body = server.get("/iiif/3/photo.jpg/info.json")
        assert status == 502
        assert b"no bucket of the name" in body


def test_credentials_that_are_missing_stop_start_up(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "images.source.credentials" in refusal(tmp_path, config)
