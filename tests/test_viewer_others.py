"""Mirador and Universal Viewer, from npm and on another site, open manifests of this server, and seeded trees."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
from browsing import OtherSite, Visit, chromium
from PIL import Image
from playwright.sync_api import Browser
from seeding import Project
from serving import Server

pytestmark = pytest.mark.slow

PACKAGES = {
    "mirador@4.0.0": "uWsE9e2oqSc/lUu+vVwDGhTsycuhGsfZ2KfX6CLfXiT3wgGy6qT9+q5M3V9Zz72hkdIgsJugKesaowmRtYmvrA==",
    "universalviewer@4.4.0": "9OVs6uCzeQYw50jg8k2vEGq6hQFu7kEv9OOAlmqVH9duhrpg1xlIqcMIb2rhNQnAxTQd3R13gxJze9UYkiwdzg==",
}
"""The bundles that the projects publish, with the SHA-512 of each. Their own dependencies are inside."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherSite]:
    home = tmp_path_factory.mktemp("viewers")
    npm = shutil.which("npm")
    assert npm, "npm is not installed"
    folders = {}
    for package, digest in PACKAGES.items():
        name, _, version = package.partition("@")
        subprocess.run([npm, "pack", "--silent", package], cwd=home, check=True, capture_output=True)
        archive = home / f"{name}-{version}.tgz"
        assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == digest
        with tarfile.open(archive) as packed:
            packed.extractall(home / name, filter="data")
        folders[name] = home / name / "package"
    other = OtherSite(folders)
    yield other
    other.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("album")
    (folder / "Inner").mkdir()
    for name in ("astronaut.png", "Inner/coffee.png"):
        Image.fromarray(pictures.photograph(name.rpartition("/")[2], 2400, 1800)).save(folder / f"{name[:-4]}.jpg")
    with Server(tmp_path_factory.mktemp("server"), folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


ADDRESSES = {
    "mirador": "/mirador.html?address={}",
    "universalviewer": "/universalviewer/dist/uv.html#?manifest={}",
}


@pytest.mark.parametrize("path", ["astronaut.jpg", ""], ids=["picture", "folder"])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("viewer", list(ADDRESSES))
def test_it_opens_a_manifest_and_every_tile_that_it_asks_for_comes(
    server: Server, site: OtherSite, browser: Browser, screenshots: Path, viewer: str, version: int, path: str
) -> None:
    guest = Visit(browser, screenshots)
    manifest = f"{server.base}/manifest/{path}?api={version}"
    guest.open(site.base + ADDRESSES[viewer].format(manifest))
    guest.page.wait_for_selector("canvas")
    guest.settle(1)
    shot = guest.keep(f"{viewer}-{version}-{'folder' if not path else 'picture'}")
    assert guest.came[manifest] == 200
    tiles = [tile for tile in guest.tiles() if tile["region"] is not None]
    assert {(tile["identifier"], tile["version"]) for tile in tiles} == {("astronaut.jpg", version)}
    ours = {address: status for address, status in guest.came.items() if address.startswith(server.base)}
    assert {address: status for address, status in ours.items() if status != 200} == {}
    missing = {address for address in guest.asked if address.startswith(server.base)} - ours.keys()
    assert missing == set()
    middle = np.asarray(Image.open(shot).convert("RGB"))[250:550, 500:900]
    assert middle.std() > 25
    if not path:
        assert "coffee.jpg" in guest.page.inner_text("body") or any("coffee.jpg" in address for address in ours)
    guest.context.close()


def canvas(info: dict[str, Any]) -> dict[str, Any]:
    """A page of a manifest as its author writes it: the largest listed size, and info.json as its service."""
    base = info.get("@id") or info["id"]
    largest = info["sizes"][-1]
    image = {"id": f"{base}/full/{largest['width']},{largest['height']}/0/default.jpg", **largest}
    body = {**image, "type": "Image", "format": "image/jpeg", "service": [info]}
    painting = {"id": f"{base}/a", "type": "Annotation", "motivation": "painting", "body": body}
    items = [{"id": f"{base}/page", "type": "AnnotationPage", "items": [painting | {"target": f"{base}/canvas"}]}]
    sides = {"width": info["width"], "height": info["height"]}
    return {"id": f"{base}/canvas", "type": "Canvas", **sides, "items": items}


@pytest.mark.parametrize("version", [2, 3])
def test_mirador_opens_seeded_trees_on_a_file_server(
    site: OtherSite, browser: Browser, screenshots: Path, tmp_path: Path, version: int
) -> None:
    project = Project(tmp_path / "project")
    other = OtherSite({"iiif": tmp_path / "tree", "manifests": tmp_path, "mirador": site.folders["mirador"]})
    sizes = {"a.jpg": (2100, 1500), "b.jpg": (300, 1900), "c.jpg": (900, 600)}
    for name, size in sizes.items():
        project.picture(name, *size)
    project.configure(derivatives__cache={"name": "Disk", "path": str(tmp_path / "tree" / str(version))})
    project.seed("--api-version", str(version), "--endpoint", f"{other.base}/iiif/{version}", *sizes)
    tree = tmp_path / "tree" / str(version)
    canvases = [canvas(json.loads((tree / name / "info.json").read_text())) for name in sizes]
    manifest = {"@context": "http://iiif.io/api/presentation/3/context.json", "id": f"{other.base}/manifests/m.json"}
    manifest |= {"type": "Manifest", "label": {"none": ["Seeded"]}, "items": canvases}
    (tmp_path / "m.json").write_text(json.dumps(manifest))
    guest = Visit(browser, screenshots)
    guest.open(f"{other.base}/mirador.html?address={other.base}/manifests/m.json")
    guest.page.wait_for_selector("canvas")
    guest.settle(1)
    shot = guest.keep(f"seeded-mirador-{version}")
    pictures_of = {name: [path for path in guest.asked if f"/{name}/" in path] for name in sizes}
    assert all(pictures_of.values()), "thumbnails of all three"
    ours = {address: status for address, status in guest.came.items() if address.startswith(f"{other.base}/iiif/")}
    assert {address: status for address, status in ours.items() if status != 200} == {}
    assert any(tile["region"] for tile in guest.tiles())
    assert np.asarray(Image.open(shot).convert("RGB"))[250:550, 500:900].std() > 25
    guest.context.close()
    other.stop()
