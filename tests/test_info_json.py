"""info.json in 2.1 and 3.0: what must be in it, for color and gray images, at every level, under every limit."""

from collections.abc import Mapping
from typing import Any

import pytest
from conftest import Serve
from hypothesis import given
from requests_at_random import images
from serving import Server

from iiifkit.image_api.feature_set import FeatureSet
from iiifkit.image_api.formats import FORMATS
from iiifkit.image_api.geometry import Limits
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.info import InfoBuilder, Notices

URI = "http://example.org/iiif/3/photo.jpg"
PHOTO = ImageInfo(6000, 4000, "jpg")
GRAY = ImageInfo(6000, 4000, "jpg", color=False)
LIMITS = Limits(max_area=100_000_000)

VERSIONS = pytest.mark.parametrize("version", [2, 3])


def built(
    version: int,
    image: ImageInfo = PHOTO,
    limits: Limits = LIMITS,
    notices: Notices | None = None,
    **features: Any,
) -> dict[str, Any]:
    offered = FeatureSet.build(features.pop("writes", FORMATS), **features)
    return InfoBuilder(offered, limits, notices or Notices()).build(image, URI, version)


def test_a_full_server_in_version_3() -> None:
    """The whole document, property by property (K2 to K18)."""
    assert built(3) == {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": URI,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": 6000,
        "height": 4000,
        "sizes": [
            {"width": 188, "height": 125},
            {"width": 375, "height": 250},
            {"width": 750, "height": 500},
            {"width": 1500, "height": 1000},
            {"width": 3000, "height": 2000},
            {"width": 6000, "height": 4000},
        ],
        "tiles": [{"width": 256, "scaleFactors": [1, 2, 4, 8, 16, 32]}],
        "maxArea": 100_000_000,
        "extraFormats": ["avif", "gif", "jp2", "pdf", "tif", "webp"],
        "extraQualities": ["bitonal", "color", "gray"],
        "extraFeatures": [
            "canonicalLinkHeader",
            "mirroring",
            "profileLinkHeader",
            "rotationArbitrary",
            "sizeUpscaling",
        ],
    }
    assert next(iter(built(3))) == "@context"


def test_a_full_server_in_version_2() -> None:
    document = built(2)
    sizes, tiles = document.pop("sizes"), document.pop("tiles")
    assert (sizes, tiles) == (built(3)["sizes"], built(3)["tiles"])
    assert document == {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": URI,
        "@type": "iiif:Image",
        "protocol": "http://iiif.io/api/image",
        "width": 6000,
        "height": 4000,
        "profile": [
            "http://iiif.io/api/image/2/level2.json",
            {
                "formats": ["avif", "gif", "jp2", "pdf", "tif", "webp"],
                "qualities": ["color", "gray"],
                "supports": [
                    "canonicalLinkHeader",
                    "mirroring",
                    "profileLinkHeader",
                    "regionSquare",
                    "rotationArbitrary",
                    "sizeAboveFull",
                ],
                "maxArea": 100_000_000,
            },
        ],
    }


@VERSIONS
def test_a_picture_without_color_does_not_list_color(version: int) -> None:
    document = built(version, GRAY)
    qualities = document["extraQualities"] if version == 3 else document["profile"][1]["qualities"]
    assert "color" not in qualities
    assert "gray" in qualities
    assert "level2" in str(document["profile"])


@VERSIONS
@pytest.mark.parametrize(
    ("limits", "published"),
    [
        (Limits(), {}),
        (Limits(max_width=3000), {"maxWidth": 3000}),
        (Limits(max_height=2000), {"maxWidth": 2000}),
        (Limits(3000, 2000), {"maxWidth": 3000, "maxHeight": 2000}),
        (Limits(3000, 3000), {"maxWidth": 3000}),
        (Limits(max_area=4_000_000), {"maxArea": 4_000_000}),
        (Limits(3000, 2000, 4_000_000), {"maxWidth": 3000, "maxHeight": 2000, "maxArea": 4_000_000}),
    ],
)
def test_limits_are_published(version: int, limits: Limits, published: Mapping[str, int]) -> None:
    document = built(version, limits=limits)
    place = document if version == 3 else document["profile"][1]
    assert {name: value for name, value in place.items() if name.startswith("max")} == published


def test_enlarging_is_announced_only_with_a_limit() -> None:
    """MUST (3.0, 5.7): a server that announces sizeUpscaling publishes maxWidth or maxArea."""
    assert "sizeUpscaling" not in built(3, limits=Limits())["extraFeatures"]
    assert "sizeUpscaling" in built(3, limits=Limits(max_width=7500))["extraFeatures"]
    disabled = {"size": ["sizeUpscaling"]}
    assert "sizeUpscaling" not in built(3, disable=disabled)["extraFeatures"]
    assert "sizeAboveFull" not in built(2, disable=disabled)["profile"][1]["supports"]


