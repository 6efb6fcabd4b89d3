"""The built-in caches keep the contract."""

from pathlib import Path

from iiifkit.caches.disk import DiskCache
from iiifkit.caches.memory import MemoryCache
from iiifkit.testing.caches import CacheContract


class TestDiskCache(CacheContract):
    def make_cache(self, tmp_path: Path) -> DiskCache:
        return DiskCache(tmp_path)


class TestDiskCacheWithLimit(CacheContract):
    def make_cache(self, tmp_path: Path) -> DiskCache:
        return DiskCache(tmp_path, limit=20_000_000, ttl=3600)


class TestMemoryCache(CacheContract):
    def make_cache(self, tmp_path: Path) -> MemoryCache:
        return MemoryCache(20_000_000)
