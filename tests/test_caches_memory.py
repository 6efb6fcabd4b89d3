"""The Memory cache: bounds, expiry, and what it does not remember. And the Null cache."""

import threading
import time
from pathlib import Path

import msgspec
import pytest

from iiifkit.caches import memory, null
from iiifkit.caches.locks import KeyedLocks
from iiifkit.caches.memory import OVERHEAD, MemoryCache
from iiifkit.hookspecs import Environment, NoOptions


def test_least_recently_used_goes_first() -> None:
    cache = MemoryCache(4 * (1000 + OVERHEAD + 4))
    for key in "abcd":
        cache.put(key, b"x" * 1000, "tag", "image/jpeg")
    assert cache.get("a", "tag") is not None
    cache.put("e", b"x" * 1000, "tag", "image/jpeg")
    assert [key for key in "abcde" if cache.get(key, "tag")] == ["a", "c", "d", "e"]


def test_bytes_stay_under_the_limit() -> None:
    cache = MemoryCache(1_000_000)
    for number in range(500):
        cache.put(f"photo/{number}", b"x" * (number * 40 + 1), "tag", "image/jpeg")
        assert cache._entries.currsize <= 1_000_000
    assert cache.get("photo/499", "tag") is not None
    assert cache.get("photo/0", "tag") is None


def test_tiny_entries_are_bounded_too() -> None:
    cache = MemoryCache(1_000_000)
    for number in range(3000):
        cache.put(f"photo/{number}", b"x", "tag", "image/jpeg")
    assert len(cache._entries) < 1_000_000 / OVERHEAD


def test_an_entry_over_the_limit_is_refused_and_takes_its_predecessor_along(tmp_path: Path) -> None:
    cache = MemoryCache(10_000)
    cache.put("a", b"small", "tag", "image/jpeg")
    cache.put("b", b"small", "tag", "image/jpeg")
    cache.put("a", b"x" * 20_000, "tag", "image/jpeg")
    assert cache.get("a", "tag") is None
    assert cache.get("b", "tag") is not None
    file = tmp_path / "large"
    file.write_bytes(b"x" * 20_000)
    cache.put("b", file, "tag", "image/tiff")
    assert cache.get("b", "tag") is None
    assert file.exists()


def test_entries_expire() -> None:
    cache = MemoryCache(10_000, ttl=0.05)
    cache.put("a", b"bytes", "tag", "image/jpeg")
    assert cache.get("a", "tag") is not None
    time.sleep(0.06)
    assert cache.get("a", "tag") is None
    assert len(cache._entries) == 0


def test_the_bytes_are_handed_out_themselves() -> None:
    cache, data = MemoryCache(10_000), b"x" * 1000
    cache.put("a", data, "tag", "image/jpeg")
    blob = cache.get("a", "tag")
    assert blob is not None
    assert blob.read_all() is data


def test_closing_forgets() -> None:
    cache = MemoryCache(10_000)
    cache.put("a", b"bytes", "tag", "image/jpeg")
    cache.close()
    assert cache.get("a", "tag") is None


def test_locks_of_keys_that_nobody_holds_are_forgotten() -> None:
    locks = KeyedLocks()
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with locks.hold("held", 1):
            held.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    for number in range(100):
        with locks.hold(f"key {number}", 1), locks.hold("held", 0) as mine:
            assert not mine
    assert len(locks) == 1
    done.set()
    holder.join()
    assert len(locks) == 0


def test_options() -> None:
    options = msgspec.convert({"ttl": 300, "limit": 100}, memory.MemoryOptions)
    cache = memory.build(options, Environment("images"))
    cache.put("a", b"x" * 99 * 1024 * 1024, "tag", "image/tiff")
    assert cache.get("a", "tag") is not None
    for wrong in ({"limit": 0}, {"limit": -1}, {"ttl": -1}, {"ttl": "1"}, {"path": "x"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, memory.MemoryOptions)


def test_null_keeps_nothing(tmp_path: Path) -> None:
    cache = null.build(NoOptions(), Environment("derivatives"))
    file = tmp_path / "built.tif"
    file.write_bytes(b"bytes")
    cache.put("a", b"bytes", "tag", "image/jpeg")
    cache.put("b", file, "tag", "image/tiff")
    assert cache.get("a", "tag") is None
    assert cache.get("b", "tag") is None
    assert file.exists()
    assert cache.delete("a") == 0
    with cache.lock("a", 0) as mine:
        assert mine
    cache.close()
