"""Every example URL of go-iiif's README and of the specification: the right size, type and pixels."""

import math
from typing import Any

import numpy as np
import pytest
from conftest import Serve
from serving import Answer, Server

CAT = "3897x4096.jpg"
"""A picture of the size of the README's, under a name of ours."""

SMALL = "300x200.jpg"
"""The specification draws its examples with a picture of 300x200 pixels."""

TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "tif": "image/tiff", "webp": "image/webp"}


@pytest.fixture(scope="module")
def originals(picture_folder: Any) -> dict[str, np.ndarray]:
    from PIL import Image

    return {name: np.asarray(Image.open(picture_folder / name).convert("RGB")) for name in (CAT, SMALL)}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The mean difference of two pictures in steps of 255, gray ones repeated to three bands."""
    assert one.shape[:2] == other.shape[:2]
    wide = [a if a.ndim == 3 else np.repeat(a[:, :, None], 3, 2) for a in (one, other)]
    return float(np.abs(wide[0][:, :, :3].astype(float) - wide[1][:, :, :3]).mean())


def scaled(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BOX))


def checked(answer: Answer, size: tuple[int, int], format: str) -> np.ndarray:
    assert answer.status == 200, answer.text[:200]
    assert answer.header("Content-Type") == TYPES[format]
    assert answer.size == size
    assert answer.image.format == {"jpg": "JPEG", "tif": "TIFF"}.get(format, format.upper())
    return answer.pixels


def test_the_full_picture(server: Server, originals: dict[str, np.ndarray]) -> None:
    pixels = checked(server.get(f"/{CAT}/full/full/0/default.jpg"), (3897, 4096), "jpg")
    assert difference(pixels, originals[CAT]) < 3


@pytest.mark.parametrize(
    ("region", "box"),
    [
        ("125,15,200,200", (125, 15, 200, 200)),
        ("pct:41.6,7.5,40,70", (1621, 307, 1559, 2867)),
    ],
)
def test_regions(server: Server, originals: dict[str, np.ndarray], region: str, box: tuple[int, ...]) -> None:
    x, y, w, h = box
    pixels = checked(server.get(f"/{CAT}/{region}/full/0/default.jpg"), (w, h), "jpg")
    assert difference(pixels, originals[CAT][y : y + h, x : x + w]) < 4


@pytest.mark.slow
def test_a_quarter_turn_to_the_left(server: Server, originals: dict[str, np.ndarray]) -> None:
    pixels = checked(server.get(f"/{CAT}/full/full/270/default.png"), (4096, 3897), "png")
    assert difference(pixels, np.rot90(originals[CAT])) < 0.5


def test_a_share_at_a_height(server: Server, originals: dict[str, np.ndarray]) -> None:
    answer = server.get(f"/{CAT}/pct:41,7,40,70/,250/0/default.jpg")
    pixels = checked(answer, (136, 250), "jpg")
    cut = originals[CAT][287 : 287 + 2867, 1598 : 1598 + 1559]
    assert difference(pixels, scaled(cut, (136, 250))) < 6


@pytest.mark.slow
def test_a_dithered_share(server: Server, originals: dict[str, np.ndarray]) -> None:
    """The README's picture is 5000 pixels high, enlarged from 2867."""
    answer = server.get(f"/{CAT}/pct:41,7,40,70/,5000/0/dither.png")
    pixels = checked(answer, (2719, 5000), "png")
    assert set(np.unique(pixels)) == {0, 255}
    cut = originals[CAT][287 : 287 + 2867, 1598 : 1598 + 1559]
    coarse = np.asarray(scaled(cut, (27, 50)).mean(axis=2))
    dithered = scaled(pixels, (27, 50))
    # Atkinson drops a quarter of the error: dark becomes darker and light lighter, but they stay in order.
    assert np.corrcoef(coarse.ravel(), dithered.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("prefix", ["", "/iiif/2"])
def test_info_json(server: Server, prefix: str) -> None:
    document = server.get(f"{prefix}/{CAT}/info.json").json
    assert document["@context"] == "http://iiif.io/api/image/2/context.json"
    assert document["@id"] == f"{server.base}{prefix}/{CAT}"
    assert document["@type"] == "iiif:Image"
    assert document["protocol"] == "http://iiif.io/api/image"
    assert (document["width"], document["height"]) == (3897, 4096)
    uri, extra = document["profile"]
    assert uri == "http://iiif.io/api/image/2/level2.json"
    assert {"tif", "webp"} <= set(extra["formats"])
    assert {"dither", "color"} <= set(extra["qualities"])
    assert "mirroring" in extra["supports"]


def test_an_identifier_of_several_segments(server: Server) -> None:
    assert server.get("/2019/museum/series/box/photo.jpg/info.json").status == 200
    assert server.get("/191/733/191733_5755a1309e4d66a7/info.json").status == 404


def test_identifiers_that_climb(server: Server) -> None:
    for path in ("/../../etc/passwd/info.json", f"/2019/../{CAT}/info.json", f"/2019%2F..%2F{CAT}/info.json"):
        assert server.get(path).status == 404


def test_the_counters(serve: Serve) -> None:
    server = serve({"derivatives": {"cache": {"name": "Memory", "limit": 10}}, "server": {"access_log": False}})
    before = server.get("/debug/vars").json
    for _ in range(2):
        assert server.get(f"/{SMALL}/full/77,/0/default.jpg").status == 200
    after = server.get("/debug/vars").json
    assert after["CacheMiss"] == before["CacheMiss"] + 1
    assert after["CacheSet"] == before["CacheSet"] + 1
    assert after["CacheHit"] == before["CacheHit"] + 1
    assert after["TransformsCount"] == before["TransformsCount"] + 1
    assert after["TransformsAvgTimeMS"] > 0


# The specification's examples, sections 4.1 to 4.5: parameters, and the box that is cut.
REGIONS = [
    ("full", (0, 0, 300, 200)),
    ("square", (50, 0, 200, 200)),
    ("125,15,120,140", (125, 15, 120, 140)),
    ("pct:41.6,7.5,40,70", (125, 15, 120, 140)),
    ("125,15,200,200", (125, 15, 175, 185)),
    ("pct:41.6,7.5,66.6,100", (125, 15, 175, 185)),
]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("region", "box"), REGIONS)
def test_the_specifications_regions(
    server: Server, originals: dict[str, np.ndarray], version: int, region: str, box: tuple[int, ...]
) -> None:
    x, y, w, h = box
    pixels = checked(server.get(f"/iiif/{version}/{SMALL}/{region}/max/0/default.png"), (w, h), "png")
    assert difference(pixels, originals[SMALL][y : y + h, x : x + w]) < 0.5


