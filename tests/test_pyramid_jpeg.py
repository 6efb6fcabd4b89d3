"""JPEG tiles made complete, and profiles recognized as sRGB, piece by piece."""

import io
import struct

import pictures
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from test_pyramid import decoded, photograph

from iiifkit.errors import BrokenImage, ImageError, UnsupportedImage
from iiifkit.icc import is_srgb
from iiifkit.pyramid.jpeg import GRAY, RGB, YCBCR, SharedTables


def encoded(bands: int = 3, side: int = 128, **options: object) -> bytes:
    """A complete JPEG by Pillow."""
    target = io.BytesIO()
    picture = Image.fromarray(photograph(side, side, bands).numpy())
    picture.save(target, "JPEG", quality=80, **options)
    return target.getvalue()


def split(jpeg: bytes) -> tuple[bytes, bytes]:
    """A complete JPEG as TIFF stores it: its tables, and the rest."""
    tables, rest, position = b"", b"", 2
    while jpeg[position + 1] != 0xDA:
        end = position + 2 + struct.unpack_from(">H", jpeg, position + 2)[0]
        if jpeg[position + 1] in (0xC4, 0xDB):
            tables += jpeg[position:end]
        else:
            rest += jpeg[position:end]
        position = end
    return b"\xff\xd8" + tables + b"\xff\xd9", b"\xff\xd8" + rest + jpeg[position:]


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + struct.pack(">H", len(payload) + 2) + payload


def with_segment(tile: bytes, marker: int, payload: bytes) -> bytes:
    return tile[:2] + segment(marker, payload) + tile[2:]


TABLES, TILE = split(encoded())
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
SHARED = SharedTables.read(TABLES, 128, YCBCR)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}, {"subsampling": 0}])
@pytest.mark.parametrize("bands", [1, 3])
def test_split_and_joined_again_it_shows_the_same(bands: int, options: dict[str, object]) -> None:
    jpeg = encoded(bands, **options)
    tables, tile = split(jpeg)
    joined = SharedTables.read(tables, 128, YCBCR if bands == 3 else GRAY).complete(tile)
    assert decoded(joined) == decoded(jpeg)
    assert b"JFIF" not in joined


def test_a_tile_with_tables_of_its_own_needs_none() -> None:
    jpeg = encoded()
    assert decoded(SharedTables.read(b"", 128, YCBCR).complete(jpeg)) == decoded(jpeg)


def test_its_own_tables_come_after_the_shared_ones() -> None:
    other, _ = split(encoded(1))
    jpeg = encoded()
    assert decoded(SharedTables.read(other, 128, YCBCR).complete(jpeg)) == decoded(jpeg)


@pytest.mark.parametrize("transform", [RGB, YCBCR])
@pytest.mark.parametrize(
    "lie", [JFIF, segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"), segment(0xEE, b"Adobe\0\x64\0\0\0\0\1"), b""]
)
def test_the_directory_decides_what_components_mean(transform: int, lie: bytes) -> None:
    tile = TILE[:2] + lie + TILE[2:]
    jpeg = SharedTables.read(TABLES, 128, transform).complete(tile)
    assert jpeg == SharedTables.read(TABLES, 128, transform).complete(TILE)
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.info == {"adobe": 100, "adobe_transform": transform}
    stored = Image.open(io.BytesIO(encoded()))
    stored.draft("YCbCr", None)
    expected = stored.tobytes() if transform == RGB else Image.open(io.BytesIO(encoded())).tobytes()
    assert decoded(jpeg) == [expected, expected]


@pytest.mark.parametrize("marker", [*range(0xE0, 0xF0), 0xFE])
def test_application_segments_and_comments_are_dropped(marker: int) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    assert SHARED.complete(with_segment(TILE, marker, exif)) == SHARED.complete(TILE)


def test_of_the_tables_only_tables_count() -> None:
    others = segment(0xDD, b"\0\1") + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + JFIF + segment(0xFE, b"hello")
    assert SharedTables.read(TABLES[:2] + others + TABLES[2:], 128, YCBCR) == SHARED


@pytest.mark.parametrize("padding", [b"\0", b"\0\0\0", b" " * 50])
def test_padding_behind_a_tile_is_dropped(padding: bytes) -> None:
    assert SHARED.complete(TILE + padding) == SHARED.complete(TILE)


def test_filling_before_a_marker_is_allowed() -> None:
    assert SHARED.complete(TILE[:2] + b"\xff\xff" + TILE[2:]) == SHARED.complete(TILE)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 10, 25, 40, len(TILE) // 2, len(TILE) - 2, len(TILE) - 1])
def test_a_truncated_tile_is_an_error(size: int) -> None:
    with pytest.raises(BrokenImage):
        SHARED.complete(TILE[:size])


@pytest.mark.parametrize("side", [112, 144, 256])
def test_a_tile_of_another_size_is_an_error(side: int) -> None:
    with pytest.raises(BrokenImage, match="size"):
        SharedTables.read(TABLES, side, YCBCR).complete(TILE)


def test_a_tile_of_another_number_of_components_is_an_error() -> None:
    with pytest.raises(BrokenImage, match="kind"):
        SharedTables.read(TABLES, 128, GRAY).complete(TILE)
    with pytest.raises(BrokenImage, match="kind"):
        SHARED.complete(encoded(1))


def test_two_frames_or_none_are_errors() -> None:
    start = TILE.index(b"\xff\xc0")
    frame = TILE[start : start + 19]
    with pytest.raises(BrokenImage, match="two frame"):
        SHARED.complete(TILE[:start] + frame + TILE[start:])
    with pytest.raises(BrokenImage, match="no frame"):
        SHARED.complete(TILE.replace(frame, b""))


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCB, 0xCF])
def test_kinds_of_jpeg_that_browsers_do_not_show_are_rendered(marker: int) -> None:
    with pytest.raises(UnsupportedImage):
        SHARED.complete(TILE.replace(b"\xff\xc0", b"\xff" + bytes((marker,)), 1))


