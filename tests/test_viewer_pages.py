"""The pages and manifests over HTTP, without a browser: who sees them, what they hold, and that nothing slips in."""

import html
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import iiif_prezi3
import pictures
import pytest
from conftest import RAW_SLASHES, Serve
from PIL import Image
from serving import Answer, Server
from watching import metric

from iiifkit.config.blocks import Server as ServerBlock
from iiifkit.server.site import offers_gallery
from iiifkit.viewer.html import Safe, fill
from iiifkit.viewer.manifest import PER_MANIFEST
from iiifkit.viewer.pages import PER_PAGE

EVIL = "<img src=x onerror=alert(1)>\"'&{$name}"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More images than fit on a page or into a manifest, some of them with hostile names, and one that is broken."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "Rome" / "Forum").mkdir(parents=True)
    (folder / EVIL).mkdir()
    Image.fromarray(pictures.photograph("chelsea.png", 60, 40)).save(folder / "000.jpg")
    for number in range(1, PER_MANIFEST + 20):
        os.link(folder / "000.jpg", folder / f"{number:03}.jpg")
    for name in ("Rome/a.jpg", "Rome/b.jpg", "Rome/Forum/c.jpg", f"{EVIL}/{EVIL}.jpg"):
        os.link(folder / "000.jpg", folder / name)
    (folder / "Rome" / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def server(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Server(tmp_path_factory.mktemp("server"), many, {}, "--example") as running:
        yield running


def names(page: Answer) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'<span class="name">(.*?)</span>', page.text)]


# Who sees the gallery


@pytest.mark.parametrize(
    ("host", "gallery", "shown"),
    [
        ("localhost", None, True),
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("192.0.2.7", None, False),
        ("0.0.0.0", True, True),
        ("localhost", False, False),
    ],
)
def test_the_gallery_is_on_by_itself_where_only_this_machine_can_look(
    host: str, gallery: bool | None, shown: bool
) -> None:
    assert offers_gallery(ServerBlock(host=host, gallery=gallery)) is shown


def test_no_gallery_switches_it_off_and_the_rest_stays(start: Serve, many: Path) -> None:
    server = start(many, {}, "--no-gallery")
    assert (server.get("/").status, server.get("/manifest/").status) == (404, 404)
    assert "000.jpg" not in server.get("/").text
    assert server.get("/manifest/000.jpg").json["type"] == "Manifest"
    assert "Gallery" not in server.get("/iiifkit/viewer/?id=000.jpg").text
    assert "open " not in server.log


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "192.0.2.7"},
        {"Forwarded": "for=192.0.2.7"},
        {"Host": "images.example.org"},
        {"Host": "rebound.example.net:8080"},
    ],
)
def test_a_gallery_that_is_on_by_itself_is_not_for_whom_a_proxy_brings(server: Server, headers: dict[str, str]) -> None:
    for path in ("/", "/manifest/"):
        answer = server.request(path, headers=headers)
        assert answer.status in (400, 404)
        assert "000.jpg" not in answer.text


def test_a_gallery_that_the_config_switches_on_is_for_everyone(serve: Serve) -> None:
    server = serve({"server": {"gallery": True}})
    answer = server.request("/", headers={"Host": "images.example.org", "X-Forwarded-For": "192.0.2.7"})
    assert "300x200.jpg" in names(answer)
    assert server.get("/manifest/", Origin="https://projectmirador.org").header("Access-Control-Allow-Origin") == "*"


def test_other_sites_scripts_do_not_read_the_listing(server: Server) -> None:
    """A page of any site could ask this machine otherwise, and then fetch all that is listed."""
    for path in ("/", "/manifest/"):
        answer = server.get(path, Origin="https://curious.example")
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") == ""
    local = server.get("/manifest/", Origin="http://localhost:3000")
    assert local.header("Access-Control-Allow-Origin") == "http://localhost:3000"
    assert local.header("Vary") == "Origin"
    assert server.get("/manifest/000.jpg", Origin="https://a.example").header("Access-Control-Allow-Origin") == "*"


