"""TIFF files as the engines see them: the picture, its smaller copies, and whether all of it is there."""

import io
from typing import Any

import numpy as np
import pictures
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from test_pyramid import copies, photograph, pyramid, read

from iiifkit.blob import BytesBlob
from iiifkit.errors import BrokenImage
from iiifkit.image_api.image import Level
from iiifkit.tiff import find, probe, scale_factor

PICTURE = pictures.photograph("astronaut.png")
TILED = {"photometric": "rgb", "compression": "zlib", "tile": (128, 64)}
STRIPS = {"photometric": "rgb", "compression": "zlib", "rowsperstrip": 16}


def written(*pages: tuple[np.ndarray, dict[str, Any]], **options: Any) -> bytes:
    target = io.BytesIO()
    with tifffile.TiffWriter(target, **options) as writer:
        for array, page in pages:
            writer.write(array, metadata=None, **page)
    return target.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("layout", [TILED, STRIPS])
def test_headers_of_every_kind(order: str, big: bool, layout: dict[str, Any]) -> None:
    half, quarter = pictures.halved(PICTURE, 2), pictures.halved(PICTURE, 4)
    pages = [(PICTURE, {"subifds": 1}), (half, {"subfiletype": 1}), (quarter, {"subfiletype": 1})]
    data = written(*((array, layout | page) for array, page in pages), byteorder=order, bigtiff=big)
    info = probe(BytesBlob(data, "1"))
    assert (info.width, info.height, info.bits, info.color, info.alpha) == (512, 512, 8, True, False)
    assert info.tile == ((64, 128) if layout is TILED else None)
    assert info.levels == (Level(256, 256, 0, True), Level(128, 128, 1))
    for level in (None, *info.levels):
        page = find(BytesBlob(data, "1"), level)
        assert (page.width, page.height) == ((level.width, level.height) if level else (512, 512))


def test_a_copy_may_be_tiled_where_the_picture_is_not() -> None:
    half = pictures.halved(PICTURE, 2)
    for one, other in ((TILED, STRIPS), (STRIPS, TILED)):
        assert copies(written((PICTURE, one), (half, other | {"subfiletype": 1}))) == (Level(256, 256, 1),)


def test_the_old_way_to_call_a_page_reduced_counts() -> None:
    half = pictures.halved(PICTURE, 2)
    for kind, found in ((1, ()), (2, (Level(256, 256, 1),)), (3, ())):
        pages = [(PICTURE, STRIPS), (half, STRIPS | {"extratags": [(255, 3, 1, kind, True)]})]
        assert copies(written(*pages)) == found


@pytest.mark.parametrize("other", [PICTURE[..., 0], PICTURE.astype(np.uint16) * 257, PICTURE.astype(np.int8)])
def test_a_copy_of_another_nature_is_none(other: np.ndarray) -> None:
    half = np.ascontiguousarray(other[::2, ::2])
    page = STRIPS | {"subfiletype": 1, "photometric": "rgb" if half.ndim == 3 else "minisblack"}
    assert copies(written((PICTURE, STRIPS), (half, page))) == ()


def test_the_index_and_the_engines_know_the_same_copies() -> None:
    for options in ({}, {"subifd": True}, {"compression": "deflate"}, {"bigtiff": True}):
        data = pyramid(photograph(1100, 700), **options)
        levels = read(data).levels[1:]
        assert copies(data) == tuple(Level(one.width, one.height, one.locator, one.subdirectory) for one in levels)
        assert len(levels) == 3


def test_a_level_that_is_not_there_is_an_error() -> None:
    data = pictures.pyramid(PICTURE)
    for level in (Level(256, 256, 0, True), Level(256, 256, 3), Level(256, 256, -1)):
        with pytest.raises(BrokenImage, match="copy is missing"):
            find(BytesBlob(data, "1"), level)


@pytest.mark.parametrize("layout", [TILED, STRIPS, STRIPS | {"planarconfig": "separate"}])
@pytest.mark.parametrize("order", ["<", ">"])
def test_rows_that_are_not_all_there_are_found(layout: dict[str, Any], order: str) -> None:
    planes = "planarconfig" in layout
    array = np.ascontiguousarray(np.moveaxis(PICTURE, 2, 0)) if planes else PICTURE
    data = written((array, layout), byteorder=order)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        places = list(zip(file.pages[0].dataoffsets, file.pages[0].databytecounts, strict=True))
    directory_at = min(offset for offset, _ in places)
    across, high = (8, 128) if layout is TILED else (1, 16)
    for kept in (directory_at + 1, len(data) * 2 // 3, len(data)):
        page = find(BytesBlob(data[:kept], "2"), None)
        for first, count in ((0, 512), (0, 1), (high, high), (511, 1), (high - 1, 2)):
            rows = range(first // high, (first + count - 1) // high + 1)
            plane = len(places) // (3 if planes else 1)
            used = [
                places[start + row * across + column]
                for start in range(0, len(places), plane)
                for row in rows
                for column in range(across)
            ]
            if all(offset + length <= kept for offset, length in used):
                page.check_rows(first, count)
            else:
                with pytest.raises(BrokenImage, match="beyond its end"):
                    page.check_rows(first, count)


def test_a_circle_of_directories_ends() -> None:
    with pytest.raises(BrokenImage, match="circles"):
        probe(BytesBlob(pictures.tiff_in_a_circle(), "1"))


@given(st.binary(max_size=300))
def test_damaged_directories_are_broken_images(nonsense: bytes) -> None:
    for head in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        try:
            probe(BytesBlob(head + nonsense, "1"))
        except BrokenImage as error:
            assert str(error).endswith(".")


def test_what_does_not_begin_as_a_tiff_is_broken() -> None:
    for data in (b"", b"II", b"GIF89a" + bytes(30)):
        with pytest.raises(BrokenImage, match="does not begin like one"):
            probe(BytesBlob(data, "1"))


COPIES = {(1536, 1024): 2, (1537, 1025): 2, (769, 513): 4, (1024, 683): 3, (1, 1): 2048}
OTHERS = dict.fromkeys([(1537, 900), (2000, 1333), (3073, 2049), (0, 0), (6000, 4000)])


@pytest.mark.parametrize(("copy", "factor"), (COPIES | OTHERS).items())
def test_sides_of_copies(copy: tuple[int, int], factor: int | None) -> None:
    assert scale_factor((3073, 2049), copy) == factor


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(2, 64), st.booleans(), st.booleans())
def test_a_scale_factor_explains_both_sides(width: int, height: int, factor: int, up: bool, down: bool) -> None:
    sides = tuple(
        max(1, -(-side // factor) if ceil else side // factor) for side, ceil in ((width, up), (height, down))
    )
    found = scale_factor((width, height), sides)
    if found is None:
        assert sides == (width, height) or width < factor or height < factor
        return
    for side, small in zip((width, height), sides, strict=True):
        assert small in (max(1, side // found), -(-side // found))
