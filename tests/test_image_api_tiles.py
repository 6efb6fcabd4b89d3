"""Tile arithmetic: the tiles cover the image once, and every spelling of a tile is served at its size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_at_random import images

from iiifkit.image_api.feature_set import FeatureSet
from iiifkit.image_api.formats import FORMATS
from iiifkit.image_api.geometry import Limits, resolve
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.info import LONGEST_SIDE, InfoBuilder
from iiifkit.image_api.plan import Plan
from iiifkit.image_api.request import ImageRequest
from iiifkit.image_api.tiles import ceil_div, grid, is_listed, scale_factors, sizes, tile_size

ALL = FeatureSet.build(FORMATS)
LEVEL_0 = FeatureSet.build(FORMATS, forced_level=0)
SIDES = st.one_of(st.integers(1, 40), st.integers(1, 4000))
TILES = st.sampled_from([(1, 1), (7, 5), (64, 64), (256, 256), (512, 256)])
LIMITS = st.builds(
    Limits, st.none() | st.integers(1, 3000), st.none() | st.integers(1, 3000), st.none() | st.integers(1, 10**6)
)


def planned(path: str, version: int, image: ImageInfo, limits: Limits, features: FeatureSet = LEVEL_0) -> Plan:
    return resolve(features.check(ImageRequest.parse(f"id/{path}/0/default.jpg", version)), image, limits, features)


@given(st.integers(1, 300), st.integers(1, 300), st.tuples(st.integers(1, 90), st.integers(1, 90)), st.integers(0, 3))
def test_tiles_cover_the_image_without_overlap(width: int, height: int, tile: tuple[int, int], exponent: int) -> None:
    factor = 2**exponent
    seen = bytearray(width * height)
    for region, tile_width, tile_height in grid(width, height, *tile, factor):
        assert 1 <= tile_width <= tile[0]
        assert 1 <= tile_height <= tile[1]
        assert (tile_width, tile_height) == (ceil_div(region.width, factor), ceil_div(region.height, factor))
        for y in range(region.y, region.y + region.height):
            row = y * width
            span = slice(row + region.x, row + region.x + region.width)
            assert not any(seen[span])
            seen[span] = b"\1" * region.width
    assert all(seen)


@given(SIDES, SIDES, TILES)
def test_scale_factors_end_where_the_image_fits_into_a_tile(width: int, height: int, tile: tuple[int, int]) -> None:
    factors = scale_factors(width, height, *tile)
    assert factors == [2**exponent for exponent in range(len(factors))]
    assert len(list(grid(width, height, *tile, factors[-1]))) == 1
    if len(factors) > 1:
        assert len(list(grid(width, height, *tile, factors[-2]))) > 1


@given(images(), LIMITS)
def test_what_is_published_lies_within_the_limits(image: ImageInfo, limits: Limits) -> None:
    tile = tile_size(image, 256, limits.allow)
    assert limits.allow(*tile) or tile == (1, 1)
    for version in (2, 3):
        document = InfoBuilder(ALL, limits).build(image, "http://example.org/id", version)
        assert [limits.allow(size["width"], size["height"]) for size in document["sizes"]] == [True] * len(
            document["sizes"]
        )
        for published in document["tiles"]:
            assert limits.allow(published["width"], published.get("height", published["width"]))
            assert len(set(published["scaleFactors"])) == len(published["scaleFactors"])


@given(image=images(), limits=LIMITS, data=st.data())
def test_tiles_and_sizes_are_served_in_every_spelling_even_at_level_0(
    image: ImageInfo, limits: Limits, data: st.DataObject
) -> None:
    tile = tile_size(image, 256, limits.allow)
    factors = scale_factors(image.width, image.height, *tile)
    factor = data.draw(st.sampled_from(factors))
    x = data.draw(st.integers(0, (image.width - 1) // (tile[0] * factor)))
    y = data.draw(st.integers(0, (image.height - 1) // (tile[1] * factor)))
    left, top = x * tile[0] * factor, y * tile[1] * factor
    w, h = min(tile[0] * factor, image.width - left), min(tile[1] * factor, image.height - top)
    size = ceil_div(w, factor), ceil_div(h, factor)
    if not limits.allow(*size):
        return
    region = f"{left},{top},{w},{h}"
    exact = [(f"{region}/{size[0]},{size[1]}", 2), (f"{region}/{size[0]},{size[1]}", 3)]
    if factor == 1:
        exact += [(f"{region}/max", 3), (f"{region}/full", 2), (f"{region}/max", 2)]
    for path, version in exact:
        plan = planned(path, version, image, limits)
        assert (plan.width, plan.height) == size
        assert is_listed(plan, image, limits.allow, 256)
    for version in (2, 3):
        if h > LONGEST_SIDE:
            break  # of a strip that is narrow enough "w," means all of its height, which no picture can have
        near = planned(f"{region}/{size[0]},", version, image, Limits(), ALL)
        assert near.width == size[0]
        if w == tile[0] * factor:
            assert near.height == size[1] or (size[1] - 1) * factor < h < size[1] * factor
        if limits.allow(near.width, near.height):
            assert planned(f"{region}/{size[0]},", version, image, limits) == near


@given(images(), LIMITS)
def test_listed_sizes_are_served_at_level_0(image: ImageInfo, limits: Limits) -> None:
    document = InfoBuilder(LEVEL_0, limits).build(image, "http://example.org/id", 3)
    for size in document["sizes"]:
        for version in (2, 3):
            plan = planned(f"full/{size['width']},{size['height']}", version, image, limits)
            assert (plan.width, plan.height) == (size["width"], size["height"])
            assert is_listed(plan, image, limits.allow, 256)


def test_the_tiles_of_6000_by_4000() -> None:
    """The worked example of both implementation notes."""
    assert scale_factors(6000, 4000, 512, 512) == [1, 2, 4, 8, 16]
    assert sizes(6000, 4000, [1, 2, 4, 8, 16])[0] == (375, 250)
    assert list(grid(6000, 4000, 512, 512, 16)) == [(grid_box(0, 0, 6000, 4000), 375, 250)]
    assert (grid_box(4096, 0, 1904, 4000), 238, 500) in list(grid(6000, 4000, 512, 512, 8))


def test_strips_of_one_pixel() -> None:
    tiles = list(grid(3073, 2049, 512, 512, 4))
    assert (grid_box(3072, 0, 1, 2048), 1, 512) not in tiles
    assert {(region.width, width) for region, width, _ in tiles} == {(2048, 512), (1025, 257)}
    assert {(region.height, height) for region, _, height in tiles} == {(2048, 512), (1, 1)}


def grid_box(x: int, y: int, width: int, height: int):
    from iiifkit.image_api.plan import Box

    return Box(x, y, width, height)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, 256),
        ((512, 512), 512),
        ((128, 128), 128),
        ((1024, 1024), 1024),
        ((64, 64), 256),
        ((2048, 2048), 256),
        ((256, 512), 256),
    ],
)
def test_stored_tiles_are_published_if_viewers_can_use_them(stored, expected: int) -> None:
    assert tile_size(ImageInfo(5000, 5000, "tif", tile=stored), 256, Limits().allow) == (expected, expected)
