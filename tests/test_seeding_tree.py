"""The arithmetic of seeded trees: which tiles, and that viewers find all that they ask for, and nothing lies about."""

import itertools
import math
from typing import Any

import pytest
import viewer_requests
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifkit.image_api.feature_set import FeatureSet
from iiifkit.image_api.geometry import Limits, resolve
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.info import InfoBuilder, Notices
from iiifkit.image_api.plan import Plan
from iiifkit.image_api.request import ImageRequest
from iiifkit.seeding.document import address, document, merged
from iiifkit.seeding.tree import MOST_IN_BAND, Spelling, Tree

FEATURES = FeatureSet.build(("jpg", "png", "webp", "gif"))
BUILDER = InfoBuilder(FEATURES, Limits(max_area=100_000_000), Notices(attribution="A museum"))
VERSIONS = pytest.mark.parametrize("version", [2, 3])


def tree_of(width: int, height: int, version: int, tile: int = 256, factors: Any = None, server: int = 0) -> Tree:
    return Tree((width, height), tile, spelling(version, server), factors)


def spelling(version: int, server: int = 0, quality: str = "color", format: str = "jpg") -> Spelling:
    return Spelling(version, server or version, "color", quality, format)


def described(tree: Tree, version: int) -> dict[str, Any]:
    info = ImageInfo(tree.width, tree.height, "jpg")
    return document(BUILDER, info, "http://localhost:8080/a", tree, spelling(version))


def names(tree: Tree) -> list[str]:
    return [name for picture in tree.pictures() for name in picture.names]


@pytest.mark.parametrize(
    ("size", "factors", "tiles"),
    [
        ((3897, 4096), (8, 4, 2, 1), 340),
        ((3897, 4096), (4, 2, 1), 336),
        ((2048, 2048), (4, 2, 1), 84),
        ((3897, 4096), None, 341),
        ((256, 256), None, 1),
        ((1, 1), None, 1),
        ((257, 1), (1,), 2),
    ],
)
@VERSIONS
def test_the_number_of_tiles(size: tuple[int, int], factors: tuple[int, ...] | None, tiles: int, version: int) -> None:
    tree = tree_of(*size, version, factors=factors)
    assert tree.tiles() == tiles
    regions = {picture.plan.region for band in tree.bands() for picture in band.tiles}
    fits = [factor for factor in tree.factors if max(math.ceil(side / factor) for side in size) <= 256]
    assert len(regions) + len(fits) == tiles


@VERSIONS
@pytest.mark.parametrize("tile", [256, 512, 200])
@pytest.mark.parametrize(
    "size",
    [
        *((3897, 4096), (6000, 4000), (3073, 2049), (1000, 1000), (2048, 1024), (513, 511), (512, 512), (300, 5000)),
        *((257, 256), (256, 256), (255, 256), (200, 1000), (1000, 200), (50, 40), (2, 3), (1, 1)),
    ],
)
def test_viewers_find_all_and_nothing_else_is_there(size: tuple[int, int], tile: int, version: int) -> None:
    tree = tree_of(*size, version, tile)
    asked = viewer_requests.all_viewers(info := described(tree, version))
    assert not asked - set(names(tree))
    # OpenSeadragon 6 asks a 2.1 server for "w,h", which may be another picture than "w,"; the server finds it, too.
    of_a_server = {plan_of(name, size, version, tile) for name in viewer_requests.openseadragon(info, level0=False)}
    assert of_a_server <= {picture.plan for picture in tree.pictures()}
    assert all(picture.plan in of_a_server or asked & set(picture.names) for picture in tree.pictures())


def plan_of(name: str, size: tuple[int, int], version: int, tile: int) -> Plan:
    request = FEATURES.check(ImageRequest.parse(f"a/{name}", version))
    return resolve(request, ImageInfo(*size, "jpg"), Limits(), FEATURES, tile)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([128, 256, 500]), st.sampled_from([2, 3]))
@settings(max_examples=60, deadline=None)
def test_every_name_means_its_picture(width: int, height: int, tile: int, version: int) -> None:
    """What a file shows is what the server would answer for its name."""
    tree, seen = tree_of(width, height, version, tile), set()
    for picture in tree.pictures():
        for name in picture.names:
            assert plan_of(name, (width, height), version, tile) == picture.plan, name
            seen.add(name)
    asked = viewer_requests.leaflet(described(tree, version))
    assert width == 1 or height == 1 or asked <= seen


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([2, 3]))
@settings(max_examples=60, deadline=None)
def test_bands_are_tiles_without_gaps(width: int, height: int, version: int) -> None:
    for band in tree_of(width, height, version).bands():
        assert 1 <= len(band.tiles) <= MOST_IN_BAND
        for before, after in itertools.pairwise(band.tiles):
            first, second = before.plan.region, after.plan.region
            assert (first.width, first.height) == (second.width, second.height)
            step = (first.width, 0) if band.across else (0, first.height)
            assert (second.x - first.x, second.y - first.y) == step
        whole, last = band.part(0, len(band.tiles) - 1), band.tiles[-1].plan.region
        assert (whole.region.x + whole.region.width, whole.region.y + whole.region.height) == (
            last.x + last.width,
            last.y + last.height,
        )