SIZES = [
    (2, "full", (300, 200)),
    (2, "max", (300, 200)),
    (2, "150,", (150, 100)),
    (2, ",150", (225, 150)),
    (2, "pct:50", (150, 100)),
    (2, "225,100", (225, 100)),
    (2, "!225,100", (150, 100)),
    (3, "max", (300, 200)),
    (3, "150,", (150, 100)),
    (3, ",150", (225, 150)),
    (3, "pct:50", (150, 100)),
    (3, "225,100", (225, 100)),
    (3, "!225,100", (150, 100)),
    (3, "^360,", (360, 240)),
    (3, "^,240", (360, 240)),
    (3, "^pct:120", (360, 240)),
    (3, "^360,360", (360, 360)),
    (3, "^!360,360", (360, 240)),
]


@pytest.mark.parametrize(("version", "size", "expected"), SIZES)
def test_the_specifications_sizes(
    server: Server, originals: dict[str, np.ndarray], version: int, size: str, expected: tuple[int, int]
) -> None:
    pixels = checked(server.get(f"/iiif/{version}/{SMALL}/full/{size}/0/default.png"), expected, "png")
    assert difference(pixels, scaled(originals[SMALL], expected)) < 6


def test_the_largest_size_under_a_limit(serve: Serve) -> None:
    server = serve({"limits": {"max_width": 360}})
    checked(server.get(f"/iiif/3/{SMALL}/full/^max/0/default.jpg"), (360, 240), "jpg")


ROTATIONS = [
    ("0", lambda a: a),
    ("180", lambda a: np.rot90(a, 2)),
    ("90", lambda a: np.rot90(a, -1)),
    ("!0", np.fliplr),
    ("!180", np.flipud),
]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("rotation", "turned"), ROTATIONS)
def test_the_specifications_rotations(
    server: Server, originals: dict[str, np.ndarray], version: int, rotation: str, turned: Any
) -> None:
    expected = turned(originals[SMALL])
    size = expected.shape[1], expected.shape[0]
    pixels = checked(server.get(f"/iiif/{version}/{SMALL}/full/max/{rotation}/default.png"), size, "png")
    assert difference(pixels, expected) < 0.5


