"""Alternate identifiers: seeded under one name, read under another, and served by both."""

import json
from pathlib import Path

import pictures
import pytest
from conftest import Serve
from PIL import Image
from seeding import Project

from iiifkit import originals
from iiifkit.alternates import Alternates
from iiifkit.caches.disk import DiskCache
from iiifkit.caches.memory import MemoryCache
from iiifkit.errors import CacheError, ImageNotFound

TILE = "0,0,256,256/256,/0/default.jpg"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    project.picture("a.jpg", 600, 500)
    return project


def config_of(project: Project) -> dict[str, object]:
    return json.loads(project.config.read_text())


def test_an_alternate_is_served_seeded_or_not(project: Project, start: Serve) -> None:
    (row,) = project.report("a.jpg,2019/cup")
    assert (row["source"], row["identifier"], row["failed"]) == ("a.jpg", "2019/cup", None)
    assert not project.files("a.jpg")
    server = start(None, config_of(project))
    info = server.get("/iiif/2/2019%2Fcup/info.json")
    assert (info.status, info.json["width"], info.json["height"]) == (200, 600, 500)
    assert info.json["@id"].endswith("/iiif/2/2019%2Fcup")
    assert server.get(f"/iiif/2/2019%2Fcup/{TILE}").body == (project.tiles / "2019/cup" / TILE).read_bytes()
    assert server.get("/debug/vars").json["TransformsCount"] == 0
    unseeded = server.get("/iiif/3/2019%2Fcup/17,33,200,100/50,/90/gray.png")
    assert (unseeded.status, unseeded.size) == (200, (25, 50))
    assert unseeded.body == server.get("/iiif/3/a.jpg/17,33,200,100/50,/90/gray.png").body
    assert server.get("/iiif/2/2019%2Fcups/info.json").status == 404


def test_an_alternate_follows_its_source(project: Project, start: Serve) -> None:
    project.seed("a.jpg,cup")
    server = start(None, config_of(project))
    assert server.get("/iiif/2/cup/info.json").json["width"] == 600
    before = server.get(f"/iiif/2/cup/{TILE}").body
    assert before == (project.tiles / "cup" / TILE).read_bytes()
    Image.fromarray(pictures.photograph("rocket.jpg")).save(project.source / "a.jpg")
    assert server.get("/iiif/2/cup/info.json").json["width"] == 640
    assert server.get(f"/iiif/2/cup/{TILE}").body != before
    (project.source / "a.jpg").unlink()
    assert server.get("/iiif/2/cup/info.json").status == 404
    assert server.get(f"/iiif/2/cup/{TILE}").status == 404


def test_an_image_of_its_own_cannot_be_an_alternate(project: Project) -> None:
    project.picture("b.jpg", 300, 200)
    (row,) = project.report("a.jpg,b.jpg", status=1)
    assert row["failed"] == "'b.jpg' cannot stand for 'a.jpg': it is an image of its own."
    assert project.service().look("b.jpg").info.width == 300


def test_an_image_that_appears_takes_its_name_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.seed("a.jpg,b.jpg")
    service = project.service()
    assert service.look("b.jpg").origin == "a.jpg"
    project.picture("b.jpg", 300, 200)
    monkeypatch.setattr(originals, "ALTERNATE_SECONDS", 0.0)
    assert service.look("b.jpg").origin == "b.jpg"
    assert service.look("b.jpg").info.width == 300


def test_an_alternate_of_an_alternate_stands_for_the_image(project: Project) -> None:
    project.seed("a.jpg,b")
    (row,) = project.report("b,c")
    assert row["failed"] is None
    assert project.service().look("c").origin == "a.jpg"
    (again,) = project.report("b,a.jpg")
    assert (again["failed"], again["identifier"]) == (None, "a.jpg")


def test_an_alternate_can_be_given_to_another_image(project: Project) -> None:
    project.picture("b.jpg", 300, 200)
    project.seed("a.jpg,c")
    (row,) = project.report("b.jpg,c")
    assert (row["failed"], row["skipped"]) == (None, 0)
    assert project.service().look("c").origin == "b.jpg"
    assert project.document("c")["width"] == 300


def test_both_names_share_a_pyramid(project: Project) -> None:
    project.configure(prepare={"min_pixels": 0})
    project.seed("a.jpg,c")
    service = project.service()
    assert service.build(service.look("a.jpg"))
    assert service.pyramids.ready(service.look("c")) is service.pyramids.ready(service.look("a.jpg"))


def test_records(tmp_path: Path) -> None:
    for cache in (DiskCache(tmp_path), MemoryCache(1_000_000)):
        alternates = Alternates(cache)
        assert alternates.find("c") is None
        for identifier, source in (("c", "a"), ("%alternates/x", "b"), ("é\n", "a b"), ("c", "d")):
            alternates.record(identifier, source)
            assert alternates.find(identifier) == source


@pytest.mark.parametrize("data", [b"{", b'{"identifier":"other","source":"a"}', b"[]", b"\xff"])
def test_a_record_that_is_none_is_passed_over(data: bytes) -> None:
    cache = MemoryCache(1_000_000)
    cache.put(f"%alternates/{originals.digest('c')}", data, "alternate", "application/json")
    assert Alternates(cache).find("c") is None


def test_a_broken_cache_knows_no_alternates(project: Project) -> None:
    class Broken(MemoryCache):
        def get(self, key: str, tag: str) -> None:
            raise CacheError("It broke.")

    assert Alternates(Broken(1000)).find("c") is None
    with pytest.raises(ImageNotFound, match=r"'none\.jpg'"):
        project.service().look("none.jpg")
