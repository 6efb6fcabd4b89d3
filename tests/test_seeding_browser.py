"""Seeded trees on Python's own file server, in a real browser: viewers open them, and miss nothing they ask for."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pytest
import viewer_requests
from browsing import LIBRARIES, OtherSite, Visit, chromium
from PIL import Image
from playwright.sync_api import Browser
from seeding import Project

PHOTO = "é #1.jpg"
SIZES = {
    PHOTO: (1501, 1103),
    "high.jpg": (300, 2500),
    "tile.jpg": (256, 256),
    "tiny.jpg": (100, 80),
    "odd.jpg": (513, 511),
}

ALL_TILES = {
    "openseadragon": """() => {
        const source = viewer.world.getItemAt(0).source, found = [];
        for (let level = source.minLevel; level <= source.maxLevel; level++) {
            const count = source.getNumTiles(level);
            for (let x = 0; x < count.x; x++)
                for (let y = 0; y < count.y; y++) found.push(source.getTileUrl(level, x, y));
        }
        return found;
    }""",
    "leaflet": """() => {
        const found = [];
        for (let zoom = -5; zoom <= layer.maxNativeZoom; zoom++) {
            layer._tileZoom = zoom;
            const [columns, rows] = layer._tierSizes[zoom] || [1, 1];
            for (let x = 0; x < columns; x++)
                for (let y = 0; y < rows; y++) found.push(layer.getTileUrl({x, y, z: zoom}));
        }
        return found;
    }""",
}
"""What a viewer asks for at all its levels, by its own code."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the seeded trees of both versions, named 2 and 3."""
    return tmp_path_factory.mktemp("tree")


@pytest.fixture(scope="module")
def site(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherSite]:
    """The trees and the viewers on a server of files, and nothing else."""
    other = OtherSite({"iiif": tree, **{path.name: path for path in LIBRARIES.iterdir()}})
    project = Project(tmp_path_factory.mktemp("project"))
    for name, size in SIZES.items():
        project.picture(name, *size)
    for version in ("2", "3"):
        project.configure(derivatives__cache={"name": "Disk", "path": str(tree / version)})
        project.seed("--api-version", version, "--endpoint", f"{other.base}/iiif/{version}", *SIZES)
    yield other
    other.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def document(tree: Path, version: int, name: str) -> viewer_requests.Document:
    found: viewer_requests.Document = json.loads((tree / str(version) / name / "info.json").read_text())
    return found


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("viewer", ["openseadragon", "leaflet"])
def test_a_seeded_tree_opens_without_a_server(
    site: OtherSite, tree: Path, browser: Browser, screenshots: Path, viewer: str, version: int
) -> None:
    guest = Visit(browser, screenshots)
    base = f"{site.base}/iiif/{version}/{quote(PHOTO)}"
    page = guest.open(f"{site.base}/{viewer}.html?address={quote(base)}/info.json")
    page.wait_for_function("window.ready()")
    page.evaluate("window.sharpest()")
    page.wait_for_timeout(300)
    page.wait_for_function("window.ready()")
    guest.settle()
    tiles = guest.tiles()
    assert {(tile["version"], tile["identifier"]) for tile in tiles} == {(version, PHOTO)}
    assert min(tile["scale"] for tile in tiles if tile["scale"]) == 1
    assert len(tiles) > 10
    shot = np.asarray(Image.open(guest.keep(f"seeded-{viewer}-{version}")).convert("RGB"))[100:500, 100:800]
    assert shot.std() > 20
    guest.check(site.base)
    guest.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("viewer", ["openseadragon", "leaflet"])
def test_the_viewers_own_arithmetic_finds_every_tile(
    site: OtherSite, tree: Path, browser: Browser, screenshots: Path, viewer: str, version: int
) -> None:
    """What tests of trees take for the viewers' arithmetic is what the viewers' code says."""
    for name in SIZES:
        guest = Visit(browser, screenshots)
        base = f"{site.base}/iiif/{version}/{quote(name)}"
        page = guest.open(f"{site.base}/{viewer}.html?address={quote(base)}/info.json")
        page.wait_for_function("window.ready()")
        asked = {unquote(address.removeprefix(f"{base}/")) for address in page.evaluate(ALL_TILES[viewer])}
        arithmetic = {"openseadragon": viewer_requests.openseadragon, "leaflet": viewer_requests.leaflet}[viewer]
        assert asked == arithmetic(document(tree, version, name))
        missing = [path for path in asked if not (tree / str(version) / name / path).is_file()]
        assert missing == []
        guest.context.close()