@pytest.mark.parametrize("version", [2, 3])
def test_the_specifications_free_rotation(server: Server, originals: dict[str, np.ndarray], version: int) -> None:
    """22.5 degrees: nothing is cut off, the content keeps its scale, the corners are transparent."""
    answer = server.get(f"/iiif/{version}/{SMALL}/full/max/22.5/default.png")
    sine, cosine = math.sin(math.radians(22.5)), math.cos(math.radians(22.5))
    width, height = 300 * cosine + 200 * sine, 200 * cosine + 300 * sine
    assert answer.size[0] == pytest.approx(width, abs=1)
    assert answer.size[1] == pytest.approx(height, abs=1)
    pixels = answer.pixels
    assert pixels.shape[2] == 4
    for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert pixels[y, x, 3] == 0
    middle_y, middle_x = pixels.shape[0] // 2, pixels.shape[1] // 2
    assert pixels[middle_y, middle_x, 3] == 255
    # A point of the original, 60 pixels right of the middle, lies 22.5 degrees further clockwise.
    x, y = round(60 * cosine), round(60 * sine)
    there = pixels[middle_y + y - 3 : middle_y + y + 4, middle_x + x - 3 : middle_x + x + 4, :3].mean(axis=(0, 1))
    here = originals[SMALL][97:104, 207:214].mean(axis=(0, 1))
    assert there == pytest.approx(here, abs=12)


@pytest.mark.parametrize("version", [2, 3])
def test_the_specifications_qualities(server: Server, originals: dict[str, np.ndarray], version: int) -> None:
    original = originals[SMALL]
    got = {
        name: checked(server.get(f"/iiif/{version}/{SMALL}/full/max/0/{name}.png"), (300, 200), "png")
        for name in ("default", "color", "gray", "bitonal")
    }
    assert difference(got["default"], original) < 0.5
    assert np.array_equal(got["default"], got["color"])
    assert got["gray"].ndim == 2
    assert np.abs(got["gray"] - original @ (0.2126, 0.7152, 0.0722)).mean() < 15
    assert set(np.unique(got["bitonal"])) == {0, 255}
    assert (
        got["bitonal"].astype(float)[got["gray"] > 200].mean() > got["bitonal"].astype(float)[got["gray"] < 50].mean()
    )


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("format", TYPES)
def test_the_specifications_formats(
    server: Server, originals: dict[str, np.ndarray], version: int, format: str
) -> None:
    pixels = checked(server.get(f"/iiif/{version}/{SMALL}/full/max/0/default.{format}"), (300, 200), format)
    assert difference(pixels, originals[SMALL]) < 6


@pytest.mark.parametrize("version", [2, 3])
def test_jpeg_2000_and_pdf(server: Server, originals: dict[str, np.ndarray], version: int) -> None:
    jp2 = server.get(f"/iiif/{version}/{SMALL}/full/max/0/default.jp2")
    assert jp2.header("Content-Type") == "image/jp2"
    assert jp2.image.format == "JPEG2000"
    assert difference(jp2.pixels, originals[SMALL]) < 6
    pdf = server.get(f"/iiif/{version}/{SMALL}/full/max/0/default.pdf")
    assert pdf.header("Content-Type") == "application/pdf"
    assert pdf.body.startswith(b"%PDF-")
    assert pdf.body.rstrip().endswith(b"%%EOF")


def test_bitonal_pictures_are_of_one_component(server: Server) -> None:
    assert server.get(f"/iiif/3/{SMALL}/full/max/0/bitonal.png").image.mode == "1"
    assert server.get(f"/iiif/3/{SMALL}/full/max/0/bitonal.tif").image.mode == "1"
    assert server.get(f"/iiif/3/{SMALL}/full/max/0/bitonal.jpg").image.mode == "L"
    assert server.get(f"/iiif/3/{SMALL}/full/max/0/gray.jpg").image.mode == "L"


def test_operations_come_in_the_order_of_the_specification(server: Server, originals: dict[str, np.ndarray]) -> None:
    """Region, size, mirror, rotation, quality (4.6): another order would cut, turn or scale something else."""
    answer = server.get(f"/iiif/3/{SMALL}/100,20,120,60/60,60/!90/gray.png")
    pixels = checked(answer, (60, 60), "png")
    cut = scaled(originals[SMALL][20:80, 100:220], (60, 60))
    expected = np.rot90(np.fliplr(cut), -1) @ (0.2126, 0.7152, 0.0722)
    assert np.abs(pixels - expected).mean() < 12
    assert np.abs(pixels - np.fliplr(expected)).mean() > np.abs(pixels - expected).mean()
