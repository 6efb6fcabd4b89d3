"""The Disk cache: what it leaves in its folder, and what it does when the folder fails it."""

import contextlib
import errno
import logging
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from iiifkit.caches import disk
from iiifkit.caches.disk import DiskCache, nanoseconds
from iiifkit.caches.hidden import DAY, JUST_MADE
from iiifkit.contracts import Location
from iiifkit.errors import CacheError, ConfigError
from iiifkit.hookspecs import Environment

KEY = "photo.jpg/0,0,512,512/256,256/0/default.jpg"


def everything(root: Path) -> list[Path]:
    """All files and folders below ``root``, though others may be removing some (which Path.rglob does not bear)."""
    return [Path(folder, name) for folder, folders, files in os.walk(root) for name in (*folders, *files)]


def contents(root: Path) -> list[str]:
    """Everything in the folder but the two empty folders that the cache keeps to itself."""
    found = {str(path.relative_to(root)) for path in everything(root)}
    return sorted(found - {".iiifkit", ".iiifkit/temporary", ".iiifkit/locks"})


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until, "it did not happen within five seconds"
        time.sleep(0.01)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    cache = DiskCache(tmp_path / "cache")
    yield cache
    cache.close()


def test_one_entry_is_one_readable_file(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(KEY, b"bytes", "tag", "image/jpeg")
    file = tmp_path / "cache" / KEY
    assert file.read_bytes() == b"bytes"
    assert file.stat().st_mode & 0o444 == 0o444 & ~umask()
    assert abs(file.stat().st_mtime - time.time()) < 5
    assert len([name for name in contents(tmp_path / "cache") if (tmp_path / "cache" / name).is_file()]) == 1
    assert cache.location == Location("file", str((tmp_path / "cache").resolve()))


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_entries_outlive_the_process(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(KEY, b"bytes", "tag", "image/jpeg")
    again = DiskCache(tmp_path / "cache")
    blob = again.get(KEY, "tag")
    assert blob is not None
    with blob:
        assert blob.read_all() == b"bytes"
        assert blob.path == tmp_path / "cache" / KEY


@pytest.mark.parametrize("damage", [b"", b"byte", b"bytes and more"])
def test_a_torn_entry_is_not_found(cache: DiskCache, tmp_path: Path, damage: bytes) -> None:
    cache.put(KEY, b"bytes", "tag", "image/jpeg")
    file = tmp_path / "cache" / KEY
    status = file.stat()
    file.write_bytes(damage)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.get(KEY, "tag") is None


def test_a_file_that_the_cache_did_not_write_is_not_found(cache: DiskCache, tmp_path: Path) -> None:
    for fraction in (0, 123_456_789, nanoseconds("other", "tag", 5)):
        file = tmp_path / "cache" / KEY
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"bytes")
        os.utime(file, ns=(0, 1_700_000_000_000_000_000 + fraction))
        assert cache.get(KEY, "tag") is None
    os.utime(file, ns=(0, 1_700_000_000_000_000_000 + nanoseconds(KEY, "tag", 5)))
    blob = cache.get(KEY, "tag")
    assert blob is not None
    blob.close()


def test_nanoseconds_are_kept_by_file_systems_that_keep_100() -> None:
    seen = {nanoseconds(KEY, f"tag {number}", number) for number in range(2000)}
    assert all(0 < value < 1_000_000_000 and value % 100 == 0 for value in seen)
    assert len(seen) > 1990


@pytest.mark.parametrize("special", ["fifo", "folder", "link to a folder", "broken link", "loop"])
def test_something_else_under_the_name_is_not_found(cache: DiskCache, tmp_path: Path, special: str) -> None:
    path = tmp_path / "cache" / "a"
    match special:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link to a folder":
            path.symlink_to(tmp_path)
        case "broken link":
            path.symlink_to(tmp_path / "missing")
        case "loop":
            path.symlink_to(path)
    spare = os.dup(0)
    assert cache.get("a", "tag") is None
    again = os.dup(0)
    os.close(spare)
    os.close(again)
    assert again == spare + 1, "a descriptor was left open"


def test_entries_expire_and_are_removed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, ttl=100)
    cache.put("old/a", b"bytes", "tag", "image/jpeg")
    status = (tmp_path / "old/a").stat()
    eventually(lambda: cache._room is not None and cache._room._worker is None)
    os.utime(tmp_path / "old/a", ns=(status.st_atime_ns, status.st_mtime_ns - 101 * 1_000_000_000))
    assert cache.get("old/a", "tag") is None
    assert DiskCache(tmp_path, ttl=200).get("old/a", "tag") is not None
    other = DiskCache(tmp_path, ttl=100)
    other.put("new", b"bytes", "tag", "image/jpeg")
    eventually(lambda: not (tmp_path / "old").exists())
    assert contents(tmp_path) == ["new"]


