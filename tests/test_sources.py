"""The built-in sources keep the contract."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from remote_server import Remote

from iiifkit.sources.disk import DiskSource
from iiifkit.sources.uri import UriOptions, UriSource
from iiifkit.testing.sources import SourceContract


class TestDiskSource(SourceContract):
    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> DiskSource:
        root = tmp_path / "images"
        shutil.rmtree(root, ignore_errors=True)
        for name, data in images.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return DiskSource(root)


class TestUriSource(SourceContract):
    ranges = True
    etags = True
    head_status = 200

    @pytest.fixture(autouse=True)
    def remote(self) -> Iterator[Remote]:
        self.server = Remote(ranges=self.ranges, etags=self.etags, head_status=self.head_status)
        yield self.server
        self.server.close()

    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> UriSource:
        self.server.images = dict(images)
        return UriSource(UriOptions(path=self.server.template), 10_000_000, str(tmp_path))


class TestUriSourceWithoutRanges(TestUriSource):
    ranges = False


class TestUriSourceWithoutHead(TestUriSource):
    head_status = 405


class TestUriSourceWithoutValidators(TestUriSource):
    etags = False

    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> UriSource:
        self.server.modified = None
        return super().make_source(tmp_path, images)
