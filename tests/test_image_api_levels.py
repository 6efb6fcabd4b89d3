"""level.compliance and the features blocks over HTTP: what a level lacks is refused, what info.json lists is served."""

from typing import Any

import pytest
from conftest import Serve
from serving import Server

VERSIONS = pytest.mark.parametrize("version", [2, 3])
IMAGE = "3073x2049.jpg"

GO_IIIF_2016: dict[str, Any] = {
    "level": {"compliance": "2"},
    "graphics": {"source": {"name": "VIPS"}},
    "features": {
        "enable": {"size": ["max"], "format": ["webp", "tif"]},
        "disable": {"size": ["sizeByDistortedWh"], "rotation": ["rotationArbitrary"], "quality": ["bitonal"]},
        "append": {
            "quality": {"dither": {"syntax": "dither", "required": False, "supported": True, "match": "^dither$"}}
        },
    },
    "images": {"source": {"name": "Disk", "path": "."}, "cache": {"name": "Memory", "ttl": 300, "limit": 100}},
    "derivatives": {"cache": {"name": "Memory", "ttl": 300, "limit": 100}},
}
"""The sample config that go-iiif came with in 2016, with its caches in memory."""


@pytest.fixture(scope="module", params=["0", "1"])
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def leveled(serve: Serve, level: str) -> Server:
    return serve({"level": {"compliance": level}})


@VERSIONS
def test_the_level_is_published(leveled: Server, level: str, version: int) -> None:
    answer = leveled.get(f"/iiif/{version}/{IMAGE}/info.json")
    profile = answer.json["profile"]
    assert (profile if version == 3 else profile[0].rpartition("/")[2].removesuffix(".json")) == f"level{level}"
    link = f"http://iiif.io/api/image/{version}/level{level}.json"
    assert answer.links["profile"] == link
    assert leveled.get(f"/iiif/{version}/{IMAGE}/full/256,/0/default.jpg").status in (200, 400)
    assert leveled.get(f"/iiif/{version}/{IMAGE}/full/max/0/default.jpg").links["profile"] == link


# Beyond which level each of these is in 2.1 and 3.0; what either requires at a level is on in both.
BEYOND = [
    ("square/100,", 0, 0),
    ("pct:0,0,50,50/max", 1, 1),
    ("10,10,100,100/max", 0, 0),
    ("full/100,", 0, 0),
    ("full/,100", 0, 0),
    ("full/pct:5", 0, 0),
    ("full/!100,100", 1, 1),
    ("full/300,200", 0, 0),
    ("full/300,300", 1, 0),
]


@VERSIONS
@pytest.mark.parametrize(("path", "level2", "level3"), BEYOND)
def test_what_a_level_lacks_is_refused(
    leveled: Server, level: str, version: int, path: str, level2: int, level3: int
) -> None:
    beyond = (level2 if version == 2 else level3) >= int(level)
    answer = leveled.get(f"/iiif/{version}/{IMAGE}/{path}/0/default.jpg")
    assert answer.status == (400 if beyond else 200)
    if beyond:
        assert "does not offer" in answer.sentence


@VERSIONS
@pytest.mark.parametrize(
    "ending", ["90/default.jpg", "45/default.jpg", "!0/default.jpg", "0/gray.jpg", "0/default.png"]
)
def test_levels_below_2_neither_turn_nor_recolor(leveled: Server, version: int, ending: str) -> None:
    answer = leveled.get(f"/iiif/{version}/{IMAGE}/full/max/{ending}")
    assert answer.status == 400
    assert "Offered: " in answer.sentence


@VERSIONS
def test_every_listed_size_and_tile_is_served(leveled: Server, version: int) -> None:
    base = f"/iiif/{version}/{IMAGE}"
    document = leveled.get(f"{base}/info.json").json
    for size in document["sizes"]:
        width, height = size["width"], size["height"]
        assert leveled.get(f"{base}/full/{width},{height}/0/default.jpg").size == (width, height)
        assert leveled.get(f"{base}/full/{width},/0/default.jpg").size[0] == width
    (tile,) = document["tiles"]
    for factor in tile["scaleFactors"]:
        side = tile["width"] * factor
        for x, y in ((0, 0), ((3073 - 1) // side * side, 0), (0, (2049 - 1) // side * side)):
            w, h = min(side, 3073 - x), min(side, 2049 - y)
            width, height = -(-w // factor), -(-h // factor)
            assert leveled.get(f"{base}/{x},{y},{w},{h}/{width},{height}/0/default.jpg").size == (width, height)
            assert leveled.get(f"{base}/{x},{y},{w},{h}/{width},/0/default.jpg").size[0] == width


def test_enlarging_at_a_lower_level(leveled: Server) -> None:
    assert leveled.get(f"/iiif/3/{IMAGE}/full/^4000,/0/default.jpg").status == 501
    assert leveled.get(f"/iiif/3/{IMAGE}/full/4000,/0/default.jpg").status == 400


@pytest.fixture(scope="module")
def sample(serve: Serve, picture_folder: Any) -> Server:
    config = {
        **GO_IIIF_2016,
        "images": {**GO_IIIF_2016["images"], "source": {"name": "Disk", "path": str(picture_folder)}},
    }
    return serve(config)


def test_the_sample_configs_level(sample: Server) -> None:
    uri, extra = sample.get(f"/{IMAGE}/info.json").json["profile"]
    assert uri == "http://iiif.io/api/image/2/level1.json"
    assert "sizeByWh" in extra["supports"]
    assert not {"sizeByDistortedWh", "rotationArbitrary"} & set(extra["supports"])
    assert extra["qualities"] == ["color", "dither", "gray"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("full/300,200/0/default.jpg", 200),
        ("full/300,300/0/default.jpg", 400),
        ("full/300,/90/default.jpg", 200),
        ("full/300,/45/default.jpg", 400),
        ("full/300,/45.0/default.jpg", 400),
        ("full/300,/!45/default.jpg", 400),
        ("full/300,/0/bitonal.png", 400),
        ("full/300,/0/dither.png", 200),
        ("full/300,/0/default.webp", 200),
        ("full/300,/0/default.tif", 200),
    ],
)
def test_what_the_sample_config_switches_off(sample: Server, path: str, status: int) -> None:
    answer = sample.get(f"/{IMAGE}/{path}")
    assert answer.status == status, answer.text[:200]


def test_two_features_of_one_syntax_are_decided(sample: Server) -> None:
    """go-iiif accepted or refused ``300,200`` at random here; a hundred requests have one answer."""
    for width in range(300, 400, 10):
        height = round(width * 2049 / 3073)
        assert sample.get(f"/{IMAGE}/full/{width},{height}/0/default.jpg").status == 200


def test_a_format_with_another_spelling(serve: Serve) -> None:
    """go-iiif's own example of features.append: jpeg as well as jpg."""
    jpg = {"syntax": "jpg", "required": True, "supported": True, "match": "^jpe?g$"}
    server = serve({"features": {"append": {"format": {"jpg": jpg}}}})
    plain, long = (server.get(f"/iiif/3/300x200.jpg/full/max/0/default.{name}") for name in ("jpg", "jpeg"))
    assert plain.status == long.status == 200
    assert plain.body == long.body
    assert long.links["canonical"].endswith("default.jpg")
    assert server.get("/iiif/3/300x200.jpg/full/max/0/default.jpegg").status == 400
