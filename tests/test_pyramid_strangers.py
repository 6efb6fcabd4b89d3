"""Pyramids that other programs wrote, or that have been tampered with: right pixels, or no slice at all."""

import importlib.util
import io
import struct
from fractions import Fraction

import numpy
import pytest
import pyvips
import tifffile
from test_pyramid import copies, decoded, grid, photograph, pyramid, read

from iiifkit.blob import BytesBlob
from iiifkit.image_api.image import Level
from iiifkit.image_api.plan import Box, Plan
from iiifkit.pyramid import PyramidIndex, read_index, slice_tile

SECOND = Plan(Box(256, 256, 256, 256), 256, 256, False, Fraction(0), "color", "jpg")


def pixels(bands: int = 3, side: int = 700) -> numpy.ndarray:
    color = photograph(side, side).numpy()
    return color[..., 0].copy() if bands == 1 else numpy.dstack([color, color[..., :1]])[..., :bands].copy()


def written(array: numpy.ndarray, *, subdirectories: bool, byteorder: str = "<", big: bool = False, **options) -> bytes:
    """A pyramid of two levels, written by tifffile."""
    target = io.BytesIO()
    options = {"tile": (256, 256), "compression": "jpeg", "metadata": None, **options}
    half = array[:, ::2, ::2] if options.get("planarconfig") == "separate" else array[::2, ::2]
    with tifffile.TiffWriter(target, byteorder=byteorder, bigtiff=big) as writer:
        writer.write(array, subifds=int(subdirectories), **options)
        writer.write(half.copy(), subfiletype=1, **options)
    return target.getvalue()


def directories(data: bytes) -> list[int]:
    """Offsets of the directories of a little-endian classic TIFF, one after the other."""
    (offset,) = struct.unpack_from("<I", data, 4)
    offsets = []
    while offset:
        offsets.append(offset)
        (count,) = struct.unpack_from("<H", data, offset)
        (offset,) = struct.unpack_from("<I", data, offset + 2 + 12 * count)
    return offsets


def entry(data: bytes, page: int, tag: int) -> int:
    """The place of one entry of a directory."""
    offset = directories(data)[page]
    (count,) = struct.unpack_from("<H", data, offset)
    places = [offset + 2 + 12 * number for number in range(count)]
    return next(place for place in places if struct.unpack_from("<H", data, place) == (tag,))