# What to switch off, and the levels in 2.1 and 3.0 that are left.
LEVELS = [
    ({}, 2, 2),
    ({"quality": ["bitonal"]}, 1, 2),
    ({"quality": ["gray"]}, 1, 1),
    ({"size": ["sizeByDistortedWh"]}, 1, 2),
    ({"size": ["sizeByConfinedWh"]}, 1, 1),
    ({"size": ["sizeByPct"]}, 0, 1),
    ({"size": ["sizeByWh"]}, 1, 0),
    ({"size": ["sizeByW"]}, 0, 0),
    ({"size": ["max"]}, 2, 0),
    ({"region": ["regionSquare"]}, 2, 0),
    ({"region": ["regionByPct"]}, 1, 1),
    ({"rotation": ["rotationBy90s"]}, 1, 1),
    ({"rotation": ["rotationArbitrary", "mirroring"]}, 2, 2),
    ({"format": ["png"]}, 1, 1),
    ({"format": ["tif", "gif", "webp"]}, 2, 2),
]


@pytest.mark.parametrize(("disable", "level2", "level3"), LEVELS)
def test_the_level_is_the_highest_that_is_fully_met(disable: Any, level2: int, level3: int) -> None:
    assert built(2, disable=disable)["profile"][0] == f"http://iiif.io/api/image/2/level{level2}.json"
    assert built(3, disable=disable)["profile"] == f"level{level3}"


def test_the_sample_config_of_go_iiif() -> None:
    """Level 1 in 2.1, and everything of level 2 that it has is listed; level 2 in 3.0."""
    disable = {"size": ["sizeByDistortedWh"], "rotation": ["rotationArbitrary"], "quality": ["bitonal"]}
    uri, extra = built(2, disable=disable)["profile"]
    assert uri.endswith("level1.json")
    assert {"regionByPct", "sizeByConfinedWh", "sizeByWh", "rotationBy90s"} <= set(extra["supports"])
    assert not {"sizeByDistortedWh", "rotationArbitrary"} & set(extra["supports"])
    assert "png" in extra["formats"]
    assert "bitonal" not in extra["qualities"]
    three = built(3, disable=disable)
    assert three["profile"] == "level2"
    assert "rotationArbitrary" not in three["extraFeatures"]


@pytest.mark.parametrize("level", [0, 1])
def test_a_forced_level_promises_no_more_than_itself(level: int) -> None:
    three, two = built(3, forced_level=level), built(2, forced_level=level)
    assert three["profile"] == f"level{level}"
    assert two["profile"][0].endswith(f"level{level}.json")
    assert "extraFormats" not in three
    assert three["extraQualities"] == ["color"]
    assert not {"sizeUpscaling", "mirroring", "rotationArbitrary", "rotationBy90s"} & set(
        three.get("extraFeatures", ())
    )


def test_a_forced_level_with_more_switched_on_lists_it() -> None:
    document = built(3, forced_level=0, enable={"format": ["png"], "rotation": ["rotationBy90s"]})
    assert document["profile"] == "level0"
    assert document["extraFormats"] == ["png"]
    assert document["extraFeatures"] == ["rotationBy90s"]


def test_engines_that_write_less_offer_less() -> None:
    document = built(3, writes=("jpg", "png"))
    assert document["profile"] == "level2"
    assert "extraFormats" not in document


@VERSIONS
@given(image=images())
def test_no_property_is_empty(version: int, image: ImageInfo) -> None:
    document = built(version, image, Limits())
    for value in (*document.values(), *(document["profile"][1].values() if version == 2 else ())):
        assert value
    assert isinstance(document["width"], int)
    assert isinstance(document["height"], int)


SERVICES = [{"id": "http://example.org/auth", "type": "AuthCookieService1", "profile": "login"}]


def test_rights_in_version_3() -> None:
    notices = Notices(rights="http://creativecommons.org/publicdomain/zero/1.0/", service=SERVICES)
    document = built(3, notices=notices)
    assert document["rights"] == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert document["service"] == SERVICES
    assert built(3, notices=Notices(license="http://a.example/1"))["rights"] == "http://a.example/1"


def test_what_version_3_does_not_know_is_left_out() -> None:
    notices = Notices(license=["http://a.example/1", "http://a.example/2"], attribution="A", logo="http://a.example/l")
    assert not {"license", "rights", "attribution", "logo"} & built(3, notices=notices).keys()


def test_rights_in_version_2() -> None:
    notices = Notices(
        rights="http://a.example/r",
        license="http://a.example/1",
        attribution=[{"@value": "Museum", "@language": "en"}],
        logo={"@id": "http://a.example/logo.png"},
        service=SERVICES,
    )
    document = built(2, notices=notices)
    assert document["license"] == "http://a.example/1"
    assert document["attribution"] == [{"@value": "Museum", "@language": "en"}]
    assert document["logo"] == {"@id": "http://a.example/logo.png"}
    assert document["service"] == SERVICES
    assert "rights" not in document
    assert built(2, notices=Notices(rights="http://a.example/r"))["license"] == "http://a.example/r"


# Over HTTP, from here on.

