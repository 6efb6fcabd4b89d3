"""A cache whose bucket does not answer costs one wait, and no picture."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvips
import skimage
from between import Between, Handler, Request
from iiifkit import CacheError, Environment
from PIL import Image
from putting import client, full_key, names, put
from refusing import hangs
from serving import Server

from iiifkit_s3.cache import S3Cache
from iiifkit_s3.options import BucketOptions

Spoil = Callable[[Handler, Request], bool]
PICTURE = Path(skimage.__file__).parent / "data" / "retina.jpg"
TILES = [(x, y) for y in (256, 1024, 2048) for x in range(0, 2560, 640)]


def large_picture() -> bytes:
    """One whose pyramid is too large to come whole."""
    picture = pyvips.Image.new_from_file(str(PICTURE)).resize(2)
    picture = (picture + pyvips.Image.gaussnoise(picture.width, picture.height, sigma=20, seed=1)).cast("uchar")
    data: bytes = picture.jpegsave_buffer(Q=80)
    return data


def breaks_off(handler: Handler, request: Request) -> bool:
    status, headers, body = handler.ask(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return handler.write(f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + body[: len(body) // 2])


def fails(handler: Handler, request: Request) -> bool:
    return handler.refuse(500, "InternalError")


def forbids(handler: Handler, request: Request) -> bool:
    return handler.refuse(403, "AccessDenied")


def is_busy(handler: Handler, request: Request) -> bool:
    return handler.refuse(503, "SlowDown")


def sends_another_part(handler: Handler, request: Request) -> bool:
    status, headers, body = handler.ask(request)
    return handler.reply(status, body, headers | {"Content-Range": "bytes 7-8/9"})


class TestLeavingAlone:
    @pytest.mark.parametrize("spoil", [hangs, fails, is_busy])
    def test_nobody_waits_a_second_time(
        self, open_cache: Callable[..., S3Cache], between: Between, spoil: Spoil
    ) -> None:
        between.spoil = spoil
        cache = open_cache(endpoint=between.url, timeout=0.4, retries=0)
        with pytest.raises(CacheError):
            cache.get("a", "t")
        assert len(between.told) == 1
        started = time.monotonic()
        for use in (
            lambda: cache.get("a", "t"),
            lambda: cache.put("a", b"x", "t", "image/jpeg"),
            lambda: cache.delete("a"),
            lambda: cache.lock("a", 0).__enter__(),
        ):
            with pytest.raises(CacheError, match="left alone"):
                use()
        assert between.told == []
        assert time.monotonic() - started < 0.3

    def test_one_looks_whether_it_is_well_again(
        self, open_cache: Callable[..., S3Cache], between: Between, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("iiifkit_s3.cache.REST", 0.5)
        cache = open_cache(endpoint=between.url, timeout=0.3, retries=0)
        cache.put("a", b"picture", "t", "image/jpeg")
        between.spoil = hangs
        with pytest.raises(CacheError, match="in time"):
            cache.get("a", "t")
        time.sleep(0.6)
        between.requests.clear()
        said: list[str] = []

        def ask() -> None:
            try:
                cache.get("a", "t")
            except CacheError as error:
                said.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(between.told) == 1
        assert sum("left alone" in text for text in said) == 4
        between.spoil = lambda *_: False
        time.sleep(0.6)
        for _ in range(3):
            assert cache.get("a", "t") is not None

    def test_a_run_that_nobody_waits_for_asks_again(self, open_cache: Callable[..., S3Cache], between: Between) -> None:
        between.spoil = fails
        cache = open_cache(Environment("derivatives", patient=True), endpoint=between.url, retries=0)
        with pytest.raises(CacheError):
            cache.put("a", b"picture", "t", "image/jpeg")
        between.spoil = lambda *_: False
        cache.put("a", b"picture", "t", "image/jpeg")
        assert cache.get("a", "t") is not None

    def test_an_answer_that_is_a_refusal_is_one(self, open_cache: Callable[..., S3Cache], between: Between) -> None:
        between.spoil = forbids
        cache = open_cache(endpoint=between.url)
        for _ in range(3):
            with pytest.raises(CacheError, match="denies access"):
                cache.get("a", "t")
        between.spoil = lambda *_: False
        assert cache.get("a", "t") is None


class TestServing:
    @pytest.fixture
    def images(self, place: dict[str, Any]) -> BucketOptions:
        options = BucketOptions(**place | {"prefix": place["prefix"] + "/images"})
        put(options, "retina.jpg", large_picture())
        return options

    @pytest.fixture
    def caches(self, place: dict[str, Any]) -> BucketOptions:
        return BucketOptions(**place | {"prefix": place["prefix"] + "/caches"})

    @pytest.fixture
    def server(
        self, images: BucketOptions, caches: BucketOptions, between: Between, tmp_path: Path
    ) -> Iterator[Server]:
        source = {"name": "S3", "path": images.path, "prefix": images.prefix, "endpoint": images.endpoint}
        cache = {"name": "S3", "path": caches.path, "prefix": caches.prefix, "endpoint": between.url, "timeout": 2}
        config = {"images": {"source": source, "cache": cache}, "derivatives": {"cache": cache}}
        config["prepare"] = {"min_pixels": 10_000}
        with Server(tmp_path, config) as server:
            yield server

    @pytest.mark.parametrize("spoil", [hangs, fails, forbids, breaks_off, sends_another_part])
    def test_a_cache_that_dies_while_it_is_read(self, server: Server, between: Between, spoil: Spoil) -> None:
        tiles = iter(TILES)
        check(server, *next(tiles))
        between.spoil = spoil
        started = time.monotonic()
        for tile in tiles:
            check(server, *tile)
        for tile in TILES[:3]:
            check(server, *tile)
        assert time.monotonic() - started < 25
        between.spoil = lambda *_: False
        between.stopped.set()
        assert "WARNING" in server.log
        assert "Traceback" not in server.log

    def test_a_pyramid_that_is_deleted_or_replaced_is_built_again(self, server: Server, caches: BucketOptions) -> None:
        check(server, *TILES[0])
        for number, data in enumerate((None, b"another"), 1):
            (name,) = (name for name in names(caches) if name.startswith("%pyramids/"))
            if data is None:
                client(caches.endpoint).delete_object(Bucket=caches.path, Key=full_key(caches, name))
            else:
                put(caches, name, data)
            for tile in TILES[number * 4 : number * 4 + 4]:
                check(server, *tile)
            assert server.log.count("prepared 'retina.jpg'") == number + 1


def check(server: Server, x: int, y: int) -> None:
    status, body = server.get(f"/iiif/3/retina.jpg/{x},{y},256,256/256,256/0/default.jpg")
    assert status == 200, body
    assert Image.open(io.BytesIO(body)).size == (256, 256)
