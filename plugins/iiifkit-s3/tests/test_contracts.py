"""The contracts of sources and caches, kept on a real server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from iiifkit import Cache, Environment, Source
from iiifkit.testing.caches import CacheContract
from iiifkit.testing.sources import SourceContract
from putting import emptied, put
from seaweed import CERTIFICATE, Seaweed

from iiifkit_s3.cache import CacheOptions
from iiifkit_s3.cache import build as build_cache
from iiifkit_s3.source import SourceOptions
from iiifkit_s3.source import build as build_source


class TestSource(SourceContract):
    @pytest.fixture(autouse=True)
    def on(self, place: dict[str, Any]) -> None:
        self.options = SourceOptions(**place)

    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> Source:
        emptied(self.options)
        for name, data in images.items():
            put(self.options, name, data)
        return build_source(self.options, Environment("source"))


class TestCache(CacheContract):
    @pytest.fixture(autouse=True)
    def on(self, place: dict[str, Any]) -> None:
        self.options = CacheOptions(**place)

    def make_cache(self, tmp_path: Path) -> Cache:
        return build_cache(self.options, Environment("derivatives"))


@pytest.mark.slow
class TestCacheOfImages(TestCache):
    def make_cache(self, tmp_path: Path) -> Cache:
        return build_cache(self.options, Environment("images"))


@pytest.mark.slow
class TestCacheByTLS(TestCache):
    """botocore sends bodies in chunks with a checksum behind them only by https."""

    @pytest.fixture
    def endpoint(self, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
        return seaweed.secure_url
