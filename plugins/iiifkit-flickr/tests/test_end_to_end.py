"""The whole way: an HTTP request to ``iiifkit serve``, and a photo of a Flickr on loopback."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import skimage
from flickr import KEY, Flickr
from PIL import Image
from serving import WITHOUT, Server, refusal

PHOTO = "7618829486"


@pytest.fixture
def config(flickr: Flickr, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The README's config, which takes the key from the environment."""
    monkeypatch.setenv("FLICKR_API_KEY", KEY)
    flickr.photos[PHOTO] = (Path(skimage.__file__).parent / "data" / "rocket.jpg").read_bytes()
    written = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    return json.loads(written.partition("```json")[2].partition("```")[0])


def elsewhere(flickr: Flickr) -> str:
    """Python that leads the plugin to the tests' own server."""
    place = f"source.Place({flickr.place.api!r}, {flickr.place.hosts!r}, {flickr.place.authorities!r})"
    return f"from iiifkit_flickr import source\nsource.FLICKR = {place}"


def test_many_tiles_of_a_photo_ask_flickr_once(config: dict[str, Any], flickr: Flickr, tmp_path: Path) -> None:
    with Server(tmp_path, config, elsewhere(flickr)) as server:
        answers: list[tuple[int, bytes]] = []
        paths = [f"/iiif/3/{PHOTO}/{x},{y},64,64/64,64/0/default.jpg" for x in range(0, 256, 64) for y in (0, 64, 128)]
        threads = [threading.Thread(target=lambda path=path: answers.append(server.get(path))) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * 12
        assert {Image.open(io.BytesIO(body)).size for _, body in answers} == {(64, 64)}
        status, body = server.get(f"/iiif/3/{PHOTO}/info.json")
        assert (status, json.loads(body)["width"]) == (200, 640)
        assert flickr.told == [f"sizes {PHOTO}", flickr.path(PHOTO, "Original")]
        assert server.get("/iiif/3/1/info.json")[0] == 404
        for name in ("photo.jpg", "..%2Fx", f"..%2F{PHOTO}", f"{PHOTO}%2F..", f"%2F{PHOTO}", "%D9%A1", f"0{PHOTO}"):
            assert server.get(f"/iiif/3/{name}/info.json")[0] == 404
        assert flickr.told == ["sizes 1"]
        assert KEY not in server.log


def test_a_page_instead_of_a_photo_is_not_kept(config: dict[str, Any], flickr: Flickr, tmp_path: Path) -> None:
    with Server(tmp_path, config, elsewhere(flickr)) as server:
        flickr.spoil = lambda handler: (
            handler.command == "GET" and handler.reply(200, b"<h1>Sorry</h1>", {"Content-Type": "text/html"})
        )
        status, body = server.get(f"/iiif/3/{PHOTO}/info.json")
        assert status == 502
        assert b"something else" in body
        flickr.spoil = lambda _: False
        assert server.get(f"/iiif/3/{PHOTO}/info.json")[0] == 200


def test_flickrs_troubles_are_answers(config: dict[str, Any], flickr: Flickr, tmp_path: Path) -> None:
    config["flickr"] = {"apikey": "another", "apisecret": "unused"}
    with Server(tmp_path, config, elsewhere(flickr)) as server:
        status, body = server.get(f"/iiif/3/{PHOTO}/info.json")
        assert status == 502
        assert b"flickr.apikey" in body
        flickr.spoil = lambda handler: handler.reply(429)
        assert server.get(f"/iiif/3/{PHOTO}/info.json")[0] == 503


def test_without_the_plugin_start_up_names_the_package(config: dict[str, Any], tmp_path: Path) -> None:
    for left in (config, {"images": config["images"]}):
        assert "pip install iiifkit-flickr" in refusal(tmp_path, left, WITHOUT)


@pytest.mark.parametrize("block", [None, {}, {"apikey": ""}, {"apikey": "  ", "apisecret": "x"}])
def test_without_a_key_start_up_says_what_to_write(
    config: dict[str, Any], tmp_path: Path, block: dict[str, Any] | None
) -> None:
    del config["flickr"]
    if block is not None:
        config["flickr"] = block
    assert "flickr.apikey: missing" in refusal(tmp_path, config)


def test_wrong_options_are_refused_with_their_path(config: dict[str, Any], tmp_path: Path) -> None:
    assert "flickr.apikeys: unknown key" in refusal(tmp_path, {**config, "flickr": {"apikeys": KEY}})
    config["images"]["source"]["endpoint"] = "https://evil.example"
    assert "images.source.endpoint: unknown key" in refusal(tmp_path, config)
