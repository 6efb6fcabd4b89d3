"""What every cache must do, as tests that a cache's own tests inherit.

::

    class TestMyCache(CacheContract):
        def make_cache(self, tmp_path):
            return MyCache(tmp_path)

Needs pytest and hypothesis.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..blob import Blob
from ..contracts import Cache, Location
from ..errors import CacheError, ImageError, SourceError

ODD_KEYS = (
    "plain.jpg/full/max/0/default.jpg",
    "2019%2Fmuseum%2Fphoto.jpg/full/max/0/default.jpg",
    "%5C/a",
    "\\/a",
    "%/a",
    "%25/a",
    "pct:1,2,3,4/!200,200/!90.5/primitive:5,200,255.gif",
    "ark:/12148/btv1b/full",
    "blank in the middle/ blank before/blank after /a",
    "dots/.hidden/...three/after./.iiifkit/a",
    ".iiifkit/locks/a",
    "con/nul.jpg/COM1/aux",
    'a"b<c>d|e?f*g',
    "tab\there/newline\nthere/escape\x1b/delete\x7f",
    "Zürich/日本語/🏛/a",
    "lone \udc80 surrogate/a",
    "e" * 254 + "/a",
    "e" * 255 + "/a",
    "e" * 256 + "/a",
    "e" * 700 + "1/a",
    "e" * 700 + "2/a",
    "日" * 100 + "/a",
    "info.json/info.json",
    "~/a",
    "-rf/a",
)
"""Keys that file systems, buckets and careless code trip over; no two are the same entry."""

ALIKE_KEYS = (
    ("photo.jpg/a", "Photo.JPG/a"),
    ("2019%2Fphoto.jpg", "2019%2fphoto.jpg"),
    ("caf\u00e9", "cafe\u0301"),
    ("stra\u00dfe/a", "strasse/a"),
)
"""Pairs of keys that some file systems do not tell apart."""

_TEXT = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40)
_SEGMENT = _TEXT.filter(lambda segment: segment not in (".", ".."))
KEYS = st.lists(_SEGMENT, min_size=1, max_size=4).map("/".join)
"""Any key of up to four segments."""


class CacheContract(ABC):
    """Inherit, write `make_cache`, and run with pytest."""

    @abstractmethod
    def make_cache(self, tmp_path: Path) -> Cache:
        """Return an empty cache that keeps at least 10 MB, and does not expire entries within minutes.

        ``tmp_path`` is an empty folder for caches that need one.
        """

    @pytest.fixture
    def cache(self, tmp_path: Path) -> Iterator[Cache]:
        """Make a fresh cache, and close it after the test."""
        folder = tmp_path / "cache"
        folder.mkdir()
        cache = self.make_cache(folder)
        yield cache
        cache.close()

    def test_says_where_it_is_and_whether_it_blocks(self, cache: Cache) -> None:
        """`location` and `instant` are there."""
        assert cache.location is None or isinstance(cache.location, Location)
        assert cache.instant in (True, False)

    def test_finds_nothing_at_first(self, cache: Cache) -> None:
        """An empty cache finds nothing and deletes nothing."""
        assert cache.get("photo.jpg/full/max/0/default.jpg", "tag") is None
        assert cache.delete("photo.jpg") == 0

    def test_finds_what_was_put(self, cache: Cache) -> None:
        """The bytes come back, whole and in parts."""
        data = bytes(range(256)) * 40
        cache.put("photo.jpg/a.jpg", data, "tag", "image/jpeg")
        blob = _open(cache, "photo.jpg/a.jpg", "tag")
        with blob:
            assert blob.size == len(data)
            assert blob.version
            assert blob.read_all() == data
            assert blob.read(1000, 500) == data[1000:1500]
            assert blob.read(len(data) - 3, 100) == data[-3:]
            assert blob.read(len(data) + 5, 10) == b""

    def test_another_tag_finds_nothing(self, cache: Cache) -> None:
        """A tag is compared whole, and a new one replaces the old."""
        cache.put("photo.jpg/a.jpg", b"old", "tag-1", "image/jpeg")
        for tag in ("tag-2", "tag-", "tag-11", "TAG-1", "x"):
            assert cache.get("photo.jpg/a.jpg", tag) is None, f"found under the tag {tag}, put with tag-1"
        cache.put("photo.jpg/a.jpg", b"new bytes", "tag-2", "image/jpeg")
        assert _bytes(cache, "photo.jpg/a.jpg", "tag-2") == b"new bytes"
        assert cache.get("photo.jpg/a.jpg", "tag-1") is None

    def test_the_last_put_wins(self, cache: Cache) -> None:
        """An entry is overwritten under the same tag, and its version changes."""
        cache.put("photo.jpg/a.jpg", b"one", "tag", "image/jpeg")
        with _open(cache, "photo.jpg/a.jpg", "tag") as blob:
            before = blob.version
        cache.put("photo.jpg/a.jpg", b"other", "tag", "image/jpeg")
        with _open(cache, "photo.jpg/a.jpg", "tag") as blob:
            assert blob.read_all() == b"other"
            assert blob.version != before

    def test_an_empty_entry_is_not_found(self, cache: Cache) -> None:
        """No bytes are no picture; an older entry does not come back in their place."""
        cache.put("photo.jpg/a.jpg", b"one", "tag", "image/jpeg")
        cache.put("photo.jpg/a.jpg", b"", "tag", "image/jpeg")
        assert cache.get("photo.jpg/a.jpg", "tag") is None

    def test_a_file_is_moved_in(self, cache: Cache, tmp_path: Path) -> None:
        """The bytes of a file are kept, and the file is gone."""
        data = b"pyramid" * 100_000
        file = tmp_path / "built.tif"
        file.write_bytes(data)
        cache.put("photo.jpg/pyramid.tif", file, "tag", "image/tiff")
        assert _bytes(cache, "photo.jpg/pyramid.tif", "tag") == data
        assert not file.exists()

    def test_a_missing_file_is_an_error(self, cache: Cache, tmp_path: Path) -> None:
        """`CacheError`, and the older entry is still there."""
        cache.put("photo.jpg/pyramid.tif", b"old", "tag", "image/tiff")
        with pytest.raises(CacheError):
            cache.put("photo.jpg/pyramid.tif", tmp_path / "missing.tif", "tag", "image/tiff")
        assert _bytes(cache, "photo.jpg/pyramid.tif", "tag") == b"old"

    def test_odd_keys_are_kept_apart(self, cache: Cache) -> None:
        """Every odd key is an entry of its own, or refused; never another's bytes."""
        kept = []
        for number, key in enumerate(ODD_KEYS):
            try:
                cache.put(key, f"entry {number}".encode(), "tag", "image/jpeg")
                kept.append((number, key))
            except CacheError:
                continue
        assert len(kept) >= len(ODD_KEYS) - 3, "more than a few odd keys were refused"
        for number, key in kept:
            found = _bytes(cache, key, "tag")
            assert found == f"entry {number}".encode(), f"{key!r} gave {found!r}"

    @pytest.mark.parametrize(("first", "second"), ALIKE_KEYS, ids=ascii)
    def test_keys_that_look_alike_are_not_confused(self, cache: Cache, first: str, second: str) -> None:
        """Where a file system takes them for one, the first may be lost, but neither gets the other's bytes."""
        cache.put(first, b"first.", "tag", "image/jpeg")
        cache.put(second, b"second", "tag", "image/jpeg")
        assert _bytes(cache, second, "tag") == b"second"
        assert _bytes(cache, first, "tag") in (b"first.", None), f"{first} got the bytes of {second}"

    def test_a_key_below_another_entry(self, cache: Cache) -> None:
        """``a`` and ``a/b``: both are kept, or the second is refused and the first is as it was."""
        for first, second in (("one", "one/more"), ("two/more", "two")):
            cache.put(first, b"first", "tag", "image/jpeg")
            try:
                cache.put(second, b"second", "tag", "image/jpeg")
            except CacheError:
                assert cache.get(second, "tag") is None
            else:
                assert _bytes(cache, second, "tag") == b"second"
            assert _bytes(cache, first, "tag") == b"first"

    def test_round_trip(self, cache: Cache) -> None:
        """Whatever is put under any key is found under it and its tag only, and deleted by it."""

        @settings(max_examples=60, deadline=None, database=None)
        @given(KEYS, st.binary(min_size=1, max_size=2000), st.text("0123456789abcdef-.", min_size=1, max_size=60))
        def check(key: str, data: bytes, tag: str) -> None:
            # A key could lie above or below that of the previous example, which caches may refuse.
            key = f"entry/{key}"
            cache.put(key, data, tag, "image/jpeg")
            assert _bytes(cache, key, tag) == data
            assert cache.get(key, tag + "x") is None
            assert cache.delete(key) == 1
            assert cache.get(key, tag) is None

        check()

    def test_delete_stays_inside_the_prefix(self, cache: Cache) -> None:
        """``a`` and what is below ``a/`` go; ``ab``, ``a.b`` and ``b/a`` stay."""
        below = ("a/1", "a/2/3", "a/2/4/5")
        others = ("abc", "ab/1", "a.b/1", "b/a/1", "a%2F1", "a-/1", "a /1")
        for key in (*below, *others):
            cache.put(key, key.encode(), "tag", "image/jpeg")
        deleted = cache.delete("a")
        assert deleted == len(below), f"delete counted {deleted} entries instead of {len(below)}"
        for key in below:
            assert cache.get(key, "tag") is None, f"{key} is still there"
        for key in others:
            assert _bytes(cache, key, "tag") == key.encode(), f"{key} was deleted with a"
        assert cache.delete("a") == 0
        assert cache.delete("ab/1") == 1
        cache.put("a/1", b"again", "tag", "image/jpeg")
        assert _bytes(cache, "a/1", "tag") == b"again"

    def test_readers_never_see_half_an_entry(self, cache: Cache) -> None:
        """While an entry is overwritten again and again, every reader gets one of its contents, whole."""
        contents = [bytes([letter]) * (300_000 + 70_000 * number) for number, letter in enumerate(b"abc")]
        cache.put("photo.jpg/a.tif", contents[0], "tag", "image/tiff")
        wrong: list[str] = []
        until = time.monotonic() + 0.5

        def write(first: int) -> None:
            number = first
            while time.monotonic() < until:
                cache.put("photo.jpg/a.tif", contents[number % 3], "tag", "image/tiff")
                number += 1

        def read() -> None:
            while time.monotonic() < until and not wrong:
                try:
                    data = _bytes(cache, "photo.jpg/a.tif", "tag")
                except (ImageError, SourceError, CacheError):
                    continue  # an error is honest; a part is not
                if data not in (*contents, None):
                    wrong.append(f"{len(data or b'')} bytes of {sorted({*(data or b'')})}")

        _run([partial(write, 0), partial(write, 1), read, read, read])
        assert not wrong, f"a reader got {wrong[0]}"

    def test_an_open_entry_outlives_its_successor(self, cache: Cache) -> None:
        """A Blob gives the bytes that it was opened with, or an error; never the new ones."""
        cache.put("photo.jpg/a.tif", b"a" * 300_000, "tag", "image/tiff")
        with _open(cache, "photo.jpg/a.tif", "tag") as blob:
            cache.put("photo.jpg/a.tif", b"b" * 300_000, "tag", "image/tiff")
            cache.delete("photo.jpg")
            try:
                assert blob.read(100_000, 10) == b"a" * 10
            except (ImageError, SourceError, CacheError):
                return

    def test_threads_do_not_mix_entries(self, cache: Cache) -> None:
        """Several threads put and get entries of their own."""
        wrong: list[str] = []

        def work(name: str) -> None:
            for number in range(25):
                key, data = f"{name}/{number % 5}", f"{name}-{number}".encode() * 50
                cache.put(key, data, f"tag-{number}", "image/jpeg")
                if _bytes(cache, key, f"tag-{number}") != data:
                    wrong.append(key)

        _run([partial(work, name) for name in "abcdef"])
        assert not wrong

    def test_one_builder_a_key(self, cache: Cache) -> None:
        """Only one thread at a time is inside the lock of a key, and all get in after one another."""
        inside, most, entered = 0, 0, 0
        guard = threading.Lock()

        def build() -> None:
            nonlocal inside, most, entered
            with cache.lock("photo.jpg", 20) as mine:
                assert mine
                with guard:
                    inside += 1
                    entered += 1
                    most = max(most, inside)
                time.sleep(0.01)
                with guard:
                    inside -= 1

        _run([build] * 5)
        assert most == 1, f"{most} builders were inside at once"
        assert entered == 5

    def test_a_lock_is_not_waited_for_longer_than_asked(self, cache: Cache) -> None:
        """Others get False after their time; another key is free; the lock is free afterwards, also after an error."""
        with pytest.raises(ZeroDivisionError), cache.lock("photo.jpg", 5) as mine:
            assert mine
            answers: list[bool] = []

            def ask(key: str, seconds: float) -> None:
                with cache.lock(key, seconds) as other:
                    answers.append(other)

            for key, seconds in (("photo.jpg", 0), ("photo.jpg", 0.05), ("other.jpg", 0)):
                _run([partial(ask, key, seconds)])
            assert answers == [False, False, True]
            raise ZeroDivisionError
        with cache.lock("photo.jpg", 0) as mine:
            assert mine


def _open(cache: Cache, key: str, tag: str) -> Blob:
    blob = cache.get(key, tag)
    assert blob is not None, f"{key!r} was put but is not found"
    return blob


def _bytes(cache: Cache, key: str, tag: str) -> bytes | None:
    blob = cache.get(key, tag)
    if blob is None:
        return None
    with blob:
        return blob.read_all()


def _run(jobs: Sequence[Callable[[], None]]) -> None:
    """Run the jobs in threads, and raise the first error that one of them met."""
    errors: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]
