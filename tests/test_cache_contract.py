"""The contract of caches rejects caches that are broken, each for the right reason."""

import hashlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from iiifkit.blob import Blob, BytesBlob
from iiifkit.caches.disk import DiskCache
from iiifkit.caches.memory import MemoryCache
from iiifkit.contracts import Cache
from iiifkit.testing.caches import CacheContract


class NotAtomic(DiskCache):
    """Writes an entry in pieces under its final name."""

    def get(self, key: str, tag: str) -> Blob | None:
        path = self._file(key, tag)
        return BytesBlob(path.read_bytes(), "version") if path.exists() else None

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        assert isinstance(data, bytes)
        with self._file(key, tag).open("wb", buffering=0) as file:
            for start in range(0, len(data), 50_000):
                file.write(data[start : start + 50_000])

    def _file(self, key: str, tag: str) -> Path:
        return Path(self._root) / hashlib.sha256(f"{key} {tag}".encode()).hexdigest()


class IgnoresTag(MemoryCache):
    """Finds an entry whatever it was put with."""

    def get(self, key: str, tag: str) -> Blob | None:
        return super().get(key, "any")

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        super().put(key, data, "any", media_type)


class DeleteCrossesPrefix(MemoryCache):
    """Deletes every key that begins with the text of the prefix."""

    def delete(self, prefix: str) -> int:
        doomed = [key for key in self._entries if key.startswith(prefix)]
        for key in doomed:
            del self._entries[key]
        return len(doomed)


class LockForAll(MemoryCache):
    """Lets everyone in at once."""

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        return nullcontext(True)


class CaseBlind(MemoryCache):
    """Takes keys that differ in case for one."""

    def get(self, key: str, tag: str) -> Blob | None:
        return super().get(key.lower(), tag)

    def put(self, key: str, data: bytes | Path, tag: str, media_type: str) -> None:
        super().put(key.lower(), data, tag, media_type)


class Contract(CacheContract):
    def make_cache(self, tmp_path: Path) -> Cache:
        raise NotImplementedError


Contract.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("test", "broken", "complaint"),
    [
        ("test_readers_never_see_half_an_entry", NotAtomic, "a reader got"),
        ("test_another_tag_finds_nothing", IgnoresTag, "found under the tag"),
        ("test_delete_stays_inside_the_prefix", DeleteCrossesPrefix, "delete counted"),
        ("test_one_builder_a_key", LockForAll, "builders were inside"),
    ],
)
def test_rejects(test: str, broken: type[DiskCache] | type[MemoryCache], complaint: str, tmp_path: Path) -> None:
    cache = broken(tmp_path) if issubclass(broken, DiskCache) else broken(20_000_000)
    with pytest.raises(AssertionError, match=complaint):
        getattr(Contract(), test)(cache)


def test_a_sound_cache_passes_what_the_broken_ones_fail() -> None:
    for test in (
        "test_readers_never_see_half_an_entry",
        "test_another_tag_finds_nothing",
        "test_delete_stays_inside_the_prefix",
        "test_one_builder_a_key",
    ):
        getattr(Contract(), test)(MemoryCache(20_000_000))


def test_rejects_a_cache_that_confuses_keys() -> None:
    test = Contract().test_keys_that_look_alike_are_not_confused
    with pytest.raises(AssertionError, match=r"photo\.jpg/a got the bytes of Photo\.JPG/a"):
        test(CaseBlind(20_000_000), "photo.jpg/a", "Photo.JPG/a")
    test(MemoryCache(20_000_000), "photo.jpg/a", "Photo.JPG/a")