NOTICES = {
    "rights": "http://rightsstatements.org/vocab/InC/1.0/",
    "attribution": "The museum",
    "logo": "http://museum.example/logo.png",
    "service": {"id": "http://museum.example/auth", "type": "AuthCookieService1", "profile": "login"},
}


def test_the_configs_info_block_reaches_both_versions(serve: Serve) -> None:
    server = serve({"info": NOTICES})
    two, three = (server.get(f"/iiif/{version}/300x200.jpg/info.json").json for version in (2, 3))
    assert two["license"] == three["rights"] == NOTICES["rights"]
    assert two["attribution"] == "The museum"
    assert two["logo"] == NOTICES["logo"]
    assert two["service"] == three["service"] == [NOTICES["service"]]


@VERSIONS
def test_a_gray_file_over_http(server: Server, version: int) -> None:
    document = server.get(f"/iiif/{version}/gray.jpg/info.json").json
    assert "'color'" not in str(document)
    for quality in ("color", "default", "gray"):
        answer = server.get(f"/iiif/{version}/gray.jpg/full/max/0/{quality}.jpg")
        assert answer.status == 200
        assert answer.image.mode == "L"


@VERSIONS
def test_width_and_height_are_those_of_the_picture(server: Server, version: int) -> None:
    for width, height in ((6000, 4000), (3073, 2049), (50, 40)):
        document = server.get(f"/iiif/{version}/{width}x{height}.jpg/info.json").json
        assert (document["width"], document["height"]) == (width, height)


@VERSIONS
@pytest.mark.parametrize("identifier", ["3073x2049.jpg", "50x40.jpg", "gray.jpg"])
def test_every_listed_size_is_served(server: Server, version: int, identifier: str) -> None:
    document = server.get(f"/iiif/{version}/{identifier}/info.json").json
    for size in document["sizes"]:
        width, height = size["width"], size["height"]
        assert server.get(f"/iiif/{version}/{identifier}/full/{width},{height}/0/default.jpg").size == (width, height)
        near = server.get(f"/iiif/{version}/{identifier}/full/{width},/0/default.jpg").size
        assert near[0] == width
        assert abs(near[1] - height) <= 1


@VERSIONS
def test_the_profile_link_names_the_documents_level(server: Server, version: int) -> None:
    answer = server.get(f"/iiif/{version}/300x200.jpg/info.json")
    assert answer.links == {"profile": f"http://iiif.io/api/image/{version}/level2.json"}


CONTEXT = 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

# Accept header, then the media type in 2.1 and in 3.0.
NEGOTIATION = [
    (None, "application/json", CONTEXT),
    ("*/*", "application/json", CONTEXT),
    (BROWSER, "application/json", CONTEXT),
    ("application/*", "application/json", CONTEXT),
    ("application/json", "application/json", "application/json"),
    ("application/ld+json", "application/ld+json", CONTEXT),
    ("APPLICATION/LD+JSON", "application/ld+json", CONTEXT),
    (CONTEXT, "application/ld+json", CONTEXT),
    ("application/json;charset=utf-8", "application/json", "application/json"),
    ("application/ld+json, application/json;q=0.9", "application/ld+json", CONTEXT),
    ("application/json, application/ld+json", "application/ld+json", CONTEXT),
    ("application/ld+json;q=0.5, application/json", "application/json", "application/json"),
    ("application/json;q=0.9, */*;q=0.1", "application/json", "application/json"),
    ("application/json, text/plain, */*", "application/json", CONTEXT),
    ("application/ld+json;q=0, */*", "application/json", "application/json"),
    ("application/json;q=0, */*", "application/json", CONTEXT),
    ("image/png", "application/json", CONTEXT),
    ("application/json;q=nonsense", "application/json", CONTEXT),
    (",;,=;q=", "application/json", CONTEXT),
    ("x" * 10_000, "application/json", CONTEXT),
]


@pytest.mark.parametrize(("accept", "type2", "type3"), NEGOTIATION)
def test_content_negotiation(server: Server, accept: str | None, type2: str, type3: str) -> None:
    for version, expected in ((2, type2), (3, type3)):
        headers = {} if accept is None else {"Accept": accept}
        answer = server.request(f"/iiif/{version}/300x200.jpg/info.json", headers=headers)
        assert answer.status == 200
        assert answer.header("Content-Type") == expected
        assert answer.header("Vary") == "Accept"
        assert answer.json["width"] == 300


def test_media_types_have_etags_of_their_own(server: Server) -> None:
    plain = server.request("/iiif/2/300x200.jpg/info.json", headers={"Accept": "application/json"})
    linked = server.request("/iiif/2/300x200.jpg/info.json", headers={"Accept": "application/ld+json"})
    assert plain.header("ETag") != linked.header("ETag")
    assert plain.json == linked.json


def test_the_default_version_has_no_prefix(serve: Serve) -> None:
    for default in ("2", "3"):
        server = serve({"api": {"default_version": default}})
        document = server.get("/300x200.jpg/info.json").json
        key = "@id" if default == "2" else "id"
        assert document[key] == f"{server.base}/300x200.jpg"
        assert f"/image/{default}/" in document["@context"]