def test_twelve_bits_are_rendered() -> None:
    with pytest.raises(UnsupportedImage):
        SHARED.complete(TILE.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c", 1))


def test_a_tile_without_any_tables_is_rendered() -> None:
    with pytest.raises(UnsupportedImage, match="tables"):
        SharedTables.read(b"", 128, YCBCR).complete(TILE)


@pytest.mark.parametrize(
    "tables", [b"\0", b"\xff\xd8", TABLES[:-2], TABLES[:50], TABLES[2:], b"\xff\xd8\xff\xdb\0\1\xff\xd9"]
)
def test_malformed_tables_are_an_error(tables: bytes) -> None:
    with pytest.raises(BrokenImage):
        SharedTables.read(tables, 128, YCBCR)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, len(TILE)))
def test_random_changes_of_a_tile(changes: list[tuple[int, int]], size: int) -> None:
    tile = bytearray(TILE)
    for position, value in changes:
        tile[position] = value
    for data in (bytes(tile), bytes(tile[:size])):
        try:
            jpeg = SHARED.complete(data)
        except ImageError:
            continue
        assert len(jpeg) <= len(SHARED.beginning) + len(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_random_tables_and_tiles(data: bytes) -> None:
    for attempt in (SharedTables.complete, lambda _, data: SharedTables.read(data or b"\0", 128, RGB)):
        with pytest.raises(ImageError):
            attempt(SHARED, b"\xff\xd8" + data.replace(b"\xff\xd9", b""))


def vips_profile(name: str) -> bytes:
    return bytes(pyvips.Operation.call("profile_load", name))


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_srgb_profiles_are_recognized() -> None:
    assert is_srgb(SRGB)
    assert is_srgb(vips_profile("srgb"))
    assert is_srgb(pictures.profile(pictures.SRGB, None))


def with_curves(curve: bytes) -> bytes:
    """The sRGB profile with another curve."""
    data = bytearray(SRGB)
    for number in range(struct.unpack_from(">I", data, 128)[0]):
        if data[132 + 12 * number :][:4] in (b"rTRC", b"gTRC", b"bTRC"):
            struct.pack_into(">II", data, 136 + 12 * number, len(SRGB), len(curve))
    return bytes(data) + curve


def test_a_curve_as_a_table_is_recognized() -> None:
    lights = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (n / 1023 for n in range(1024))]
    table = struct.pack(">4sII1024H", b"curv", 0, 1024, *(round(light * 65535) for light in lights))
    assert is_srgb(with_curves(table))


@pytest.mark.parametrize(
    "curve",
    [
        struct.pack(">4sII", b"curv", 0, 0),
        struct.pack(">4sIIH", b"curv", 0, 1, 563),
        struct.pack(">4sIIHH", b"curv", 0, 2, 0, 65535),
        struct.pack(">4sII", b"curv", 0, 2**32 - 1),
        struct.pack(">4sIHHi", b"para", 0, 0, 0, 144179),
        struct.pack(">4sIHH5i", b"para", 0, 3, 0, 2**31 - 1, 2**31 - 1, 2**31 - 1, 0, -(2**31)),
        struct.pack(">4sIHH5i", b"para", 0, 3, 0, 157286, -65536, -65536, 0, -(2**31)),
        b"para",
        b"",
    ],
)
def test_other_curves_are_not_srgb(curve: bytes) -> None:
    assert not is_srgb(with_curves(curve))


def test_other_profiles_are_not_srgb() -> None:
    assert not is_srgb(vips_profile("p3"))
    assert not is_srgb(vips_profile("cmyk"))
    assert not is_srgb(pictures.profile(pictures.SRGB, 1.8))
    assert not is_srgb(pictures.profile(pictures.ADOBE_RGB, 2.2))
    assert not is_srgb(pictures.profile(pictures.DISPLAY_P3, None))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert not is_srgb(lab)
    assert not is_srgb(b"")
    assert not is_srgb(SRGB.replace(b"cprt", b"A2B0"))
    assert not is_srgb(SRGB.replace(b"rXYZ", b"gXYZ", 1))


def test_a_profile_of_absurd_length_is_not_srgb() -> None:
    assert not is_srgb(SRGB + bytes(64 * 1024))


def test_no_length_of_a_profile_is_too_short_for_an_answer() -> None:
    complete = max(
        sum(struct.unpack_from(">II", SRGB, 136 + 12 * number))
        for number in range(struct.unpack_from(">I", SRGB, 128)[0])
    )
    assert not any(is_srgb(SRGB[:size]) for size in range(complete - 300))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SRGB) - 1), st.integers(0, 255)), min_size=1, max_size=10))
def test_random_changes_of_a_profile_never_raise(changes: list[tuple[int, int]]) -> None:
    profile = bytearray(SRGB)
    for position, value in changes:
        profile[position] = value
    assert is_srgb(bytes(profile)) in (True, False)