def edited(data: bytes, page: int, tag: int, layout: str, position: int, value: int) -> bytes:
    """The file with one number of a directory entry changed: 0 tag, 2 type, 4 count, 8 value."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, entry(data, page, tag) + position, value)
    return bytes(changed)


def assert_not_sliced(index: PyramidIndex) -> None:
    assert not index.qualities
    assert not any(level.sliceable for level in index.levels)
    assert not any(index.find(plan) for *_, plan in grid(index.width, index.height, index.tile[0]))


@pytest.mark.parametrize("subdirectories", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("bands", "options"),
    [
        (3, {"photometric": "ycbcr", "subsampling": (2, 2)}),
        (3, {"photometric": "ycbcr", "subsampling": (2, 1)}),
        (3, {"photometric": "ycbcr", "subsampling": (1, 1)}),
        (3, {"photometric": "rgb", "compressionargs": {"outcolorspace": "rgb"}}),
        (1, {"photometric": "minisblack"}),
    ],
)
def test_tiles_of_tifffile_are_sliced(
    bands: int, options: dict[str, object], byteorder: str, big: bool, subdirectories: bool
) -> None:
    data = written(pixels(bands), subdirectories=subdirectories, byteorder=byteorder, big=big, **options)
    index = read(data)
    assert copies(data) == (Level(350, 350, 0 if subdirectories else 1, subdirectories),)
    found = [tile for *_, plan in grid(700, 700, 256) if (tile := index.find(plan))]
    assert [(tile.level, tile.column, tile.row) for tile in found] == [
        (0, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0, 1, 1),
        (1, 0, 0),
    ]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        stored = file.series[0].levels if subdirectories else file.pages
        levels = [level.asarray() for level in stored]
        for tile in found:
            rows, columns = (slice(256 * number, 256 * number + 256) for number in (tile.row, tile.column))
            expected = numpy.ascontiguousarray(levels[tile.level][rows, columns]).tobytes()
            assert decoded(slice_tile(index, tile, BytesBlob(data, "1"))) == [expected, expected]


@pytest.mark.parametrize("photometric", ["separated", "miniswhite"])
def test_other_colors_are_not_sliced(photometric: str) -> None:
    data = written(pixels(4 if photometric == "separated" else 1), subdirectories=True, photometric=photometric)
    assert_not_sliced(read(data))
    assert copies(data) == (Level(350, 350, 0, True),)


def test_planes_apart_are_not_sliced() -> None:
    planes = numpy.moveaxis(pixels(), 2, 0).copy()
    data = written(planes, subdirectories=False, photometric="rgb", planarconfig="separate")
    assert_not_sliced(read(data))
    assert (read(data).levels[0].columns, read(data).levels[0].rows) == (3, 3)


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "lzw"])
def test_other_codecs_are_not_sliced(compression: str) -> None:
    assert_not_sliced(read(written(pixels(), subdirectories=True, photometric="rgb", compression=compression)))


def test_sixteen_bits_are_not_sliced() -> None:
    data = written(pixels().astype("uint16") * 257, subdirectories=True, photometric="rgb", compression="deflate")
    assert_not_sliced(read(data))


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_turned_picture_is_not_sliced(orientation: int) -> None:
    picture = photograph(1000, 600).copy()
    picture.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    data = pyramid(picture)
    index = read(data)
    assert (index.width, index.height, index.orientation) == (1000, 600, orientation)
    assert copies(data)[0] == (Level(300, 500, 1) if orientation >= 5 else Level(500, 300, 1))
    assert_not_sliced(index)


@pytest.mark.parametrize(("profile", "sliced"), [("srgb", True), ("p3", False)])
def test_only_srgb_is_sliced(profile: str, sliced: bool) -> None:
    picture = photograph(700, 700).icc_transform(profile, input_profile="srgb")
    data = pyramid(picture)
    index = read(data)
    assert len(copies(data)) == 2
    assert (index.find(SECOND) is not None) is sliced
    if not sliced:
        assert_not_sliced(index)


def test_adobe_rgb_is_not_sliced() -> None:
    folder = importlib.util.find_spec("skimage").submodule_search_locations[0]
    picture = pyvips.Image.new_from_file(f"{folder}/data/rocket.jpg")
    assert b"Adobe RGB" in picture.get("icc-profile-data")
    assert_not_sliced(read(pyramid(picture, tile_width=128, tile_height=128)))


def test_a_gray_picture_with_a_profile_is_not_sliced() -> None:
    profile = photograph(8, 8).icc_transform("srgb", input_profile="srgb").get("icc-profile-data")
    data = written(pixels(1), subdirectories=True, photometric="minisblack", iccprofile=profile)
    assert profile in data
    assert_not_sliced(read(data))


def test_a_copy_without_the_profile_of_the_picture_is_not_used() -> None:
    data = pyramid(photograph(700, 700).icc_transform("p3", input_profile="srgb"))
    assert [level.locator for level in copies(data)] == [1, 2]
    bare = edited(data, 1, 34675, "<H", 0, 65_000)
    assert [level.locator for level in copies(bare)] == [2]


def test_a_copy_that_does_not_say_that_it_is_turned_is_not_sliced() -> None:
    data = pyramid(photograph(1100, 1100))
    data = edited(data, 0, 274, "<H", 8, 6)
    data = edited(data, 1, 274, "<H", 0, 65_000)
    assert [level.locator for level in copies(data)] == [1]
    assert_not_sliced(read(data))


def test_a_copy_with_another_profile_of_the_same_length_is_not_used() -> None:
    data = pyramid(photograph(1100, 1100).icc_transform("p3", input_profile="srgb"))
    srgb = bytes(pyvips.Operation.call("profile_load", "srgb"))
    (count, place) = struct.unpack_from("<II", data, entry(data, 1, 34675) + 4)
    assert count == len(srgb)
    data = data[:place] + srgb + data[place + count :]
    assert [level.locator for level in copies(data)] == [2, 3]
    assert_not_sliced(read(data))


def test_a_copy_turned_otherwise_is_not_used() -> None:
    turned = edited(pyramid(photograph(700, 700)), 1, 274, "<H", 8, 3)
    assert [level.locator for level in copies(turned)] == [2]


@pytest.mark.parametrize(
    ("tag", "layout", "value"),
    [(258, "<H", 12), (259, "<H", 6), (262, "<H", 5), (284, "<H", 3), (339, "<H", 2), (323, "<H", 240), (274, "<H", 0)],
)
def test_each_condition_alone_forbids_slicing(tag: int, layout: str, value: int) -> None:
    data = pyramid(photograph(256, 250, bands=1))
    assert read(data).levels[0].sliceable
    if tag == 323:
        data = edited(data, 0, 324, "<I", 4, 2)
        data = edited(data, 0, 325, "<I", 4, 2)
    index = read(edited(data, 0, tag, layout, 8, value))
    assert not index.levels[0].sliceable


def test_extra_samples_forbid_slicing() -> None:
    data = pyramid(photograph(256, 256, bands=1))
    assert not read(edited(data, 0, 339, "<H", 0, 338)).levels[0].sliceable


def test_a_scan_of_many_pages_is_no_pyramid() -> None:
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        for side in (700, 350, 700, 175):
            writer.write(pixels(side=side), tile=(128, 128), compression="jpeg", photometric="ycbcr", metadata=None)
    index = read(target.getvalue())
    assert copies(target.getvalue()) == ()
    assert len(index.levels) == 1 and index.find(SECOND) is None


def test_copies_of_the_second_picture_are_not_those_of_the_first() -> None:
    target = io.BytesIO()
    options = {"tile": (128, 128), "compression": "jpeg", "photometric": "ycbcr", "metadata": None}
    with tifffile.TiffWriter(target) as writer:
        for side, kind in ((700, 0), (350, 1), (700, 0), (175, 1)):
            writer.write(pixels(side=side), subfiletype=kind, **options)
    assert copies(target.getvalue()) == (Level(350, 350, 1),)


def test_masks_are_skipped_and_counted() -> None:
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        for side in (700, 700, 350, 350):
            writer.write(pixels(side=side), photometric="rgb", tile=(128, 128), subfiletype=1, metadata=None)
    data = target.getvalue()
    assert copies(data) == (Level(350, 350, 2),)
    for page, kind in enumerate((0, 4, 1, 5)):
        data = edited(data, page, 254, "<I", 8, kind)
    assert copies(data) == (Level(350, 350, 2),)
    data = edited(data, 2, 254, "<I", 8, 5)
    assert copies(data) == ()


def test_a_reduced_picture_of_another_shape_is_no_copy() -> None:
    target = io.BytesIO()
    options = {"tile": (128, 128), "compression": "jpeg", "photometric": "ycbcr", "metadata": None}
    with tifffile.TiffWriter(target) as writer:
        writer.write(pixels()[:, :400].copy(), **options)
        writer.write(pixels(side=350), subfiletype=1, **options)
        writer.write(pixels()[::3, :400:3].copy(), subfiletype=1, **options)
    assert copies(target.getvalue()) == (Level(134, 234, 2),)
    assert read(target.getvalue()).levels[1].factor == 3


def without_adobe(data: bytes) -> bytes:
    """RGB tiles that say nothing of their colors, their components numbered as those of YCbCr are."""
    return (
        data.replace(b"\xff\xee\0\x0eAdobe", b"\xff\xfe\0\x0eAdobe")
        .replace(b"\x03R\x11\0G\x11\0B\x11\0", b"\x03\x01\x11\0\x02\x11\0\x03\x11\0")
        .replace(b"\xff\xda\0\x0c\x03R\0G\0B\0", b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0")
    )


def test_rgb_tiles_that_do_not_say_so_have_the_right_colors() -> None:
    data = pyramid(photograph(700, 700), Q=95)
    silent = without_adobe(data)
    assert silent.count(b"\xff\xfe\0\x0eAdobe") >= 14
    index = read(silent)
    found = index.find(SECOND)
    assert found is not None
    raw = silent[found.offset : found.offset + found.length]
    expected = pyvips.Image.new_from_buffer(silent, "").crop(256, 256, 256, 256).write_to_memory()
    assert decoded(slice_tile(index, found, BytesBlob(silent, "1"))) == [expected, expected]
    tables = index.levels[0].tables
    assert tables is not None
    naive = tables.beginning.replace(tables.beginning[2:18], b"") + raw[2:]
    assert decoded(naive)[0] != expected


def test_the_subsampling_tag_is_not_trusted() -> None:
    data = written(pixels(), subdirectories=False, photometric="ycbcr", subsampling=(2, 2))
    lying = data.replace(struct.pack("<HHIHH", 530, 3, 2, 2, 2), struct.pack("<HHIHH", 530, 3, 2, 1, 1))
    assert lying != data
    index = read(lying)
    found = index.find(SECOND)
    assert found is not None and found == read(data).find(SECOND)
    assert slice_tile(index, found, BytesBlob(lying, "1")) == slice_tile(index, found, BytesBlob(data, "1"))


def test_an_empty_tile_is_rendered() -> None:
    data = pyramid(photograph(256, 256, bands=1))
    assert read(data).find(Plan(Box(0, 0, 256, 256), 256, 256, False, Fraction(0), "gray", "jpg")) is not None
    sparse = edited(data, 0, 325, "<I", 8, 0)
    assert read(sparse).find(Plan(Box(0, 0, 256, 256), 256, 256, False, Fraction(0), "gray", "jpg")) is None


def test_a_first_page_that_is_not_tiled_is_no_pyramid_whatever_follows() -> None:
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        writer.write(pixels(side=100), photometric="rgb", metadata=None)
        writer.write(pixels(), photometric="rgb", tile=(256, 256), subfiletype=1, metadata=None)
    assert read_index(BytesBlob(target.getvalue(), "1")) is None
