"""Truncated, lying and hostile TIFF directories: a clear error, little memory, few reads."""

import io
import struct
import tracemalloc

import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_pyramid import Counted, grid, photograph, pyramid, read
from test_pyramid_strangers import directories, edited, pixels

from iiifkit.blob import Blob, BytesBlob
from iiifkit.errors import BrokenImage, ImageError
from iiifkit.pyramid import PyramidIndex, read_index, slice_tile

VALID = pyramid(photograph(500, 400), tile_width=128, tile_height=128)
NESTED = pyramid(photograph(500, 400), tile_width=128, tile_height=128, subifd=True)
BIG = pyramid(photograph(500, 400), tile_width=128, tile_height=128, bigtiff=True)
MOST_MEMORY = 4 * 1024 * 1024
MOST_READS = 500


class Sparse(Blob):
    """Bytes followed by as many zeros as one likes."""

    version = "1"

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return self.data[offset : offset + length].ljust(length, b"\0")


def opened(blob: Blob) -> PyramidIndex | None:
    """The index, made with few reads and little memory, whether it succeeds or not."""
    counted = Counted(blob)
    tracemalloc.start()
    try:
        return read_index(counted)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST_MEMORY
        assert len(counted.reads) < MOST_READS


def explore(data: bytes) -> None:
    """Open a file and slice all that it promises; the only errors are those that are promised."""
    blob = BytesBlob(data, "1")
    try:
        index = read_index(blob)
    except BrokenImage:
        return
    if index is None or index.width > 4096 or index.height > 4096:
        return
    if not index.qualities:
        return
    for found in filter(None, (index.find(plan) for *_, plan in grid(index.width, index.height, index.tile[0]))):
        try:
            jpeg = slice_tile(index, found, blob)
        except ImageError:
            continue
        assert jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")


def chained(count: int, then: int) -> bytes:
    """A tiled picture followed by ``count`` reduced ones that are copied from it, then by the directory ``then``."""
    data = bytearray(VALID)
    first = directories(VALID)[0]
    (entries,) = struct.unpack_from("<H", data, first)
    body = bytes(data[first : first + 2 + 12 * entries])
    kind = struct.pack("<HHII", 254, 4, 1, 1)
    last = first + 2 + 12 * entries
    for _ in range(count):
        struct.pack_into("<I", data, last, len(data))
        data += struct.pack("<H", entries + 1) + kind + body[2:]
        last = len(data)
        data += bytes(4)
    struct.pack_into("<I", data, last, then)
    return bytes(data)


def test_the_valid_files_are_valid() -> None:
    for data in (VALID, NESTED, BIG):
        index = opened(BytesBlob(data, "1"))
        assert index is not None and len(index.levels) == 3 and index.qualities
    assert opened(BytesBlob(chained(62, 0), "1")) is not None


@pytest.mark.parametrize("size", [*range(4, 17), 100, 5000, len(VALID) - 1, len(VALID) - 600, len(VALID) - 2000])
def test_truncated_directories_are_errors(size: int) -> None:
    with pytest.raises(BrokenImage):
        opened(BytesBlob(VALID[:size], "1"))


@pytest.mark.parametrize("data", [b"", b"I", b"II*", b"\0" * 50, b"II\0*" + b"\0" * 30, b"MM*\0" + b"\0" * 30])
def test_what_does_not_begin_as_a_tiff_is_none(data: bytes) -> None:
    assert read_index(BytesBlob(data, "1")) is None


