"""The Image API over HTTP: identifiers as they are spelled, redirects, conditional requests, methods, CORS."""

import re
import time
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import RAW_SLASHES, Serve
from PIL import Image
from serving import Answer, Server

from iiifkit.server.replies import saved_as

VERSIONS = pytest.mark.parametrize("version", [2, 3])
PICTURE = "/iiif/3/300x200.jpg/full/150,/0/default.jpg"
DOCUMENT = "/iiif/3/300x200.jpg/info.json"
REDIRECT = "/iiif/3/300x200.jpg"
MISSING = "/iiif/3/nothing.jpg/info.json"
WRONG = "/iiif/3/300x200.jpg/full/wrong/0/default.jpg"

ODD = [
    "with blank.jpg",
    "grün.jpg",
    "日本.jpg",
    "100%.jpg",
    "50%25off.jpg",
    "a;b.jpg",
    "what?.jpg",
    "a#b.jpg",
    "a&b=c.jpg",
    "a+b.jpg",
    "[a].jpg",
    "a@b:c,d.jpg",
    "it's (1)!.jpg",
    'quo"te.jpg',
    "less<more>.jpg",
    "caret^.jpg",
    "folder/inner folder/a.jpg",
    "no-extension",
    "info.json.jpg",
    "full/max/0/default.jpg",
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("odd")
    for number, name in enumerate(ODD):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 30), (200, 10 * number, 0)).save(path, "JPEG")
    with Server(tmp_path_factory.mktemp("odd-server"), folder) as server:
        yield server


def spellings(identifier: str) -> set[str]:
    """Ways in which clients spell an identifier: all encoded, slashes raw, only what must be."""
    return {quote(identifier, safe=""), quote(identifier), quote(identifier, safe="/!$&'()*+,:;=@")}


@VERSIONS
@pytest.mark.parametrize("identifier", ODD)
def test_any_file_name_is_an_identifier(odd: Server, version: int, identifier: str) -> None:
    width = 40 + ODD.index(identifier)
    for spelling in spellings(identifier):
        base = f"/iiif/{version}/{spelling}"
        redirect = odd.get(base)
        assert redirect.status == 303
        assert redirect.header("Location") == f"{odd.base}{base}/info.json"
        information = odd.get(f"{base}/info.json")
        assert information.status == 200
        assert information.json["id" if version == 3 else "@id"] == f"{odd.base}{base}"
        assert information.json["width"] == width
        picture = odd.get(f"{base}/full/20,/0/default.png")
        assert picture.status == 200
        assert picture.size[0] == 20
        canonical = picture.links["canonical"]
        assert canonical.startswith(f"{odd.base}/iiif/{version}/")
        assert odd.get(canonical.removeprefix(odd.base)).body == picture.body


def test_the_link_header_survives_odd_identifiers(odd: Server) -> None:
    """Validators read links with ``;`` as the end of the address, and with ``"`` and ``>`` as their own."""
    for spelling in ("a;b.jpg", 'quo"te.jpg', "less<more>.jpg", "a%3Bb.jpg", "quo%22te.jpg", "less%3Cmore%3E.jpg"):
        link = odd.get(f"/iiif/3/{spelling}/full/20,/0/default.jpg").header("Link")
        uri = link[1 : link.index(">")]
        assert not set(uri) & set(';"<> ')
        assert link.count("<") == link.count(">") == 2


@VERSIONS
def test_an_identifier_that_looks_like_a_request(server: Server, version: int) -> None:
    """Its base URI has a region, a size, a rotation and a quality by count, but not by syntax."""
    for spelling in (RAW_SLASHES, RAW_SLASHES.replace("/", "%2F"), RAW_SLASHES.replace("/", "%2f")):
        base = f"/iiif/{version}/{spelling}"
        assert server.get(base).status == 303
        assert server.get(base).header("Location") == f"{server.base}{base}/info.json"
        document = server.get(f"{base}/info.json").json
        assert document["id" if version == 3 else "@id"] == f"{server.base}{base}"
        tile = server.get(f"{base}/0,0,256,256/256,256/0/default.jpg")
        assert tile.size == (256, 256)
        size = "full" if version == 2 else "max"
        assert tile.links["canonical"] == f"{server.base}{base}/0,0,256,256/{size}/0/default.jpg"


