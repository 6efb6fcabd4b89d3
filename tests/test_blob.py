"""Random-access bytes: in memory, in files, and behind a cache of blocks."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.blob import Blob, Buffered, BytesBlob, FileBlob, clip, file_version
from iiifkit.errors import BrokenImage
from iiifkit.opened_file import READ_FLAGS, OpenedFile, checked

DATA = bytes(range(256)) * 40
OFFSETS = st.integers(0, len(DATA) + 50)
LENGTHS = st.integers(0, len(DATA) + 50)


class Counting(BytesBlob):
    """Remembers which reads reached it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, "version")
        self.reads: list[tuple[int, int]] = []
        self.closed = 0

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return super().read(offset, length)

    def close(self) -> None:
        self.closed += 1


@given(OFFSETS, LENGTHS, st.integers(0, 10_000))
def test_clip_counts_what_a_slice_has(offset: int, length: int, size: int) -> None:
    assert clip(offset, length, size) == len(bytes(size)[offset : offset + length])


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
def test_negative_offsets_and_lengths(offset: int, length: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    with FileBlob(tmp_path / "file") as file:
        for blob in (BytesBlob(DATA, "v"), file, Buffered(BytesBlob(DATA, "v"))):
            with pytest.raises(ValueError, match="negative"):
                blob.read(offset, length)


@given(st.lists(st.tuples(OFFSETS, LENGTHS), max_size=12), st.integers(1, 3000), st.integers(1, 8))
def test_buffered_reads_are_the_bytes_themselves(reads: list[tuple[int, int]], block: int, blocks: int) -> None:
    inner = Counting(DATA)
    with Buffered(inner, block, blocks) as blob:
        for offset, length in reads:
            assert blob.read(offset, length) == DATA[offset : offset + length]
            assert len(blob._blocks) <= blocks
            assert sum(map(len, blob._blocks.values())) <= block * blocks
        assert blob.read_all() == DATA
    assert inner.closed == 1


def test_buffered_turns_crumbs_into_few_reads() -> None:
    inner = Counting(DATA)
    blob = Buffered(inner, 1000)
    for offset in range(0, 5000, 7):
        blob.read(offset, 20)
    assert len(inner.reads) == 6
    inner.reads.clear()
    assert blob.read(4500, 4000) == DATA[4500:8500]
    assert inner.reads == [(6000, 3000)], "blocks that are there were fetched again, or a run was split"


def test_buffered_keeps_what_was_used_last() -> None:
    inner = Counting(DATA)
    blob = Buffered(inner, 1000, 3)
    for block in (0, 1, 2, 0, 3, 0, 1):
        blob.read(block * 1000, 10)
    assert [offset // 1000 for offset, _ in inner.reads] == [0, 1, 2, 3, 1]


def test_buffered_passes_long_reads_on() -> None:
    inner = Counting(DATA)
    blob = Buffered(inner, 1000, 3)
    assert blob.read(500, 8000) == DATA[500:8500]
    assert inner.reads == [(500, 8000)]
    assert not blob._blocks


def test_buffered_is_the_blob_underneath(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    inner = FileBlob(tmp_path / "file")
    inner.remote = True
    blob = Buffered(inner)
    for name in ("size", "version", "modified", "path", "remote"):
        assert getattr(blob, name) == getattr(inner, name)
    blob.close()
    with pytest.raises(OSError, match="descriptor"):
        inner.read(0, 1)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with FileBlob(path) as blob:
        assert blob.size == len(DATA)
        assert blob.path == path
        assert blob.modified == path.stat().st_mtime
        assert blob.version == file_version(path.stat())
        assert blob.read_all() == DATA
        assert blob.read(10, 5) == DATA[10:15]
        assert blob.read(len(DATA) - 2, 5) == DATA[-2:]
        assert blob.read(len(DATA), 5) == b""
        blob.close()
    blob.close()


def test_a_file_that_is_replaced_stays_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with FileBlob(path) as blob:
        (tmp_path / "new").write_bytes(b"new" * 1000)
        (tmp_path / "new").replace(path)
        assert blob.read_all() == DATA
        with FileBlob(path) as other:
            assert other.version != blob.version


def test_a_file_that_becomes_shorter_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with FileBlob(path) as blob:
        os.truncate(path, 100)
        assert blob.read(0, 100) == DATA[:100]
        for offset, length in ((0, 101), (200, 1)):
            with pytest.raises(BrokenImage):
                blob.read(offset, length)


def test_versions_of_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    status = path.stat()
    seen = {file_version(status)}
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 100))
    seen.add(file_version(path.stat()))
    path.write_bytes(b"ab")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    seen.add(file_version(path.stat()))
    (tmp_path / "new").write_bytes(b"a")
    os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new").replace(path)
    seen.add(file_version(path.stat()))
    assert len(seen) == 4


def test_bytes_are_not_copied() -> None:
    blob = BytesBlob(DATA, "version", 5.0)
    assert blob.read_all() is DATA
    assert (blob.size, blob.version, blob.modified, blob.path, blob.remote) == (len(DATA), "version", 5.0, None, False)


@pytest.mark.parametrize("kind", ["file", "buffered"])
def test_threads_read_at_once(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(DATA * 20)
    file = FileBlob(tmp_path / "file")
    blob: Blob = file if kind == "file" else Buffered(file, 500, 4)
    wrong: list[int] = []

    def read(first: int) -> None:
        offsets = range(first, len(DATA) * 19, 997)
        wrong.extend(at for at in offsets if blob.read(at, 700) != (DATA * 2)[at % len(DATA) :][:700])

    threads = [threading.Thread(target=read, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blob.close()
    assert not wrong


def test_an_opened_file_tells_once_that_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    descriptor = os.open(path, READ_FLAGS)
    closed: list[int] = []
    blob = OpenedFile(descriptor, path, checked(descriptor), lambda: closed.append(1))
    with FileBlob(path) as same:
        assert (blob.size, blob.version, blob.modified, blob.path) == (same.size, same.version, same.modified, path)
    assert blob.read(5, 5) == DATA[5:10]
    blob.close()
    blob.close()
    del blob
    assert closed == [1]


def test_only_regular_files_are_checked_through(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path(os.devnull)):
        descriptor = os.open(path, READ_FLAGS)
        with pytest.raises(FileNotFoundError):
            checked(descriptor)
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(descriptor)
