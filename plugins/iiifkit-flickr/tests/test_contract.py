"""The contract of sources. Its images have names, so each name stands for the number of a photo."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from flickr import KEY, Flickr
from iiifkit import Blob, Location, Source
from iiifkit.testing.sources import NAMES, SourceContract

from iiifkit_flickr.source import FlickrOptions, FlickrSource


class Named:
    """A source in which the contract's names stand for numbers; whatever else is asked for goes through as it is."""

    def __init__(self, source: FlickrSource) -> None:
        self._source = source
        self.location: Location | None = source.location
        self.revalidate = source.revalidate

    def version(self, identifier: str) -> str:
        return self._source.version(number(identifier))

    def open(self, identifier: str) -> Blob:
        return self._source.open(number(identifier))

    def identifiers(self) -> Iterable[str]:
        return self._source.identifiers()

    def close(self) -> None:
        self._source.close()


def number(name: str) -> str:
    return str(5_000_000_000 + NAMES.index(name)) if name in NAMES else name


class TestFlickr(SourceContract):
    @pytest.fixture(autouse=True)
    def on(self, flickr: Flickr) -> None:
        self.flickr = flickr

    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> Source:
        self.flickr.photos = {number(name): data for name, data in images.items()}
        return Named(FlickrSource(KEY, FlickrOptions(), place=self.flickr.place))