@VERSIONS
def test_a_valid_request_comes_before_an_identifier_that_spells_one(odd: Server, version: int) -> None:
    """The file full/max/0/default.jpg has a base URI; below it, its own requests work."""
    base = f"/iiif/{version}/full/max/0/default.jpg"
    assert odd.get(base).status == 303
    assert odd.get(f"{base}/full/max/0/default.jpg").size == (40 + ODD.index("full/max/0/default.jpg"), 30)


@VERSIONS
def test_the_spelling_of_the_identifier_is_echoed(server: Server, version: int) -> None:
    for spelling in ("300x200.jpg", "300x200%2ejpg", "300x200%2Ejpg", "%33%30%30x200.jpg"):
        document = server.get(f"/iiif/{version}/{spelling}/info.json").json
        assert document["id" if version == 3 else "@id"] == f"{server.base}/iiif/{version}/{spelling}"


@VERSIONS
def test_the_host_is_echoed(server: Server, version: int) -> None:
    for host in ("images.example.org", "IMAGES.example.org:8443", "[::1]:8080"):
        answer = server.get(f"/iiif/{version}/300x200.jpg/info.json", Host=host)
        assert answer.json["id" if version == 3 else "@id"] == f"http://{host}/iiif/{version}/300x200.jpg"


@pytest.mark.parametrize("host", ["", "a b", 'a"b', "a/b", "<script>", "a\\b", "x" * 300, "user@host", "host:port"])
def test_hosts_that_are_none_are_not_echoed(server: Server, host: str) -> None:
    answer = server.request(DOCUMENT, headers={"Host": host})
    if answer.status == 200:
        assert answer.json["id"] == f"{server.base}{REDIRECT}"
    else:
        assert answer.status == 400


@VERSIONS
def test_a_query_changes_nothing(server: Server, version: int) -> None:
    for path in (f"/iiif/{version}/300x200.jpg/info.json", f"/iiif/{version}/300x200.jpg/full/max/0/default.jpg"):
        plain = server.get(path)
        asked = server.get(f"{path}?v=1&a=/b/c?d=%ZZ")
        assert asked.status == 200
        assert asked.body == plain.body
        assert asked.header("Link") == plain.header("Link")


def test_info_json_may_be_encoded(server: Server) -> None:
    assert server.get("/iiif/3/300x200.jpg/%69nfo%2Ejson").json["width"] == 300


@VERSIONS
@pytest.mark.parametrize(
    "path",
    [
        "{id}/full/max/0",
        "{id}/full/max/default.jpg",
        "{id}/info.xml",
        "{id}/info",
        "{id}/info.json/",
        "{id}/full",
        "nothing",
        "nothing/info.json",
        "a/b/info.json",
        "a%2Fb/info.json",
        "..%2F..%2F..%2Fetc%2Fpasswd/info.json",
        "%2e%2e/%2e%2e/etc/passwd",
        "%2Fetc%2Fpasswd/info.json",
        "../../300x200.jpg/info.json",
        "./300x200.jpg/info.json",
        ".hidden/info.json",
        "C:%5Cwindows/info.json",
    ],
)
def test_what_names_no_image(server: Server, version: int, path: str) -> None:
    answer = server.get(f"/iiif/{version}/{path.replace('{id}', '300x200.jpg')}")
    assert answer.status == 404
    assert_plain_sentence(answer)


@VERSIONS
@pytest.mark.parametrize(
    "path",
    [
        "{id}/full/max/0/default.jpg/",
        "{id}/full/max/0/default",
        "{id}/full/%ZZ/0/default.jpg",
        "{id}/full/max%00/0/default.jpg",
        "{id}/full/%FF/0/default.jpg",
        "{id}%00/info.json",
        "%ZZ/info.json",
        "%/info.json",
        "",
        "{id}/full/max/0/default.jpg%0A",
        "{id}/full/max%0D%0AX-Evil:%201/0/default.jpg",
    ],
)
def test_what_is_no_request(server: Server, version: int, path: str) -> None:
    answer = server.get(f"/iiif/{version}/{path.replace('{id}', '300x200.jpg')}")
    assert answer.status in (400, 404)
    assert_plain_sentence(answer)
    assert not answer.header("X-Evil")


