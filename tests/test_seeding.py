"""tile-seed as it is used: the tree that it writes, and that a server and any file server show it."""

import functools
import http.client
import http.server
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pictures
import pytest
import viewer_requests
from PIL import Image
from seeding import Project

ODD = "2019/a b%2Fc é #1.jpg"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def difference(first: bytes, second: bytes) -> float:
    """The mean difference of pixels, 0 to 255; of small pictures, where JPEG is coarse, that of their mean colors."""
    one, other = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int) for data in (first, second))
    if one.shape != other.shape:
        return 255.0
    if max(one.shape) < 200:
        one, other = one.mean(axis=(0, 1)), other.mean(axis=(0, 1))
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize("version", [2, 3])
def test_the_tree_is_what_viewers_ask_for(project: Project, version: int) -> None:
    project.configure(api__default_version=str(version))
    project.picture("a.jpg", 1101, 803)
    (row,) = project.report("a.jpg")
    assert (row["tiles"], row["scale_factors"], row["failed"]) == (29, [1, 2, 4, 8], None)
    assert (row["width"], row["height"]) == (1101, 803)
    files = project.files("a.jpg")
    assert viewer_requests.all_viewers(project.document("a.jpg")) <= files
    assert len(files) <= 29 + 30
    service = project.service()
    for name in files - {"info.json"}:
        answer = service.answer(f"a.jpg/{name}", version)
        assert answer.how == "cache", name
        plan = answer.resolved.plan
        assert Image.open(io.BytesIO(answer.body)).size == (plan.width, plan.height), name
        assert difference(service.render(answer.resolved), answer.body) < 5, name


def test_the_counts_of_the_readme_picture(project: Project, picture_folder: Path) -> None:
    project.configure(images__source={"name": "Disk", "path": str(picture_folder)})
    (row,) = project.report("--scale-factors", "8,4,2,1", "3897x4096.jpg")
    assert row["tiles"] == 340
    tiles = {name for name in project.files("3897x4096.jpg") if name[0].isdigit() and not name.startswith("0,0,3897,")}
    assert len({name.split("/")[0] for name in tiles}) == 340
    assert project.document("3897x4096.jpg")["tiles"] == [{"width": 256, "scaleFactors": [1, 2, 4, 8]}]
    (again,) = project.report("--scale-factors", "4,2,1", "3897x4096.jpg")
    assert (again["tiles"], again["made"]) == (336, 0)
    assert project.document("3897x4096.jpg")["tiles"] == [{"width": 256, "scaleFactors": [1, 2, 4, 8]}]


def test_a_second_run_makes_what_is_missing(project: Project) -> None:
    project.picture("a.jpg", 1101, 803)
    (first,) = project.report("a.jpg")
    lost = sorted(name for name in project.files("a.jpg") if name != "info.json")[::7]
    for name in lost:
        (project.tiles / "a.jpg" / name).unlink()
    (project.tiles / "a.jpg" / "info.json").unlink()
    (second,) = project.report("a.jpg")
    assert (second["made"], second["skipped"]) == (len(lost), first["made"] - len(lost))
    (third,) = project.report("a.jpg")
    assert (third["made"], third["skipped"]) == (0, first["made"])
    (fresh,) = project.report("--refresh", "a.jpg")
    assert (fresh["made"], fresh["skipped"]) == (first["made"], 0)
    assert project.leftovers() == []


