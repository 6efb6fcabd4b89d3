"""The built-in sources keep the contract."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from iiifkit.sources.disk import DiskSource
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
