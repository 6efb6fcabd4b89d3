"""Pyramids as libvips writes them: the index, and stored tiles that equal what libvips reads there."""

import importlib.util
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from iiifkit.blob import Blob, Buffered, BytesBlob, FileBlob
from iiifkit.image_api.image import Level
from iiifkit.image_api.plan import Box, Plan
from iiifkit.pyramid import PyramidIndex, read_index, slice_tile
from iiifkit.tiff import probe

PHOTOGRAPHS = Path(str(importlib.util.find_spec("skimage").origin)).parent / "data"


class Counted(Blob):
    """Another Blob that remembers its reads."""

    def __init__(self, blob: Blob) -> None:
        self.blob, self.size, self.version = blob, blob.size, blob.version
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.blob.read(offset, length)


def photograph(width: int, height: int, bands: int = 3) -> pyvips.Image:
    whole = pyvips.Image.new_from_file(str(PHOTOGRAPHS / "retina.jpg"))
    tiled = whole.replicate(-(-width // whole.width), -(-height // whole.height)).crop(0, 0, width, height)
    return tiled if bands == 3 else tiled.extract_band(1).copy(interpretation="b-w")


def pyramid(picture: pyvips.Image, **options: object) -> bytes:
    defaults = {"compression": "jpeg", "tile": True, "pyramid": True, "tile_width": 256, "tile_height": 256, "Q": 75}
    return picture.tiffsave_buffer(**{**defaults, **options})


def grid(width: int, height: int, side: int, quality: str = "color") -> Iterator[tuple[int, int, int, Plan]]:
    """Every tile that a viewer asks for: scale factor, column, row, plan."""
    factor = 1
    while True:
        span = side * factor
        for y in range(0, height, span):
            for x in range(0, width, span):
                region = Box(x, y, min(span, width - x), min(span, height - y))
                size = -(-region.width // factor), -(-region.height // factor)
                yield factor, x // span, y // span, Plan(region, *size, False, Fraction(0), quality, "jpg")
        if span >= max(width, height):
            return
        factor *= 2


def read(data: bytes) -> PyramidIndex:
    index = read_index(BytesBlob(data, "1"))
    assert index is not None
    return index


def copies(data: bytes) -> tuple[Level, ...]:
    """The smaller copies that engines are told of."""
    return probe(BytesBlob(data, "1")).levels


def stored_level(data: bytes, level: int, subdirectories: bool) -> pyvips.Image:
    if subdirectories:
        return pyvips.Image.new_from_buffer(data, "", subifd=level - 1)
    return pyvips.Image.new_from_buffer(data, "", page=level)


def decoded(jpeg: bytes) -> list[bytes]:
    """What Pillow and libvips make of a JPEG."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        pillow = picture.tobytes()
    return [pillow, pyvips.Image.new_from_buffer(jpeg, "", fail_on="warning").write_to_memory()]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(100, 900),
    height=st.integers(100, 900),
    bands=st.sampled_from([1, 3]),
    quality=st.sampled_from([60, 95]),
    subdirectories=st.booleans(),
    big=st.booleans(),
)
def test_every_tile_that_is_found_is_what_libvips_reads_there(
    width: int, height: int, bands: int, quality: int, subdirectories: bool, big: bool
) -> None:
    picture = photograph(width, height, bands)
    data = pyramid(picture, Q=quality, subifd=subdirectories, bigtiff=big, tile_width=128, tile_height=128)
    index = read(data)
    for factor, column, row, plan in grid(width, height, 128):
        found = index.find(plan)
        position = factor.bit_length() - 1
        complete = (column + 1) * 128 * factor <= width and (row + 1) * 128 * factor <= height
        assert (found is not None) == complete
        if found is None:
            continue
        assert (found.level, found.column, found.row) == (position, column, row)
        level = stored_level(data, position, subdirectories)
        expected = level.crop(column * 128, row * 128, 128, 128).write_to_memory()
        assert decoded(slice_tile(index, found, BytesBlob(data, "1"))) == [expected, expected]


@pytest.mark.parametrize("subdirectories", [False, True])
def test_levels_are_numbered_as_libvips_numbers_them(subdirectories: bool) -> None:
    data = pyramid(photograph(3073, 2049), subifd=subdirectories)
    index = read(data)
    sizes = [(3073, 2049), (1536, 1024), (768, 512), (384, 256), (192, 128)]
    assert [(level.width, level.height) for level in index.levels] == sizes
    assert [level.factor for level in index.levels] == [1, 2, 4, 8, 16]
    assert (index.levels[0].columns, index.levels[0].rows) == (13, 9)
    assert all(level.sliceable for level in index.levels)
    for position, level in enumerate(copies(data), start=1):
        assert level.subdirectory is subdirectories
        assert level.locator == (position - 1 if subdirectories else position)
        stored = stored_level(data, position, subdirectories)
        assert (stored.width, stored.height) == (level.width, level.height)


def test_a_tile_whose_last_pixels_the_level_lacks_is_rendered() -> None:
    wide, high = read(pyramid(photograph(1023, 700))), read(pyramid(photograph(700, 1023)))
    assert (wide.levels[1].width, high.levels[1].height) == (511, 511)
    plan = Plan(Box(0, 0, 512, 512), 256, 256, False, Fraction(0), "color", "jpg")
    assert wide.find(plan) is not None and high.find(plan) is not None
    assert wide.find(replace(plan, region=Box(512, 0, 511, 512))) is None
    assert high.find(replace(plan, region=Box(0, 512, 512, 511))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"region": Box(1, 0, 256, 256)},
        {"region": Box(0, 128, 256, 256)},
        {"region": Box(0, 0, 255, 256)},
        {"region": Box(0, 0, 512, 256)},
        {"region": Box(0, 0, 768, 768)},
        {"region": Box(512, 512, 256, 256)},
        {"width": 255},
        {"height": 128},
        {"mirror": True},
        {"degrees": Fraction(90)},
        {"degrees": Fraction(1, 2)},
        {"quality": "gray"},
        {"quality": "bitonal"},
        {"quality": "dither"},
        {"format": "png"},
        {"format": "webp"},
    ],
)
def test_other_plans_are_not_stored(change: dict[str, object]) -> None:
    index = read(pyramid(photograph(700, 700)))
    plan = Plan(Box(0, 0, 256, 256), 256, 256, False, Fraction(0), "color", "jpg")
    assert index.find(plan) is not None
    assert index.find(replace(plan, **change)) is None


def test_a_gray_picture_is_its_own_gray_and_color() -> None:
    index = read(pyramid(photograph(512, 512, bands=1)))
    assert index.qualities == {"color", "gray"}
    plan = Plan(Box(0, 0, 512, 512), 256, 256, False, Fraction(0), "gray", "jpg")
    found = index.find(plan)
    assert found is not None and found == index.find(replace(plan, quality="color"))
    assert index.find(replace(plan, quality="bitonal")) is None


def test_the_whole_picture_is_a_tile_when_a_level_is_one() -> None:
    index = read(pyramid(photograph(1024, 1024)))
    found = index.find(Plan(Box(0, 0, 1024, 1024), 256, 256, False, Fraction(0), "color", "jpg"))
    assert found is not None and index.levels[found.level].factor == 4


@pytest.mark.parametrize("side", [128, 512, 1024])
def test_square_tiles_from_128_to_1024_pixels_are_sliced(side: int) -> None:
    data = pyramid(photograph(1100, 1100), tile_width=side, tile_height=side)
    found = read(data).find(Plan(Box(0, 0, side, side), side, side, False, Fraction(0), "color", "jpg"))
    assert found is not None
    jpeg = slice_tile(read(data), found, BytesBlob(data, "1"))
    assert Image.open(io.BytesIO(jpeg)).size == (side, side)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (256, 128), (2048, 2048)])
def test_other_tiles_are_not_sliced_but_their_levels_are_known(width: int, height: int) -> None:
    data = pyramid(photograph(2100, 2100), tile_width=width, tile_height=height)
    index = read(data)
    assert index.tile == (width, height)
    assert not index.qualities and not any(level.sliceable for level in index.levels)
    assert copies(data)[0] == Level(1050, 1050, 1)


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "webp"])
def test_other_compressions_are_indexed_only_for_their_levels(compression: str) -> None:
    index = read(pyramid(photograph(700, 700), compression=compression))
    assert [level.sliceable for level in index.levels] == [False, False, False]
    assert [(level.width, level.factor) for level in index.levels] == [(700, 1), (350, 2), (175, 4)]


@pytest.mark.parametrize("options", [{"tile": False, "pyramid": False}, {"tile": False, "compression": "none"}])
def test_a_plain_tiff_is_nobodys_error(options: dict[str, object]) -> None:
    data = photograph(300, 300).tiffsave_buffer(**{"pyramid": False, **options})
    assert read_index(BytesBlob(data, "1")) is None


@pytest.mark.parametrize("name", ["retina.jpg", "coffee.png"])
def test_another_format_is_no_pyramid(name: str) -> None:
    with FileBlob(PHOTOGRAPHS / name) as blob:
        assert read_index(blob) is None


@pytest.mark.parametrize(("quality", "most"), [(75, 4), (92, 6)])
def test_opening_takes_few_reads_and_a_tile_takes_one(tmp_path: Path, quality: int, most: int) -> None:
    path = tmp_path / "large.tif"
    path.write_bytes(pyramid(photograph(4000, 3000), Q=quality))
    with FileBlob(path) as blob:
        buffered = Counted(blob)
        index = read_index(Buffered(buffered))
        assert index is not None and len(index.levels) == 5
        assert len(buffered.reads) <= most

        direct = Counted(blob)
        read_index(direct)
        assert len(direct.reads) <= 1 + len(index.levels)
        assert sum(length for _, length in direct.reads) <= 128 * 1024

        direct.reads.clear()
        found = index.find(Plan(Box(1024, 1024, 512, 512), 256, 256, False, Fraction(0), "color", "jpg"))
        assert found is not None
        slice_tile(index, found, direct)
        assert direct.reads == [(found.offset, found.length)]


@pytest.mark.slow
def test_the_index_of_a_picture_of_a_gigapixel_is_small() -> None:
    data = pyramid(pyvips.Image.black(32768, 32768, bands=3).copy(interpretation="srgb"), depth="onetile")
    index = read(data)
    assert len(index.levels) == 8
    assert 21_845 * 8 <= index.weight < 400_000