class TestRoom:
    def test_least_recently_used_goes_first(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path, limit=10_000)
        for number in range(10):
            cache.put(f"{number}/a", b"x" * 1000, "tag", "image/jpeg")
            age = 7200 * (10 - number) * 1_000_000_000
            status = (tmp_path / f"{number}/a").stat()
            os.utime(tmp_path / f"{number}/a", ns=(status.st_atime_ns - age, status.st_mtime_ns))
        for number in (0, 2):
            blob = cache.get(f"{number}/a", "tag")
            assert blob is not None
            blob.close()
        cache.put("new", b"x" * 1000, "tag", "image/jpeg")
        eventually(lambda: len(contents(tmp_path)) < 19)
        cache.close()
        assert [path for path in contents(tmp_path) if "/" in path or path == "new"] == [
            *(f"{number}/a" for number in (0, 2, 4, 5, 6, 7, 8, 9)),
            "new",
        ]
        assert not (tmp_path / "1").exists(), "a folder that became empty stays"

    def test_a_get_keeps_the_tag(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path, limit=10_000)
        cache.put("a", b"bytes", "tag", "image/jpeg")
        before = (tmp_path / "a").stat()
        os.utime(tmp_path / "a", ns=(before.st_atime_ns - 2 * 3600 * 1_000_000_000, before.st_mtime_ns))
        for _ in range(2):
            blob = cache.get("a", "tag")
            assert blob is not None
            blob.close()
        after = (tmp_path / "a").stat()
        assert after.st_mtime_ns == before.st_mtime_ns
        assert abs(after.st_atime - time.time()) < 5

    def test_entries_of_earlier_runs_count(self, tmp_path: Path) -> None:
        first = DiskCache(tmp_path)
        for number in range(30):
            first.put(f"old/{number}", b"x" * 1000, "tag", "image/jpeg")
        cache = DiskCache(tmp_path, limit=10_000)
        cache.put("new", b"x" * 1000, "tag", "image/jpeg")
        eventually(lambda: size(tmp_path) <= 10_000)
        assert cache.get("new", "tag") is not None

    def test_caches_that_share_a_folder_stay_near_the_limit(self, tmp_path: Path) -> None:
        caches = [DiskCache(tmp_path, limit=100_000) for _ in range(4)]
        for number in range(600):
            caches[number % 4].put(f"{number}", b"x" * 1000, "tag", "image/jpeg")
            time.sleep(0.0005)
        eventually(lambda: size(tmp_path) <= 130_000)

    def test_what_is_too_large_is_not_kept(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path / "cache", limit=10_000)
        cache.put("a", b"old", "tag", "image/jpeg")
        file = tmp_path / "large"
        file.write_bytes(b"x" * 10_001)
        cache.put("a", file, "tag", "image/tiff")
        cache.put("b", b"x" * 10_001, "tag", "image/tiff")
        assert cache.get("a", "tag") is None
        assert cache.get("b", "tag") is None
        assert file.exists()
        cache.close()
        assert contents(tmp_path / "cache") == []

    def test_the_caches_own_folder_is_not_cleared(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path, limit=10_000)
        stranger = tmp_path / ".iiifkit" / "temporary" / "being written"
        stranger.write_bytes(b"x" * 20_000)
        cache.put("a", b"x" * 5000, "tag", "image/jpeg")
        cache.close()
        assert stranger.exists()
        assert cache.get("a", "tag") is not None