@contextmanager
def file_server(folder: Path) -> Iterator[int]:
    """Python's own file server on a folder; yields its port."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def fetch(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("version", [2, 3])
def test_any_file_server_shows_the_tree(project: Project, version: int) -> None:
    project.picture(ODD, 700, 900)
    project.tiles.mkdir()
    with file_server(project.tiles) as port:
        project.seed("--api-version", str(version), "--endpoint", f"http://127.0.0.1:{port}/", ODD)
        status, body = fetch(port, f"/{quote(ODD)}/info.json")
        assert status == 200
        info = json.loads(body)
        base = info["@id" if version == 2 else "id"]
        assert base == f"http://127.0.0.1:{port}/{quote(ODD)}"
        for path in viewer_requests.all_viewers(info):
            status, body = fetch(port, f"{base.partition(str(port))[2]}/{path}")
            assert status == 200, path
            Image.open(io.BytesIO(body)).verify()


def test_a_server_of_the_other_version_finds_the_files_by_their_plan(project: Project) -> None:
    project.picture("a.jpg", 700, 900)
    project.seed("--api-version", "3", "a.jpg")
    service = project.service()
    assert service.default_version == 2
    for path in viewer_requests.all_viewers(project.document("a.jpg")):
        assert service.answer(f"a.jpg/{path}", 3).how == "cache"
    for spelling in ("0,0,256,256/256,", "0,0,256,256/max", "0,0,256,256/pct:100", "0,0,256,256/!256,256"):
        for quality in ("default", "color"):
            assert service.answer(f"a.jpg/{spelling}/0/{quality}.jpg", 3).how == "cache"


def test_seeded_tiles_are_answered_over_http_without_rendering(project: Project, start: object) -> None:
    project.picture("a.jpg", 700, 900)
    project.seed("a.jpg")
    server = start(None, json.loads(project.config.read_text()))  # type: ignore[operator]
    for path in viewer_requests.openseadragon(project.document("a.jpg"), level0=False):
        answer = server.get(f"/iiif/2/a.jpg/{path}")
        assert (answer.status, answer.header("Content-Type")) == (200, "image/jpeg")
    counts = server.get("/debug/vars").json
    assert counts["TransformsCount"] == 0


def test_a_changed_quality_makes_all_tiles_anew(project: Project) -> None:
    project.picture("a.jpg", 700, 900)
    project.seed("a.jpg")
    tile = project.tiles / "a.jpg" / "0,0,256,256/256,/0/default.jpg"
    before = tile.read_bytes()
    project.configure(encode={"jpg": {"quality": 30}})
    service = project.service()
    request = service.parse("a.jpg/0,0,256,256/256,/0/default.jpg", 2)
    assert service.stored(service.resolve(request, service.look("a.jpg"))) is None
    (row,) = project.report("a.jpg")
    assert row["skipped"] == 0
    assert len(tile.read_bytes()) < len(before)
    project.configure(encode={"jpg": {"quality": 30}}, prepare={"quality": 60})
    assert project.report("a.jpg")[0]["skipped"] == 0


def test_a_changed_image_is_seeded_anew(project: Project) -> None:
    project.picture("a.jpg", 700, 900)
    project.seed("a.jpg")
    Image.fromarray(pictures.photograph("astronaut.png", 600, 500)).save(project.source / "a.jpg")
    (row,) = project.report("a.jpg")
    assert (row["skipped"], row["width"]) == (0, 600)
    assert project.document("a.jpg")["width"] == 600


def test_a_tree_in_change_has_no_description(project: Project) -> None:
    """A file server must not show tiles of two images as one."""
    project.picture("a.jpg", 700, 900)
    project.seed("a.jpg")
    data = (project.source / "a.jpg").read_bytes()
    (project.source / "a.jpg").write_bytes(data[: len(data) // 2])
    (row,) = project.report("a.jpg", status=1)
    assert "damaged or incomplete" in row["failed"]
    assert "info.json" not in project.files("a.jpg")
    (project.source / "a.jpg").write_bytes(data)
    project.seed("a.jpg")
    assert project.document("a.jpg")["width"] == 700


def test_other_formats_and_qualities(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    for quality, format, kind in (("gray", "png", "PNG"), ("dither", "gif", "GIF"), ("default", "webp", "WEBP")):
        (row,) = project.report("--quality", quality, "--format", format, "--scale-factors", "1,2", "a.jpg")
        assert (row["failed"], row["tiles"]) == (None, 6 + 2)
        path = project.tiles / "a.jpg" / f"512,256,88,244/88,/0/{quality}.{format}"
        image = Image.open(path)
        assert (image.format, image.size) == (kind, (88, 244))
    service = project.service()
    tile = service.answer("a.jpg/256,0,256,256/256,/0/gray.png", 2)
    assert tile.how == "cache"
    assert difference(service.render(tile.resolved), tile.body) < 1


def test_lossless_tiles_are_the_original_pixels(project: Project) -> None:
    path = project.picture("a.png", 600, 500)
    project.seed("--format", "png", "a.png")
    tile = np.asarray(Image.open(project.tiles / "a.png" / "256,256,256,244/256,/0/default.png"))
    assert np.array_equal(tile, np.asarray(Image.open(path))[256:500, 256:512])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.webp", {"quality": 95}),
        ("turned.jpg", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
    ],
)
def test_other_sources(project: Project, name: str, options: dict[str, object]) -> None:
    project.picture(name, 601, 500, **options)
    (row,) = project.report(name)
    assert row["failed"] is None
    assert (row["width"], row["height"]) == ((500, 601) if name == "turned.jpg" else (601, 500))
    service = project.service()
    for path in viewer_requests.all_viewers(project.document(name)):
        answer = service.answer(f"{name}/{path}", 2)
        assert answer.how == "cache"
        assert difference(service.render(answer.resolved), answer.body) < 5, path


def test_a_pyramid_of_its_own_is_used_as_it_is(project: Project) -> None:
    array = pictures.photograph("coffee.png", 1100, 800)
    halves = [pictures.halved(array, factor) for factor in (2, 4, 8)]
    options = {"tile": (128, 128), "compression": "jpeg", "photometric": "ycbcr", "subsampling": (2, 2)}
    (project.source / "own.tif").write_bytes(pictures.stacked(array, halves, **options))
    (row,) = project.report("own.tif")
    assert project.document("own.tif")["tiles"] == [{"width": 128, "scaleFactors": [1, 2, 4, 8, 16]}]
    assert (row["failed"], row["tiles"]) == (None, 63 + 20 + 6 + 2 + 1)
    service = project.service()
    name = "own.tif/256,256,128,128/128,/0/default.jpg"
    kept = service.answer(name, 2)
    sliced = service.opened(kept.resolved)
    assert kept.how == "cache"
    assert sliced is not None
    assert kept.body == sliced.slice(kept.resolved.plan)


def test_tile_sizes(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    (row,) = project.report("--tile-size", "200", "a.jpg")
    assert (row["tiles"], row["scale_factors"]) == (9 + 4 + 1, [1, 2, 4])
    assert Image.open(project.tiles / "a.jpg" / "400,400,200,100/200,/0/default.jpg").size == (200, 100)


def test_factors_without_sense_are_told(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    done = project.seed("--scale-factors", "1,32", "a.jpg")
    assert "Scale factor 32 makes no sense for 600x500 pixels" in done.stderr
    assert project.document("a.jpg")["tiles"] == [{"width": 256, "scaleFactors": [1]}]


@pytest.mark.parametrize("factors", ["0", "a", "1,,2", "-1", "1.5", "٣", ""])
def test_wrong_factors_are_refused(project: Project, factors: str) -> None:
    assert "8,4,2,1" in project.seed("--scale-factors", factors, "a.jpg", status=2).stderr


def test_failures_are_told_and_the_rest_goes_on(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    data = (project.source / "a.jpg").read_bytes()
    (project.source / "half.jpg").write_bytes(data[: len(data) // 2])
    (project.source / "text.jpg").write_text("no picture")
    rows = project.report("none.jpg", "half.jpg", "text.jpg", "../a.jpg", "a.jpg", status=1)
    assert [row["source"] for row in rows] == ["none.jpg", "half.jpg", "text.jpg", "../a.jpg", "a.jpg"]
    reasons = [row["failed"] for row in rows]
    assert "There is no image 'none.jpg'" in reasons[0]
    assert "damaged or incomplete" in reasons[1]
    assert "is not a picture in a known format" in reasons[2]
    assert "There is no image" in reasons[3]
    assert reasons[4] is None
    assert not project.files("half.jpg")
    assert project.leftovers() == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--format", "bmp"], "The format 'bmp' cannot be served"), (["--quality", "sepia"], "The quality 'sepia'")],
)
@pytest.mark.parametrize("images", [["a.jpg"], ["a.jpg", "b.jpg"]])
def test_what_is_not_offered_is_refused_at_once(
    project: Project, arguments: list[str], sentence: str, images: list[str]
) -> None:
    done = project.seed(*arguments, "--processes", "2", *images, status=2)
    assert done.stderr.startswith(f"iiifkit: {sentence}")


@pytest.mark.parametrize("name", ["Memory", "Null"])
@pytest.mark.parametrize("images", [["a.jpg"], ["a.jpg", "b.jpg"]])
def test_tiles_need_a_cache_that_lasts(project: Project, name: str, images: list[str]) -> None:
    project.configure(derivatives__cache={"name": name})
    done = project.seed("--processes", "2", *images, status=3)
    assert f"the cache {name} does not" in done.stderr


def test_nothing_to_do(project: Project) -> None:
    assert project.seed(input="").stdout.startswith("0 images")


def test_names_from_standard_input_and_csv(project: Project) -> None:
    for name in ("a.jpg", "b,1.jpg", "c.jpg"):
        project.picture(name, 300, 200)
    assert [row["source"] for row in project.report(input="a.jpg\n\nc.jpg,c\n")] == ["a.jpg", "c.jpg"]
    (project.home / "list.csv").write_text('source_id,alternate_id\n"b,1.jpg",b\nc.jpg,\n')
    rows = project.report("--mode", "csv", "list.csv")
    assert [(row["source"], row["identifier"]) for row in rows] == [("b,1.jpg", "b"), ("c.jpg", "c.jpg")]
    assert {"a.jpg", "b", "c", "c.jpg"} <= {path.name for path in project.tiles.iterdir()}
