"""What tests share: one S3 server with a bucket, and sources and caches that lead there."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from between import Between
from iiifkit import Environment
from putting import client
from seaweed import KEY, SECRET, Seaweed

from iiifkit_s3.cache import CacheOptions, S3Cache
from iiifkit_s3.cache import build as build_cache
from iiifkit_s3.options import BucketOptions
from iiifkit_s3.source import S3Source, SourceOptions
from iiifkit_s3.source import build as build_source

BUCKET = "images-of-tests"

_numbers = itertools.count()


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    server = Seaweed()
    client(server.url).create_bucket(Bucket=BUCKET)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Credentials where ``env:`` finds them, and nothing of the AWS settings of whoever runs the tests."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    """Leases are given back, and what renews them ends."""
    yield
    left = [thread for thread in threading.enumerate() if "iiifkit" in thread.name]
    assert left == []


@pytest.fixture
def endpoint(seaweed: Seaweed) -> str:
    """The URL of the server that a test uses."""
    return seaweed.url


@pytest.fixture
def place(endpoint: str) -> dict[str, Any]:
    """The options of a part of the bucket that is empty."""
    return {"path": BUCKET, "prefix": f"test-{next(_numbers)}", "endpoint": endpoint}


@pytest.fixture
def there(place: dict[str, Any]) -> BucketOptions:
    """The same, for looking at it past the plugin."""
    return BucketOptions(**place)


@pytest.fixture
def between(endpoint: str) -> Iterator[Between]:
    """A server before the S3 server, which counts requests and spoils answers."""
    server = Between(endpoint)
    yield server
    server.close()


@pytest.fixture
def open_source(place: dict[str, Any]) -> Iterator[Callable[..., S3Source]]:
    """``open_source(**options)`` is a source on an empty part of the bucket."""
    yield from _opened(place, SourceOptions, build_source, "source")


@pytest.fixture
def open_cache(place: dict[str, Any]) -> Iterator[Callable[..., S3Cache]]:
    """``open_cache(**options)`` is a cache on an empty part of the bucket."""
    yield from _opened(place, CacheOptions, build_cache, "images")


def _opened(place: dict[str, Any], kind: Any, build: Any, role: str) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def opened(environment: Environment | None = None, **options: Any) -> Any:
        made.append(build(kind(**place | options), environment or Environment(role)))
        return made[-1]

    yield opened
    for one in made:
        one.close()
