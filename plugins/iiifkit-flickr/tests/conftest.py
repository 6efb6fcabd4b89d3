"""What tests share: a Flickr on loopback, and sources that ask it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flickr import KEY, Flickr

from iiifkit_flickr.source import DEFAULT_MAX_BYTES, FlickrOptions, FlickrSource


@pytest.fixture
def flickr() -> Iterator[Flickr]:
    server = Flickr()
    yield server
    server.close()


@pytest.fixture
def open_source(flickr: Flickr, tmp_path: Path) -> Iterator[Callable[..., FlickrSource]]:
    """``open_source(**options)`` is a source; all are closed after the test."""
    sources: list[FlickrSource] = []
    folder = tmp_path / "temporary"
    folder.mkdir()

    def opened(key: str = KEY, max_bytes: int = DEFAULT_MAX_BYTES, **options: Any) -> FlickrSource:
        sources.append(FlickrSource(key, FlickrOptions(**options), max_bytes, str(folder), flickr.place))
        return sources[-1]

    yield opened
    for source in sources:
        source.close()
    assert list(folder.iterdir()) == [], "temporary files were left behind"