def test_factors_that_make_no_sense_are_told_and_never_advertised() -> None:
    tree = tree_of(3897, 4096, 3, factors=(32, 1, 64, 8))
    assert (tree.factors, tree.excessive) == ([1, 8], [32, 64])
    assert described(tree, 3)["tiles"] == [{"width": 256, "scaleFactors": [1, 8]}]
    assert {size["width"] for size in described(tree, 3)["sizes"]} == {488}


def test_the_server_finds_files_that_are_spelled_for_another_version() -> None:
    tree = tree_of(1000, 800, 2, server=3)
    for picture in tree.pictures():
        plan = picture.plan
        region = f"{plan.region.x},{plan.region.y},{plan.region.width},{plan.region.height}"
        region = "full" if (plan.region.width, plan.region.height) == (1000, 800) else region
        assert picture.names[0] == f"{region}/{plan.width},{plan.height}/0/default.jpg"
    assert viewer_requests.all_viewers(described(tree, 2)) <= set(names(tree))


def test_limits_leave_out_what_the_server_refuses() -> None:
    tree = Tree((900, 600), 256, spelling(3), None, Limits(max_width=300).allow)
    assert max(picture.plan.width for picture in tree.wholes()) <= 300
    assert max(size[0] for size in tree.sizes()) <= 300


@VERSIONS
def test_the_document_promises_level_0_and_nothing_more(version: int) -> None:
    info = described(tree_of(3897, 4096, version), version)
    assert info["attribution" if version == 2 else "protocol"]
    assert info["profile"] == (["http://iiif.io/api/image/2/level0.json"] if version == 2 else "level0")
    assert not {"extraFeatures", "extraFormats", "extraQualities", "maxArea", "preferredFormats"} & set(info)
    assert info["sizes"] == [{"width": 244, "height": 256}, {"width": 488, "height": 512}]


def test_the_document_names_other_formats_and_qualities() -> None:
    tree = tree_of(1000, 800, 3)
    image = ImageInfo(1000, 800, "jpg")
    info = document(BUILDER, image, "http://x/a", tree, spelling(3, 3, "gray", "webp"))
    assert (info["extraFormats"], info["preferredFormats"], info["extraQualities"]) == (["webp"], ["webp"], ["gray"])
    info = document(BUILDER, image, "http://x/a", tree, spelling(2, 2, "gray", "webp"))
    assert info["profile"][1] == {"formats": ["webp"], "qualities": ["gray"]}


def test_runs_add_up_in_the_document() -> None:
    first, second = (described(tree_of(3897, 4096, 2, factors=factors), 2) for factors in ((8, 4), (4, 2, 1)))
    both = merged(second, first)
    assert both["tiles"] == [{"width": 256, "scaleFactors": [1, 2, 4, 8]}]
    assert merged(both, both) == both
    wider = described(tree_of(3897, 4096, 2, tile=512), 2)
    assert merged(wider, first) == wider
    assert merged(described(tree_of(3897, 4096, 3), 3), first)["type"] == "ImageService3"


def test_another_format_does_not_take_the_place_of_plain_tiles() -> None:
    tree, image = tree_of(1000, 800, 3), ImageInfo(1000, 800, "jpg")
    plain, webp = (document(BUILDER, image, "http://x/a", tree, spelling(3, 3, format=f)) for f in ("jpg", "webp"))
    assert merged(webp, plain) == plain
    assert merged(plain, webp) == plain


@pytest.mark.parametrize(
    ("identifier", "uri"),
    [
        ("a.jpg", "https://images.example.org/iiif/a.jpg"),
        ("2019/a b.jpg", "https://images.example.org/iiif/2019/a%20b.jpg"),
        ("100%.jpg", "https://images.example.org/iiif/100%25.jpg"),
        ("é?#.jpg", "https://images.example.org/iiif/%C3%A9%3F%23.jpg"),
    ],
)
def test_addresses(identifier: str, uri: str) -> None:
    assert address("https://images.example.org/iiif/", identifier) == uri