@pytest.mark.parametrize("tenths", range(1, 10))
def test_every_tile_of_a_truncated_file_is_whole_or_an_error(tenths: int) -> None:
    target = io.BytesIO()
    tifffile.imwrite(target, pixels(side=500), tile=(128, 128), compression="jpeg", photometric="rgb", metadata=None)
    whole = target.getvalue()
    data = whole[: len(whole) * tenths // 10]
    index = read(data)
    for *_, plan in grid(500, 500, 128):
        found = index.find(plan)
        if found is None:
            continue
        if found.offset + found.length <= len(data):
            assert slice_tile(index, found, BytesBlob(data, "1")) == slice_tile(index, found, BytesBlob(whole, "1"))
        else:
            with pytest.raises(BrokenImage, match="does not lie in it"):
                slice_tile(index, found, BytesBlob(data, "1"))


class Shrunk(Blob):
    """A file that lost its end after it was opened."""

    version = "1"

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


def test_a_file_that_becomes_shorter_is_an_error() -> None:
    index = read(VALID)
    found = index.find(next(grid(500, 400, 128))[3])
    assert found is not None
    for keep in (found.offset, found.offset + found.length - 1):
        blob = Shrunk(VALID[:keep], len(VALID))
        with pytest.raises(BrokenImage, match="shorter"):
            slice_tile(index, found, blob)
        with pytest.raises(BrokenImage, match="shorter"):
            opened(blob)


@pytest.mark.parametrize("offset", [0, 1, 7, len(VALID), len(VALID) - 1, 2**32 - 1, 2**31])
def test_a_first_directory_outside_the_file_is_an_error(offset: int) -> None:
    with pytest.raises(BrokenImage):
        opened(BytesBlob(VALID[:4] + struct.pack("<I", offset) + VALID[8:], "1"))


def test_a_directory_past_the_end_is_not_asked_for() -> None:
    counted = Counted(BytesBlob(VALID[:4] + struct.pack("<I", 2**31) + VALID[8:], "1"))
    with pytest.raises(BrokenImage, match="past its own end"):
        read_index(counted)
    assert len(counted.reads) == 1


@pytest.mark.parametrize("offset", [16, len(BIG), 2**63, 2**64 - 1])
def test_a_first_directory_outside_a_big_file_is_an_error(offset: int) -> None:
    with pytest.raises(BrokenImage):
        opened(BytesBlob(BIG[:8] + struct.pack("<Q", offset) + BIG[16:], "1"))


def test_a_header_of_neither_kind_is_an_error() -> None:
    with pytest.raises(BrokenImage, match="BigTIFF"):
        opened(BytesBlob(BIG[:4] + struct.pack("<HH", 4, 0) + BIG[8:], "1"))


@pytest.mark.parametrize(("count", "then"), [(0, 0), (1, 1), (40, 0), (40, 5), (62, 62)])
def test_directories_that_run_in_circles_are_errors(count: int, then: int) -> None:
    straight = chained(count, 0)
    with pytest.raises(BrokenImage, match="circles"):
        opened(BytesBlob(chained(count, directories(straight)[then]), "1"))


@pytest.mark.parametrize("count", [64, 1000])
def test_too_many_directories_are_an_error(count: int) -> None:
    with pytest.raises(BrokenImage, match="too many"):
        opened(BytesBlob(chained(count, 0), "1"))


def test_sub_directories_that_point_back_are_harmless() -> None:
    offset = directories(NESTED)[0]
    (count, place) = struct.unpack_from("<II", NESTED, _entry(NESTED, 330) + 4)
    data = bytearray(NESTED)
    struct.pack_into(f"<{count}I", data, place, *[offset] * count)
    index = opened(BytesBlob(bytes(data), "1"))
    assert index is not None and len(index.levels) == 1


def _entry(data: bytes, tag: int) -> int:
    offset = directories(data)[0]
    (count,) = struct.unpack_from("<H", data, offset)
    return next(place for n in range(count) if struct.unpack_from("<H", data, place := offset + 2 + 12 * n) == (tag,))


@pytest.mark.parametrize(
    ("tag", "position", "value"),
    [
        (256, 8, 0),
        (256, 8, 2**32 - 1),
        (256, 8, 2**31),
        (256, 8, 128 * 2**24 + 1),
        (256, 8, 513),
        (257, 8, 0),
        (257, 8, 2**31),
        (322, 8, 0),
        (322, 8, 1),
        (322, 8, 64),
        (323, 8, 0),
        (324, 4, 0),
        (324, 4, 15),
        (324, 4, 17),
        (324, 4, 2**30),
        (324, 4, 2**32 - 1),
        (324, 8, 2**32 - 1),
        (325, 4, 15),
        (325, 4, 2**32 - 1),
        (325, 8, len(VALID) - 10),
        (258, 4, 2**32 - 1),
        (258, 8, 2**32 - 1),
        (339, 4, 2**20),
        (347, 4, 2**32 - 1),
        (347, 4, 100_000),
        (347, 4, 3),
        (347, 4, 100),
        (347, 8, 0),
        (347, 8, 2**32 - 5),
        (256, 4, 2**31),
        (277, 8, 2**15),
    ],
)
def test_lying_entries_are_errors(tag: int, position: int, value: int) -> None:
    layout = "<H" if tag == 277 else "<I"
    kind = struct.unpack_from("<H", VALID, _entry(VALID, tag) + 2)[0]
    widened = position == 8 and kind == 3 and value > 65_535
    data = edited(VALID, 0, tag, "<H", 2, 4) if widened else VALID
    lying = edited(data, 0, tag, layout, position, value)
    if tag == 277:
        lying = edited(lying, 0, 284, "<H", 8, 2)
    with pytest.raises(BrokenImage):
        opened(BytesBlob(lying, "1"))


@pytest.mark.parametrize("tag", [256, 259, 277, 322, 324, 325])
@pytest.mark.parametrize("type", [0, 2, 5, 7, 12, 255, 65_535])
def test_numbers_of_another_type_are_errors(tag: int, type: int) -> None:
    with pytest.raises(BrokenImage):
        opened(BytesBlob(edited(VALID, 0, tag, "<H", 2, type), "1"))


@pytest.mark.parametrize("count", [65, 10**9, 2**32 - 1])
def test_too_many_sub_directories_are_an_error(count: int) -> None:
    with pytest.raises(BrokenImage):
        opened(BytesBlob(edited(NESTED, 0, 330, "<I", 4, count), "1"))


def test_a_sub_directory_past_the_end_is_an_error() -> None:
    (_, place) = struct.unpack_from("<II", NESTED, _entry(NESTED, 330) + 4)
    with pytest.raises(BrokenImage):
        opened(BytesBlob(NESTED[:place] + struct.pack("<I", len(NESTED) + 5) + NESTED[place + 4 :], "1"))


@pytest.mark.parametrize("count", [0, 5000, 65_535])
def test_absurd_numbers_of_entries_are_errors(count: int) -> None:
    offset = directories(VALID)[0]
    data = VALID[:offset] + struct.pack("<H", count) + VALID[offset + 2 :]
    with pytest.raises(BrokenImage):
        opened(Sparse(data, 10**9))


@pytest.mark.parametrize("count", [4097, 2**40, 2**64 - 1])
def test_absurd_numbers_of_entries_in_a_big_file_are_errors(count: int) -> None:
    (offset,) = struct.unpack_from("<Q", BIG, 8)
    data = BIG[:offset] + struct.pack("<Q", count) + BIG[offset + 8 :]
    with pytest.raises(BrokenImage, match="entries"):
        opened(Sparse(data, 2**62))


def test_a_billion_tiles_are_an_error_even_if_the_file_is_large_enough() -> None:
    data = VALID
    for tag, value in ((256, 128 * 2**15), (257, 128 * 2**15)):
        data = edited(edited(data, 0, tag, "<H", 2, 4), 0, tag, "<I", 8, value)
    for tag in (324, 325):
        data = edited(data, 0, tag, "<I", 4, 2**30)
    with pytest.raises(BrokenImage, match="1073741824 tiles"):
        opened(Sparse(data, 2**40))


def test_many_tiles_that_the_file_has_room_for_are_not_kept_in_memory() -> None:
    data = VALID
    for tag, value in ((256, 128 * 2**12), (257, 128 * 2**12)):
        data = edited(edited(data, 0, tag, "<H", 2, 4), 0, tag, "<I", 8, value)
    for tag in (324, 325):
        data = edited(data, 0, tag, "<I", 4, 2**24)
    index = opened(Sparse(data, 2**40))
    assert index is not None
    assert index.levels[0].columns * index.levels[0].rows == 2**24
    assert not index.levels[0].sliceable


@pytest.mark.parametrize("tag", [256, 258, 262, 339, 347])
def test_a_million_values_where_few_belong_are_an_error(tag: int) -> None:
    with pytest.raises(BrokenImage):
        opened(Sparse(edited(VALID, 0, tag, "<I", 4, 10**6), 2**40))


def test_a_large_profile_is_not_read() -> None:
    data = pyramid(photograph(500, 400).icc_transform("srgb", input_profile="srgb"))
    assert read(data).qualities
    counted = Counted(Sparse(edited(data, 0, 34675, "<I", 4, 10**9), 2**40))
    index = read_index(counted)
    assert index is not None and not index.qualities
    assert all(length <= 16 * 1024 for _, length in counted.reads)


@pytest.mark.parametrize(("place", "value"), [("offset", 2**32 - 100), ("length", 2**32 - 100), ("length", 2**25)])
def test_a_tile_outside_the_file_is_an_error(place: str, value: int) -> None:
    data = VALID
    (where,) = struct.unpack_from("<I", data, _entry(data, 324 if place == "offset" else 325) + 8)
    tag_type = struct.unpack_from("<H", data, _entry(data, 325) + 2)[0]
    if place == "length":
        assert tag_type in (3, 4)
        data = edited(data, 0, 325, "<H", 2, 4)
        data = edited(data, 0, 325, "<I", 8, len(data))
        data += struct.pack("<16I", *[value] * 16)
    else:
        data = data[:where] + struct.pack("<I", value) + data[where + 4 :]
    blob = Sparse(data, 2**30)
    index = opened(blob)
    assert index is not None
    found = index.find(next(grid(500, 400, 128))[3])
    assert found is not None and value in (found.offset, found.length)
    tracemalloc.start()
    with pytest.raises(BrokenImage):
        slice_tile(index, found, blob)
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    tracemalloc.stop()


@settings(max_examples=150, deadline=None)
@given(header=st.sampled_from([VALID[:4], b"MM\0*", BIG[:8], b"MM\0+\0\x08\0\0"]), body=st.binary(max_size=600))
@example(header=VALID[:4], body=b"\x08\0\0\0\1\0" + bytes(16))
def test_random_bytes_after_a_header(header: bytes, body: bytes) -> None:
    try:
        opened(BytesBlob(header + body, "1"))
    except BrokenImage as error:
        assert str(error).endswith(".")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(
    file=st.sampled_from([VALID, NESTED, BIG]),
    changes=st.lists(st.tuples(st.integers(0, 420), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
    level=st.integers(0, 2),
)
def test_random_changes_of_a_directory(file: bytes, changes: list[tuple[int, bytes]], level: int) -> None:
    levels = [struct.unpack_from("<Q" if file is BIG else "<I", file, 8 if file is BIG else 4)[0]]
    if file is VALID:
        levels = directories(file)
    data = bytearray(file)
    for position, change in changes:
        start = levels[level % len(levels)] + position
        data[start : start + len(change)] = change
    explore(bytes(data[: len(file)]))


@settings(max_examples=100, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=60))
def test_random_changes_anywhere(changes: list[tuple[int, int]]) -> None:
    data = bytearray(VALID)
    for position, value in changes:
        data[position] = value
    explore(bytes(data))