@pytest.mark.parametrize(
    "path", [b"/iiif/3/a b/info.json", b"/iiif/3/\xff\xfe/info.json", b"/iiif/3/\xc3\xbc/info.json"]
)
def test_raw_bytes_that_belong_encoded(server: Server, path: bytes) -> None:
    assert server.request(path).status in (400, 404)
    assert server.get("/healthz").status == 200


def assert_plain_sentence(answer: Answer) -> None:
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.sentence.endswith(".")
    assert "\n" not in answer.sentence


@pytest.mark.parametrize("path", [PICTURE, DOCUMENT])
class TestConditional:
    def test_an_etag_is_answered_with_304(self, server: Server, path: str) -> None:
        first = server.get(path)
        etag = first.header("ETag")
        assert etag
        for method in ("GET", "HEAD"):
            for sent in (etag, f'"x", {etag}', "*", etag.removeprefix("W/"), f"W/{etag.removeprefix('W/')}"):
                answer = server.request(path, method, {"If-None-Match": sent})
                assert answer.status == 304
                assert answer.body == b""
                for name in ("ETag", "Cache-Control", "Access-Control-Allow-Origin", "Link", "Vary"):
                    assert answer.header(name) == first.header(name)

    def test_another_etag_is_answered_in_full(self, server: Server, path: str) -> None:
        for sent in ('"x"', 'W/"x"', "x", "", '""', server.get(path).header("ETag")[:-2] + '"'):
            answer = server.request(path, headers={"If-None-Match": sent})
            assert answer.status == 200
            assert answer.body

    def test_last_modified_is_answered_with_304(self, server: Server, path: str) -> None:
        modified = server.get(path).header("Last-Modified")
        seconds = parsedate_to_datetime(modified).timestamp()
        assert server.request(path, headers={"If-Modified-Since": modified}).status == 304
        assert server.request(path, headers={"If-Modified-Since": formatdate(seconds + 60, usegmt=True)}).status == 304
        assert server.request(path, headers={"If-Modified-Since": formatdate(seconds - 60, usegmt=True)}).status == 200

    @pytest.mark.parametrize("date", ["yesterday", "", "99999999999999999999", "Thu, 32 Foo 2020 99:99:99 GMT"])
    def test_dates_that_are_none_are_passed_over(self, server: Server, path: str, date: str) -> None:
        assert server.request(path, headers={"If-Modified-Since": date}).status == 200

    def test_the_etag_has_precedence_over_the_date(self, server: Server, path: str) -> None:
        modified = server.get(path).header("Last-Modified")
        headers = {"If-None-Match": '"other"', "If-Modified-Since": modified}
        assert server.request(path, headers=headers).status == 200

    def test_head_is_get_without_a_body(self, server: Server, path: str) -> None:
        got, headed = server.get(path), server.request(path, "HEAD")
        assert headed.status == 200
        assert headed.body == b""
        assert headed.header("Content-Length") == str(len(got.body)) == got.header("Content-Length")
        for name in ("Content-Type", "ETag", "Last-Modified", "Cache-Control", "Link", "Vary"):
            assert headed.header(name) == got.header(name)


def test_etags_follow_the_file(start: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (80, 60), (255, 0, 0)).save(folder / "a.jpg")
    server = start(folder)
    paths = ("/iiif/3/a.jpg/full/max/0/default.png", "/iiif/3/a.jpg/info.json", "/iiif/2/a.jpg/full/40,/90/gray.jpg")
    before = [server.get(path).header("ETag") for path in paths]
    assert len(set(before)) == 3
    time.sleep(0.01)
    Image.new("RGB", (80, 60), (0, 0, 255)).save(folder / "a.jpg")
    for path, etag in zip(paths, before, strict=True):
        answer = server.get(path, If_None_Match=etag)
        assert answer.status == 200
        assert answer.header("ETag") != etag
    assert tuple(server.get(paths[0]).pixels[0, 0]) == pytest.approx((0, 0, 255), abs=3)
    (folder / "a.jpg").unlink()
    for path, etag in zip(paths, before, strict=True):
        assert server.get(path, If_None_Match=etag).status == 404


def test_only_what_is_exact_has_a_strong_etag(server: Server) -> None:
    """A slice and a render of one plan may differ in a lossy format."""
    for format, weak in (("jpg", True), ("webp", True), ("png", False), ("tif", False), ("gif", False)):
        etag = server.get(f"/iiif/3/300x200.jpg/full/50,/0/default.{format}").header("ETag")
        assert etag.startswith("W/") == weak