def size(root: Path) -> int:
    total = 0
    for path in everything(root):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


class TestMovingIn:
    def test_across_file_systems(self, cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "built.tif"
        file.write_bytes(b"bytes" * 1000)
        replace = os.replace

        def refuse(source: str, target: str) -> None:
            if Path(source) == file:
                raise OSError(errno.EXDEV, "another file system")
            replace(source, target)

        monkeypatch.setattr(os, "replace", refuse)
        cache.put("a", file, "tag", "image/tiff")
        blob = cache.get("a", "tag")
        assert blob is not None
        with blob:
            assert blob.read_all() == b"bytes" * 1000
        assert not file.exists()

    def test_a_private_file_becomes_as_readable_as_the_others(self, cache: DiskCache, tmp_path: Path) -> None:
        file = tmp_path / "built.tif"
        file.write_bytes(b"bytes")
        file.chmod(0o600)
        cache.put("a", file, "tag", "image/tiff")
        cache.put("b", b"bytes", "tag", "image/tiff")
        root = tmp_path / "cache"
        assert (root / "a").stat().st_mode == (root / "b").stat().st_mode

    def test_what_a_link_leads_to_is_copied(self, cache: DiskCache, tmp_path: Path) -> None:
        (tmp_path / "original.tif").write_bytes(b"bytes")
        (tmp_path / "link.tif").symlink_to("original.tif")
        cache.put("a", tmp_path / "link.tif", "tag", "image/tiff")
        assert (tmp_path / "original.tif").read_bytes() == b"bytes"
        assert not (tmp_path / "cache" / "a").is_symlink()

    @pytest.mark.parametrize("what", ["folder", "fifo"])
    def test_only_files(self, cache: DiskCache, tmp_path: Path, what: str) -> None:
        path = tmp_path / what
        path.mkdir() if what == "folder" else os.mkfifo(path)
        with pytest.raises(CacheError):
            cache.put("a", path, "tag", "image/tiff")


class TestFailure:
    def test_a_refused_entry_leaves_nothing_behind(self, cache: DiskCache, tmp_path: Path) -> None:
        cache.put("a", b"bytes", "tag", "image/jpeg")
        cache.put("b/c", b"bytes", "tag", "image/jpeg")
        file = tmp_path / "built.tif"
        file.write_bytes(b"bytes")
        for key in ("a/b", "a/b/c", "b"):
            with pytest.raises(CacheError, match="another entry"):
                cache.put(key, b"bytes", "tag", "image/jpeg")
            with pytest.raises(CacheError, match="another entry"):
                cache.put(key, file, "tag", "image/jpeg")
        assert file.exists()
        assert contents(tmp_path / "cache") == ["a", "b", "b/c"]

    def test_a_full_disk(self, cache: DiskCache, tmp_path: Path) -> None:
        """The limit on the size of files makes the kernel stop a write in the middle, as a full disk does."""
        cache.put("a", b"old", "tag", "image/jpeg")
        file = tmp_path / "built.tif"
        file.write_bytes(b"x" * 200_000)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(CacheError) as caught:
                cache.put("a", b"x" * 200_000, "tag", "image/jpeg")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert str(tmp_path) not in str(caught.value)
        assert contents(tmp_path / "cache") == ["a"]
        blob = cache.get("a", "tag")
        assert blob is not None
        with blob:
            assert blob.read_all() == b"old"

    def test_no_space_is_said(self, cache: DiskCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(CacheError, match="full"):
            cache.put("a", b"bytes", "tag", "image/jpeg")
        monkeypatch.undo()
        assert contents(tmp_path / "cache") == []

    def test_the_folder_is_removed_while_running(self, cache: DiskCache, tmp_path: Path) -> None:
        import shutil

        cache.put("a/b", b"bytes", "tag", "image/jpeg")
        shutil.rmtree(tmp_path / "cache")
        assert cache.get("a/b", "tag") is None
        assert cache.delete("a") == 0
        with cache.lock("a", 0) as mine:
            assert mine
        shutil.rmtree(tmp_path / "cache")
        cache.put("a/b", b"bytes", "tag", "image/jpeg")
        assert cache.get("a/b", "tag") is not None

    def test_a_folder_that_is_a_file(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "cache").write_text("not a folder")
        with caplog.at_level(logging.WARNING, "iiifkit"):
            cache = DiskCache(tmp_path / "cache", limit=1000)
            for _ in range(3):
                assert cache.get("a", "tag") is None
                with pytest.raises(CacheError):
                    cache.put("a", b"bytes", "tag", "image/jpeg")
                with cache.lock("a", 0) as mine:
                    assert mine
        assert len(caplog.records) == 1

    def test_a_folder_that_cannot_be_written_is_still_read(
        self, cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.put("a", b"bytes", "tag", "image/jpeg")
        opened = os.open

        def read_only(path: str, flags: int, *more: object, **named: object) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                raise OSError(errno.EROFS, "Read-only file system")
            return opened(path, flags, *more, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", read_only)
        again = DiskCache(tmp_path / "cache")
        blob = again.get("a", "tag")
        assert blob is not None
        with blob:
            assert blob.read_all() == b"bytes"
        with pytest.raises(CacheError):
            again.put("b", b"bytes", "tag", "image/jpeg")
        with pytest.raises(CacheError):
            cache.put("b", b"bytes", "tag", "image/jpeg")
        assert len(caplog.records) == 1

    def test_a_file_system_that_keeps_seconds_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        utime = os.utime

        def coarse(path: Path, times: None = None, ns: tuple[int, int] = (0, 0)) -> None:
            utime(path, ns=(ns[0] // 10**9 * 10**9, ns[1] // 10**9 * 10**9))

        monkeypatch.setattr(os, "utime", coarse)
        cache = DiskCache(tmp_path)
        with pytest.raises(CacheError):
            cache.put("a", b"bytes", "tag", "image/jpeg")
        assert cache.get("a", "tag") is None
        assert len(caplog.records) == 1
        assert "100 ns" in caplog.text

    def test_no_descriptors_left(self, cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
        cache.put("a", b"bytes", "tag", "image/jpeg")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
        try:
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.open(os.devnull, os.O_RDONLY))
            with pytest.raises(CacheError):
                cache.get("a", "tag")
            with pytest.raises(CacheError):
                cache.put("b", b"bytes", "tag", "image/jpeg")
        finally:
            for descriptor in held:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    @pytest.mark.parametrize("key", ["", "..", "../outside", "/etc/passwd", "a/../../outside", "a//b"])
    def test_a_key_never_leads_out(self, cache: DiskCache, tmp_path: Path, key: str) -> None:
        for use in (
            lambda: cache.put(key, b"bytes", "tag", "image/jpeg"),
            lambda: cache.get(key, "tag"),
            lambda: cache.delete(key),
        ):
            with pytest.raises(CacheError):
                use()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]

    def test_delete_does_not_follow_links(self, cache: DiskCache, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "precious").write_bytes(b"bytes")
        (tmp_path / "cache" / "a").mkdir()
        (tmp_path / "cache" / "a" / "link").symlink_to(tmp_path / "outside")
        (tmp_path / "cache" / "b").symlink_to(tmp_path / "outside")
        assert cache.delete("a") == 0
        for key in ("a/link", "a/link/precious", "b", "b/precious"):
            with pytest.raises(CacheError, match="outside"):
                cache.delete(key)
        assert (tmp_path / "outside" / "precious").exists()

    def test_delete_keeps_the_caches_own_folder(self, cache: DiskCache, tmp_path: Path) -> None:
        assert cache.delete(".iiifkit") == 0
        assert cache.delete(".iiifkit/locks") == 0
        assert (tmp_path / "cache" / ".iiifkit" / "locks").is_dir()


class TestStart:
    def test_stale_temporary_files_go(self, cache: DiskCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "cache" / ".iiifkit" / "temporary"
        abandoned, written = folder / "abandoned", folder / "written"
        abandoned.write_bytes(b"half")
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT)
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
        now = time.time()
        DiskCache(tmp_path / "cache")
        assert abandoned.exists(), "a file of the last moment may have a writer that has not locked it yet"
        monkeypatch.setattr(time, "time", lambda: now + JUST_MADE + 1)
        DiskCache(tmp_path / "cache")
        assert not abandoned.exists()
        assert written.exists()
        monkeypatch.setattr(time, "time", lambda: now + DAY + 1)
        DiskCache(tmp_path / "cache")
        assert not written.exists()
        os.close(descriptor)

    def test_lock_files_of_the_dead_go(self, cache: DiskCache, tmp_path: Path) -> None:
        folder = tmp_path / "cache" / ".iiifkit" / "locks"
        (folder / "dead").touch()
        with cache.lock("alive", 0) as mine:
            assert mine
            again = DiskCache(tmp_path / "cache")
            assert len(list(folder.iterdir())) == 1
            with again.lock("alive", 0) as other:
                assert not other
        assert list(folder.iterdir()) == []

    def test_options(self, tmp_path: Path) -> None:
        options = msgspec.convert({"path": str(tmp_path / "a/b"), "ttl": 300, "limit": 0.5}, disk.DiskOptions)
        cache = disk.build(options, Environment("derivatives"))
        assert (tmp_path / "a/b").is_dir()
        cache.put("a", b"x" * 600_000, "tag", "image/jpeg")
        assert cache.get("a", "tag") is None
        with pytest.raises(ConfigError, match=r"derivatives\.cache\.path"):
            disk.build(disk.DiskOptions(path=""), Environment("derivatives"))
        for wrong in ({}, {"path": "a", "limit": -1}, {"path": "a", "ttl": -1}, {"path": "a", "pfad": "b"}):
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(wrong, disk.DiskOptions)


def hold_and_die(folder: Path, held: "multiprocessing.synchronize.Event") -> None:
    with DiskCache(folder).lock("photo.jpg", 0) as mine:
        assert mine
        held.set()
        time.sleep(60)


class TestLocksAmongProcesses:
    def test_a_lock_of_a_process_that_died_is_free(self, cache: DiskCache, tmp_path: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        held = spawn.Event()
        process = spawn.Process(target=hold_and_die, args=(tmp_path / "cache", held))
        process.start()
        assert held.wait(20)
        with cache.lock("photo.jpg", 0.05) as mine:
            assert not mine
        with cache.lock("other.jpg", 0) as mine:
            assert mine
        waited = threading.Timer(0.2, process.kill)
        waited.start()
        with cache.lock("photo.jpg", 10) as mine:
            assert mine
        process.join()

    def test_two_caches_of_one_folder_do_not_both_build(self, tmp_path: Path) -> None:
        caches = [DiskCache(tmp_path) for _ in range(3)]
        inside: list[int] = []
        most = []

        def build(cache: DiskCache) -> None:
            for _ in range(10):
                with cache.lock("photo.jpg", 20) as mine:
                    assert mine
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.001)
                    inside.pop()

        threads = [threading.Thread(target=build, args=(cache,)) for cache in caches for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(most) == 60
        assert max(most) == 1
        assert list((tmp_path / ".iiifkit" / "locks").iterdir()) == []


def test_putting_while_folders_vanish(cache: DiskCache) -> None:
    """Deleting removes the folder that another thread is about to put an entry in."""
    errors: list[Exception] = []

    def put() -> None:
        try:
            for number in range(200):
                cache.put(f"a/b/{number % 3}", b"bytes", "tag", "image/jpeg")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=put) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        cache.delete("a")
    assert errors == []


def test_a_file_system_that_folds_case(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys in one file: the last put is found, the other is a miss, and nobody gets another's bytes."""
    real = disk.relative_path
    monkeypatch.setattr(disk, "relative_path", lambda key, strict: real(key, strict).lower())
    for first, second in (("photo.jpg/a", "Photo.JPG/a"), ("Photo.JPG/a", "photo.jpg/a")):
        cache.put(first, b"first.", "tag", "image/jpeg")
        cache.put(second, b"second", "tag", "image/jpeg")
        assert cache.get(first, "tag") is None
        blob = cache.get(second, "tag")
        assert blob is not None
        with blob:
            assert blob.read_all() == b"second"
