"""Each error's status and sentence: what was asked, what is allowed, and nothing of the server or of a library."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import oversized_png, photograph, truncated
from PIL import Image
from requests_at_random import JUNK
from serving import Answer, Server

import iiifkit
from iiifkit import errors
from iiifkit.image_api.plan import Plan
from iiifkit.server.errors import retry_after, status_of

# Every error class: its status in 2.1 and in 3.0, and the seconds after which to try again.
STATUSES: list[tuple[errors.IIIFKitError, int, int, int | None]] = [
    (errors.BadRequest("x"), 400, 400, None),
    (errors.SizeOverLimit("x"), 404, 400, None),
    (errors.NotOffered("x"), 501, 501, None),
    (errors.ImageNotFound("x"), 404, 404, None),
    (errors.UnsupportedImage("x"), 415, 415, None),
    (errors.BrokenImage("x"), 422, 422, None),
    (errors.ImageOverLimit("x"), 422, 422, None),
    (errors.SourceTimeout("x"), 504, 504, None),
    (errors.SourceChanged("x"), 503, 503, 1),
    (errors.SourceError("x"), 502, 502, None),
    (errors.Overloaded("x", 7), 503, 503, 7),
    (errors.DeadlineExceeded("x", 5), 503, 503, 5),
    (errors.PluginFailed("x"), 500, 500, None),
    (errors.CacheError("x"), 500, 500, None),
    (errors.Stopped("x"), 500, 500, None),
    (errors.IIIFKitError("x"), 500, 500, None),
]


@pytest.mark.parametrize(("error", "status2", "status3", "seconds"), STATUSES)
def test_statuses(error: errors.IIIFKitError, status2: int, status3: int, seconds: int | None) -> None:
    assert status_of(error, 2) == status2
    assert status_of(error, 3) == status3
    assert retry_after(error) == seconds


def test_every_error_that_a_request_can_meet_is_in_the_table() -> None:
    def leaves(kind: type) -> Iterator[type]:
        yield kind
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield from leaves(child)

    listed = {type(error) for error, *_ in STATUSES}
    abstract = {errors.RequestError, errors.ImageError}
    starting = {errors.SetupError, errors.ConfigError, errors.PluginError}
    assert set(leaves(errors.IIIFKitError)) == listed | abstract | starting


SIZES_3 = "max, w, ,h pct:n w,h or !w,h, with or without ^"

# Requests to version 3 of a picture of 300x200 pixels under maxWidth 400, with their status and the whole sentence.
SENTENCES = [
    ("wrong/max/0/default.jpg", 400, "The region 'wrong' is not full, square, x,y,w,h or pct:x,y,w,h."),
    ("0,0,0,5/max/0/default.jpg", 400, "The region '0,0,0,5' is empty: its width and height must be greater than 0."),
    ("300,0,9,9/max/0/default.jpg", 400, "The region '300,0,9,9' lies outside the image of 300x200 pixels."),
    ("full/wrong/0/default.jpg", 400, f"The size 'wrong' is not {SIZES_3}."),
    (
        *("full/full/0/default.jpg", 400),
        f"The size 'full' is not {SIZES_3}; full belongs to version 2, write max.",
    ),
    ("full/0,/0/default.jpg", 400, "The size '0,' has a side of 0; sides must be greater than 0."),
    ("full/pct:0.1/0/default.jpg", 400, "The size 'pct:0.1' of a 300x200 region is less than one pixel."),
    (
        *("full/301,/0/default.jpg", 400),
        "The size '301,' is larger than the region of 300x200 pixels; write ^301, to enlarge.",
    ),
    ("full/pct:101/0/default.jpg", 400, "The size 'pct:101' is larger than the region; write ^pct:101 to enlarge."),
    (
        *("full/^401,/0/default.jpg", 400),
        "The result would be 401x267 pixels; this server's limits are: maxWidth 400, maxHeight 400.",
    ),
    (
        *("full/max/361/default.jpg", 400),
        "The rotation '361' is not a number of degrees from 0 to 360, with or without a ! before it.",
    ),
    (
        *("full/max/0/sepia.jpg", 400),
        "The quality 'sepia' cannot be served: it is not known here. Offered: default; color; gray; bitonal; dither.",
    ),
    (
        *("full/max/0/default.bmp", 400),
        "The format 'bmp' cannot be served: it is not known here. Offered: jpg; png; tif; gif; webp; jp2; pdf; avif.",
    ),
    ("full/max/0/default", 400, "The last part 'default' must be {quality}.{format}, such as default.jpg."),
    ("full/%ZZ/0/default.jpg", 400, "'%ZZ' holds a % that is not followed by two hexadecimal digits."),
    ("full/%FF/0/default.jpg", 400, "'%FF' is not UTF-8 when it is decoded."),
    ("full/max%00/0/default.jpg", 400, "The address holds control characters."),
    (f"full/{'9' * 300},/0/default.jpg", 400, "The size is longer than 255 characters."),
    ("full/max", 404, "There is no image '300x200.jpg/full/max'."),
]


@pytest.fixture(scope="module")
def limited(serve: Serve) -> Server:
    return serve({"limits": {"max_width": 400, "max_area": None}})


def checked(answer: Answer, status: int) -> str:
    assert answer.status == status, answer.text
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.sentence.endswith(".")
    return answer.sentence


@pytest.mark.parametrize(("path", "status", "sentence"), SENTENCES)
def test_sentences(limited: Server, path: str, status: int, sentence: str) -> None:
    assert checked(limited.get(f"/iiif/3/300x200.jpg/{path}"), status) == sentence
    assert limited.request(f"/iiif/3/300x200.jpg/{path}", "HEAD").status == status


def test_sentences_of_version_2(limited: Server) -> None:
    assert checked(limited.get("/iiif/2/300x200.jpg/full/^max/0/default.jpg"), 400) == (
        "The size '^max' is not full, max, w, ,h pct:n w,h or !w,h."
    )
    assert checked(limited.get("/iiif/2/300x200.jpg/full/401,/0/default.jpg"), 404) == (
        "The result would be 401x267 pixels; this server's limits are: maxWidth 400, maxHeight 400."
    )


def test_sentences_about_identifiers(limited: Server) -> None:
    assert checked(limited.get("/iiif/3/nothing.jpg/info.json"), 404) == "There is no image 'nothing.jpg'."
    long = checked(limited.get(f"/iiif/3/{'a' * 3000}/info.json"), 404)
    assert long == "No image has an identifier of more than 2048 characters."
    assert checked(limited.get("/iiif/3/"), 400) == "The identifier is empty."


def test_enlarging_that_is_switched_off(serve: Serve) -> None:
    server = serve({"features": {"disable": {"size": ["sizeUpscaling"]}}, "limits": {"max_area": None}})
    for path in ("/iiif/3/300x200.jpg/full/^600,/0/default.jpg", "/iiif/2/300x200.jpg/full/600,/0/default.jpg"):
        size = path.split("/")[5]
        assert checked(server.get(path), 501) == (
            f"The size '{size}' enlarges the region of 300x200 pixels, which this server does not offer."
        )


def test_a_feature_that_is_switched_off_is_named(serve: Serve) -> None:
    server = serve({"level": {"compliance": "0"}})
    sentence = checked(server.get("/iiif/3/300x200.jpg/full/77,/0/default.jpg"), 400)
    assert sentence == (
        "The size '77,' cannot be served: this server does not offer sizeByW. "
        "Offered: max; and the tiles and sizes that info.json lists."
    )
    sentence = checked(server.get("/iiif/2/300x200.jpg/full/77,/0/default.jpg"), 400)
    assert "Offered: full; max; and the tiles" in sentence
    sentence = checked(server.get("/iiif/3/300x200.jpg/full/max/90/default.jpg"), 400)
    assert sentence == "The rotation '90' cannot be served: this server does not offer rotationBy90s. Offered: 0."


def test_other_methods_get_a_sentence(server: Server) -> None:
    answer = server.request("/iiif/3/300x200.jpg/info.json", "POST", {"Content-Length": "0"})
    assert checked(answer, 405) == "Only GET, HEAD, OPTIONS are answered here."


@pytest.fixture(scope="module", params=["VIPS", "Pillow"])
def damaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "text.jpg").write_text("This is no picture.")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (folder / "huge.png").write_bytes(oversized_png())
    Image.fromarray(photograph("chelsea.png")).save(folder / "whole.jpg")
    Image.fromarray(photograph("chelsea.png")).save(folder / "whole.png")
    for name in ("jpg", "png"):
        (folder / f"half.{name}").write_bytes(truncated((folder / f"whole.{name}").read_bytes()))
    (folder / "head.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:40])
    if os.geteuid() != 0:
        (folder / "secret.jpg").write_bytes(b"x")
        (folder / "secret.jpg").chmod(0)
    config = {"graphics": {"source": {"name": request.param}}}
    with Server(tmp_path_factory.mktemp("damaged-server"), folder, config) as server:
        yield server


DAMAGED = [
    ("text.jpg", 415, "not a picture in a known format"),
    ("empty.jpg", 415, "not a picture in a known format"),
    ("drawing.svg", 415, "stored as svg"),
    ("huge.png", 422, "60000x60000 pixels"),
    ("half.jpg", 422, "truncated|broken|damaged|ends"),
    ("half.png", 422, "truncated|broken|damaged|ends"),
    ("head.jpg", 422, ""),
]

FOREIGN = re.compile(r"vips|pillow|PIL|libjpeg|libpng|Traceback|Error\b|0x[0-9a-f]{6,}|/tmp|site-packages|errno", re.I)
"""What gives away a library, a path or an exception."""


@pytest.mark.parametrize(("name", "status", "words"), DAMAGED)
def test_damaged_files(damaged: Server, name: str, status: int, words: str) -> None:
    answer = damaged.get(f"/iiif/3/{name}/full/max/0/default.png")
    sentence = checked(answer, status)
    assert re.search(words, sentence), sentence
    assert not FOREIGN.search(sentence), sentence
    assert str(damaged.folder) not in sentence
    assert damaged.get("/iiif/3/whole.jpg/full/9,/0/default.jpg").status == 200


@pytest.fixture(scope="module")
def service(picture_folder: Path) -> Iterator[Any]:
    made = iiifkit.open_service(
        folder=str(picture_folder), images__cache={"name": "Null"}, derivatives__cache={"name": "Null"}
    )
    yield made
    made.close()


PARTS = st.one_of(JUNK, st.sampled_from(["300x200.jpg", "full", "max", "0", "default.jpg"]))
PATHS = st.one_of(
    JUNK,
    st.lists(PARTS, max_size=8).map("/".join),
    st.tuples(JUNK, JUNK, JUNK, JUNK).map(lambda parts: "300x200.jpg/" + "/".join(parts)),
    JUNK.map("300x200.jpg/full/{}/0/default.jpg".format),
    st.binary(max_size=60).map(lambda data: data.decode("latin-1")),
)


@pytest.mark.parametrize("version", [2, 3])
@settings(max_examples=300)
@given(path=PATHS)
def test_no_path_raises_anything_but_the_documented_errors(service: Any, version: int, path: str) -> None:
    """A whole line but its rendering: any text is a plan of an image, or a sentence that ends."""
    try:
        request = service.parse(path, version)
        resolved = service.resolve(request, service.look(request.identifier))
    except errors.RequestError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert not FOREIGN.search(sentence.replace(path, "")) or re.search(r"vips|pil|error|tmp|errno", path, re.I)
        return
    assert isinstance(resolved.plan, Plan)


@pytest.mark.parametrize("version", [2, 3])
@settings(max_examples=100)
@given(path=PATHS)
def test_no_path_is_an_internal_error_over_http(server: Server, version: int, path: str) -> None:
    spelled = b"".join(
        bytes([byte]) if 0x21 <= byte <= 0x7E and byte not in b"?#" else b"%%%02X" % byte
        for byte in path.encode("utf-8", "replace")
    )
    answer = server.request(f"/iiif/{version}/".encode() + spelled)
    assert answer.status in (200, 303, 400, 404)
    if answer.status >= 400:
        assert answer.sentence.endswith(".")
        assert answer.header("Access-Control-Allow-Origin") == "*"