# The gallery


def test_the_address_that_is_printed_shows_folders_and_pictures(server: Server, start: Serve, many: Path) -> None:
    assert f"  open      {server.base}/example/\n" in server.log
    plain = start(many)
    (address,) = re.findall(r"^  open +(\S+)$", plain.log, re.M)
    page = plain.get(address.removeprefix(plain.base))
    assert names(page)[:3] == [EVIL, "Rome", "000.jpg"]
    thumbnail = re.findall(r'<img src="\.(/iiif/3/000\.jpg/[^"]+)"', page.text)[0]
    assert plain.get(thumbnail).size == (60, 40)
    assert 'loading="lazy"' in page.text


def test_pages_hold_sixty_entries_and_the_last_the_rest(server: Server) -> None:
    count = PER_MANIFEST + 20 + 1 + 2
    pages = [server.get(f"/?page={number}") for number in range(1, -(-count // PER_PAGE) + 1)]
    assert all(len(names(page)) == PER_PAGE for page in pages[:-1])
    together = [name for page in pages for name in names(page)]
    assert len(together) == len(set(together)) == count
    assert f"Page 2 of {len(pages)}" in pages[1].text
    assert 'href="./?page=3" rel="next"' in pages[1].text
    assert names(server.get("/?page=9999")) == names(pages[-1])
    for nonsense in ("0", "-1", "x", "٣", "1" * 40, ""):
        assert names(server.get("/?page=" + quote(nonsense))) == names(pages[0])


def test_a_folder_leads_to_the_folders_in_it_and_back(server: Server) -> None:
    page = server.get("/?folder=Rome")
    assert names(page) == ["Forum", "a.jpg", "b.jpg", "broken.jpg"]
    assert 'href="./?folder=Rome%2FForum"' in page.text
    assert '<a href="./">Pictures</a>' in page.text
    assert server.get("/?folder=Nowhere").status == 404
    assert server.get("/?folder=..%2F..%2Fetc").status == 404


def test_a_search_finds_by_name_below_the_folder(server: Server) -> None:
    assert names(server.get("/?search=FORUM")) == ["Rome/Forum/c.jpg"]
    assert names(server.get("/?folder=Rome&search=forum+c")) == ["Forum/c.jpg"]
    assert "0 found" in server.get("/?search=nothing-has-this-name").text
    assert names(server.get("/?search=" + "9" * 5000)) == []


def test_names_are_text_wherever_they_stand(server: Server) -> None:
    pages = ["/", "/?folder=" + quote(EVIL), "/?search=" + quote(EVIL[:90]), "/iiifkit/viewer/?id=" + quote(EVIL)]
    for path in pages:
        page = server.get(path).text
        assert "<img src=x" not in page
        assert "onerror=alert(1)&gt;" in page or "onerror%3D" in page
    found = re.findall(r'href="\./(iiifkit/viewer/\?[^"]+)"', server.get(pages[1]).text)
    assert f"<title>{html.escape(EVIL)}.jpg - iiifkit" in server.get("/" + html.unescape(found[0])).text


def test_what_goes_into_a_template_is_escaped() -> None:
    assert fill("note", text="<a & \"b\" 'c'>") == '<p class="note">&lt;a &amp; &quot;b&quot; &#x27;c&#x27;&gt;</p>\n'
    assert fill("note", text=Safe("<b>")) == '<p class="note"><b></p>\n'


def test_a_picture_that_is_added_shows_within_seconds(start: Serve, tmp_path: Path, many: Path) -> None:
    folder = tmp_path / "growing"
    folder.mkdir()
    server = start(folder)
    assert "There are no pictures here." in server.get("/").text
    shutil.copy(many / "000.jpg", folder / "new.jpg")
    end = time.monotonic() + 10
    while "new.jpg" not in names(server.get("/")):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_folder_that_is_gone_is_said(start: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "vanishing"
    folder.mkdir()
    server = start(folder)
    folder.rmdir()
    page = server.get("/")
    assert "A folder of the images cannot be listed." in page.text
    assert str(tmp_path) not in page.text
    assert server.get("/manifest/").status == 502


@pytest.mark.slow
def test_of_a_hundred_thousand_files_the_first_page_comes_at_once(start: Serve, tmp_path: Path, many: Path) -> None:
    folder = tmp_path / "huge"
    folder.mkdir()
    for number in range(100_000):
        os.close(os.open(folder / f"{number:06}.jpg", os.O_CREAT | os.O_WRONLY))
    server = start(folder)
    server.get("/healthz")
    started = time.monotonic()
    first = server.get("/")
    assert time.monotonic() - started < 0.3
    assert 'data-state="reading"' in first.text
    times = []
    while 'data-state="reading"' in (page := server.get("/?page=1667")).text:
        before = time.monotonic()
        assert server.get("/healthz").status == 200
        times.append(time.monotonic() - before)
        assert time.monotonic() - started < 60
    assert max(times) < 0.25
    assert names(page) == [f"{number:06}.jpg" for number in range(99_960, 100_000)]


# Headers


def test_pages_let_nothing_in_from_elsewhere_and_nothing_inline(server: Server) -> None:
    for path in ("/", "/iiifkit/viewer/?id=000.jpg", "/example/"):
        page = server.get(path)
        policy = page.header("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert page.header("Content-Type") == "text/html; charset=utf-8"
        assert page.header("X-Content-Type-Options") == "nosniff"
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=\"", page.text)
        assert not re.search(r"(?:src|href)=\"(?:[a-z]+:)?//", page.text)


def test_scripts_are_small_on_the_wire_and_kept_by_the_browser(server: Server) -> None:
    page = server.get("/iiifkit/viewer/?id=000.jpg").text
    (script,) = re.findall(r'src="\.\./\.\.(/iiifkit/static/viewer\.js\?[^"]+)"', page)
    plain = server.get(script)
    zipped = server.get(script, Accept_Encoding="gzip, deflate, br")
    assert zipped.header("Content-Encoding") == "gzip"
    assert len(zipped.body) < len(plain.body) / 3 < 130_000
    assert "immutable" in plain.header("Cache-Control")
    assert plain.header("Vary") == "Accept-Encoding"
    assert server.get(script.partition("?")[0]).header("Cache-Control") == "no-cache"
    again = server.get(script, If_None_Match=plain.header("ETag"))
    assert (again.status, again.body) == (304, b"")
    assert plain.header("ETag") != zipped.header("ETag")
    licenses = server.get("/iiifkit/static/licenses.txt").text
    assert all(f"\n{library} " in f"\n{licenses}" for library in ("openseadragon", "leaflet", "leaflet-iiif"))


def test_pages_are_counted_and_logged(server: Server) -> None:
    before = metric(server, 'answers_total{how="page"}')
    assert server.request("/", method="HEAD").body == b""
    assert server.request("/", method="POST").status == 405
    assert metric(server, 'answers_total{how="page"}') == before + 2  # the one before, and HEAD
    time.sleep(0.3)
    assert re.search(r'"HEAD /" 200 \d+ [\d.]+ms page -$', server.access_log, re.M)


def test_images_keep_their_addresses_beside_the_pages(tmp_path: Path, start: Serve, many: Path) -> None:
    """Images in folders that are called like pages, under the addresses without a version, too."""
    for name in ("manifest", "example", "iiifkit/viewer"):
        (tmp_path / "images" / name).mkdir(parents=True)
        shutil.copy(many / "000.jpg", tmp_path / "images" / name / "x.jpg")
    server = start(tmp_path / "images", {}, "--example")
    for name in ("manifest", "example", "iiifkit/viewer"):
        for root in ("", "/iiif/2", "/iiif/3"):
            assert server.get(f"{root}/{name}/x.jpg/full/30,20/0/default.jpg").size == (30, 20)
            assert server.get(f"{root}/{name}/x.jpg/info.json").json["width"] == 60
    assert server.get("/manifest/manifest/x.jpg").json["items"][0]["width"] == 60


def test_links_hold_behind_a_proxys_prefix(start: Serve, many: Path) -> None:
    base = "https://images.example.org/our/images"
    server = start(many, {"api": {"base_url": base}, "server": {"gallery": True}}, "--example")
    for prefix in ("", "/our/images"):  # proxies pass the prefix on, or take it off
        pages = [f"{prefix}/", f"{prefix}/iiifkit/viewer/?id=Rome%2Fa.jpg", f"{prefix}/example/"]
        for path in pages:
            folder = path.partition("?")[0]
            links = re.findall(r'(?:href|src)="(?!#)([^"]+)"', server.get(path).text)
            assert len(links) > 3
            for link in links[:12]:
                target = os.path.normpath(folder + html.unescape(link).partition("?")[0])
                target += "/" if link.partition("?")[0].endswith("/") and target != "/" else ""
                target = target.replace("//", "/")
                if not target.endswith("broken.jpg"):
                    assert server.get(target).status == 200, (path, link)
    assert server.get("/our/images").header("Location") == base + "/"
    assert server.get("/manifest/Rome").json["id"] == base + "/manifest/Rome"


def test_without_the_built_scripts_the_pages_say_what_to_do(tmp_path: Path, start: Serve, many: Path) -> None:
    """The package as a checkout without npm has it: everything but what is built."""
    root = Path(__file__).resolve().parent.parent
    leave = shutil.ignore_patterns("__pycache__", "node_modules", "static")
    shutil.copytree(root / "iiifkit", tmp_path / "checkout" / "iiifkit", ignore=leave)
    server = start(many, {}, "--example", PYTHONPATH=str(tmp_path / "checkout"))
    for path in ("/", "/iiifkit/viewer/?id=000.jpg", "/example/"):
        page = server.get(path)
        assert page.status == 503
        assert "python -m iiifkit.viewer.build" in page.text
        assert "npm" in page.text
    assert server.get("/manifest/Rome").json["type"] == "Manifest"
    assert server.get("/iiif/3/000.jpg/full/30,/0/default.jpg").size == (30, 20)


# The example page


def test_the_example_page_is_there_with_the_example_only(server: Server, serve: Serve) -> None:
    assert 'data-id="example.jpg"' in server.get("/example/").text
    assert 'data-id="Rome/a.jpg"' in server.get("/example/?id=Rome%2Fa.jpg").text
    assert server.get("/example").header("Location") == server.base + "/example/"
    assert serve().get("/example/").status == 404


# Manifests


KINDS = ("Manifest", "Collection", "Canvas", "AnnotationPage", "Annotation", "Range")


def check(document: Any) -> None:
    """Let iiif-prezi3 refuse what the Presentation API does not allow, in each thing of a manifest or collection."""
    if isinstance(document, list):
        for item in document:
            check(item)
    elif isinstance(document, dict):
        if document.get("type") in KINDS:
            reference = "items" not in document and document["type"] != "Annotation"
            getattr(iiif_prezi3, document["type"] + ("Ref" if reference else ""))(**document)
        for value in document.values():
            check(value)


@pytest.mark.parametrize("wrong", [{"width": "wide"}, {"id": "no address"}, {"label": 5}, {"items": 3}])
def test_the_check_of_manifests_refuses_what_is_wrong(server: Server, wrong: dict[str, Any]) -> None:
    document = server.get("/manifest/000.jpg").json
    check(document)
    document["items"][0] |= wrong
    with pytest.raises(ValueError, match="validation error"):
        check(document)


def test_a_folders_manifest_has_its_images_and_folders(server: Server) -> None:
    answer = server.get("/manifest/Rome")
    assert answer.header("Content-Type") == (
        'application/ld+json;profile="http://iiif.io/api/presentation/3/context.json"'
    )
    document = answer.json
    check(document)
    assert [canvas["label"]["none"][0] for canvas in document["items"]] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [(canvas["width"], canvas["height"]) for canvas in document["items"]] == [(60, 40)] * 3
    body = document["items"][2]["items"][0]["items"][0]["body"]
    assert [service.get("type", service.get("@type")) for service in body["service"]] == [
        "ImageService3",
        "ImageService2",
    ]
    for service in body["service"]:
        address = service.get("id", service.get("@id")).removeprefix(server.base)
        assert server.get(address + "/info.json").json.get("id", service.get("@id")).endswith("Rome%2FForum%2Fc.jpg")
    assert server.get(body["id"].removeprefix(server.base)).size == (60, 40)
    assert server.get(document["items"][0]["thumbnail"][0]["id"].removeprefix(server.base)).status == 200
    (structure,) = document["structures"]
    assert structure["label"] == {"none": ["Forum"]}
    assert structure["items"] == [{"id": document["items"][2]["id"], "type": "Canvas"}]
    ids = re.findall(r'"@?id":"([^"]+)","type":"(?:Canvas|Annotation\w*|Range)"', answer.text)
    assert len({*ids}) == 3 * 3 + 1
    again = server.get("/manifest/Rome", If_None_Match=answer.header("ETag"))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("version", [2, 3])
def test_a_manifest_can_keep_to_one_version_of_the_image_api(server: Server, version: int) -> None:
    document = server.get(f"/manifest/Rome/Forum?api={version}").json
    check(document)
    assert document["id"] == f"{server.base}/manifest/Rome/Forum?api={version}"
    body = document["items"][0]["items"][0]["items"][0]["body"]
    assert len(body["service"]) == 1
    assert f"/iiif/{version}/" in body["id"]
    assert server.get(body["id"].removeprefix(server.base)).size == (60, 40)


def test_a_large_folder_is_a_collection_of_manifests(server: Server) -> None:
    collection = server.get("/manifest/?api=3").json
    check(collection)
    assert collection["type"] == "Collection"
    assert len(collection["items"]) == 2
    canvases = []
    for item in collection["items"]:
        assert item["id"].endswith("&api=3")
        document = server.get(item["id"].removeprefix(server.base)).json
        check(document)
        assert document["id"] == item["id"]
        canvases += [canvas["id"] for canvas in document["items"]]
    assert len(set(canvases)) == len(canvases) == PER_MANIFEST + 20 + 5


def test_one_image_has_a_manifest_too(serve: Serve) -> None:
    server = serve({"info": {"rights": "http://rightsstatements.org/vocab/InC/1.0/", "attribution": "The museum"}})
    document = server.get("/manifest/" + RAW_SLASHES).json
    check(document)
    assert document["id"] == f"{server.base}/manifest/{RAW_SLASHES}"
    assert document["items"][0]["width"] == server.get(f"/iiif/3/{quote(RAW_SLASHES, safe='')}/info.json").json["width"]
    assert document["rights"] == "http://rightsstatements.org/vocab/InC/1.0/"
    assert document["requiredStatement"]["value"] == {"none": ["The museum"]}


@pytest.mark.parametrize("path", ["nothing.jpg", "../etc", "%2e%2e/%2e%2e/etc/passwd", "a%00b", "%zz", "x" * 5000])
def test_no_manifest_of_what_is_not_there(server: Server, path: str) -> None:
    answer = server.get(f"/manifest/{path}")
    assert answer.status in (400, 404)
    assert answer.header("Content-Type").startswith("text/plain")


def test_hostile_names_stay_text_in_manifests(server: Server) -> None:
    document = json.loads(server.get("/manifest/" + quote(EVIL)).body)
    check(document)
    assert document["label"] == {"none": [EVIL]}
    assert document["items"][0]["label"] == {"none": [EVIL + ".jpg"]}