def test_one_plan_is_one_entry(server: Server) -> None:
    """Spellings of one plan, in both versions, share the bytes and the ETag."""
    spelled = [
        "/iiif/2/1000x800.jpg/full/500,/0/default.png",
        "/iiif/2/1000x800.jpg/full/500,400/0/color.png",
        "/iiif/3/1000x800.jpg/pct:0,0,100,100/!500,500/360/default.png",
        "/iiif/3/1000x800.jpg/0,0,1000,800/^,400/0.0/color.png",
        "/1000x800.jpg/full/pct:50/0/default.png",
    ]
    hits = server.get("/debug/vars").json["CacheMiss"]
    answers = [server.get(path) for path in spelled]
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.header("ETag") for answer in answers}) == 1
    assert server.get("/debug/vars").json["CacheMiss"] == hits + 1


@pytest.mark.parametrize(
    ("path", "status"), [(PICTURE, 200), (DOCUMENT, 200), (REDIRECT, 303), (MISSING, 404), (WRONG, 400)]
)
def test_cors_is_on_every_answer(server: Server, path: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        answer = server.request(path, method, {"Origin": "https://viewer.example"})
        assert answer.status == status
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert "Link" in answer.header("Access-Control-Expose-Headers")


@pytest.mark.parametrize("path", [PICTURE, DOCUMENT, REDIRECT, MISSING, WRONG])
def test_preflights(server: Server, path: str) -> None:
    asked = {
        "Origin": "https://viewer.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = server.request(path, "OPTIONS", asked)
    assert answer.status == 204
    assert answer.body == b""
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert "GET" in answer.header("Access-Control-Allow-Methods")
    assert "authorization" in answer.header("Access-Control-Allow-Headers").lower()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_other_methods(server: Server, method: str) -> None:
    answer = server.request(PICTURE, method, {"Content-Length": "0"})
    assert answer.status == 405
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"
    assert_plain_sentence(answer)


@VERSIONS
def test_the_base_uri_redirects(server: Server, version: int) -> None:
    for spelling in (f"/iiif/{version}/300x200.jpg", f"/iiif/{version}/300x200.jpg/"):
        answer = server.get(spelling)
        assert answer.status == 303
        assert answer.body == b""
        assert answer.header("Location") == f"{server.base}/iiif/{version}/300x200.jpg/info.json"
    assert server.get("/300x200.jpg").header("Location") == f"{server.base}/300x200.jpg/info.json"


@VERSIONS
def test_there_is_one_link_header_with_both_relations(server: Server, version: int) -> None:
    answer = server.get(f"/iiif/{version}/300x200.jpg/full/150,/0/default.jpg")
    size = "150," if version == 2 else "150,100"
    assert answer.header("Link") == (
        f'<{server.base}/iiif/{version}/300x200.jpg/full/{size}/0/default.jpg>;rel="canonical", '
        f'<http://iiif.io/api/image/{version}/level2.json>;rel="profile"'
    )


def test_requests_on_one_connection(server: Server) -> None:
    """Keep-alive: pictures, errors, redirects and 304s follow each other on one connection."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        for _ in range(3):
            for path, status in ((PICTURE, 200), (WRONG, 400), (REDIRECT, 303), (DOCUMENT, 200), (MISSING, 404)):
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                assert response.status == status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("300x200.jpg", "300x200-100x67.jpg"),
        ("2019%2Fmuseum%2Fseries%2Fbox%2Fphoto.jpg", "photo-100x67.jpg"),
    ],
)
def test_a_saved_picture_has_a_telling_name(server: Server, identifier: str, name: str) -> None:
    answer = server.get(f"/iiif/3/{identifier}/full/100,67/0/default.jpg")
    assert answer.header("content-disposition") == f'inline; filename="{name}"'


@pytest.mark.parametrize("identifier", ['a"b.jpg', "ä.jpg", "a\\b\r\n.jpg", "...", "x" * 500, "a/b/"])
def test_a_name_to_save_under_is_one_plain_word(identifier: str) -> None:
    header, value = saved_as(identifier, 10, 20, "jpg")
    assert header == b"content-disposition"
    assert re.fullmatch(rb'inline; filename="[A-Za-z0-9][A-Za-z0-9._-]{0,100}-10x20\.jpg"', value)
