"""What decides how a picture looks decides which kept ones are served: settings, and the versions of plugins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
from conftest import Serve
from PIL import Image
from serving import Server
from watching import install_plugin, metric

TILE = "/iiif/3/a.jpg/256,0,256,256/200,200/0/default.jpg"
STORED = "/iiif/3/a.jpg/256,0,256,256/256,256/0/default.jpg"

PAINT = """
    from iiifkit import Offer, Raster, hookimpl

    class Paint:
        def check(self, text):
            pass

        def apply(self, raster, request):
            return Raster(raster.width, raster.height, 1, bytes([SHADE]) * (raster.width * raster.height))

    @hookimpl
    def iiifkit_qualities():
        return {"paint": Offer(lambda options, environment: Paint())}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    Image.fromarray(pictures.photograph("coffee.png", 1500, 1100)).save(made / "a.jpg", quality=92)
    return made


@pytest.fixture
def again(start: Serve, folder: Path, tmp_path: Path) -> Callable[..., Server]:
    """``again(**config)`` is a new server with the same caches."""

    def running(environ: dict[str, str] | None = None, **config: Any) -> Server:
        caches = {
            "images": {"cache": {"name": "Disk", "path": str(tmp_path / "images")}},
            "derivatives": {"cache": {"name": "Disk", "path": str(tmp_path / "derivatives")}},
        }
        return start(folder, {**caches, **config}, **(environ or {}))

    return running


def served(server: Server, path: str) -> bytes:
    answer = server.get(path)
    assert answer.status == 200
    return answer.body


def test_the_same_settings_find_what_is_kept(again: Callable[..., Server]) -> None:
    before = served(again(), TILE)
    server = again()
    assert served(server, TILE) == before
    assert metric(server, "derivative_cache_hits_total") == 1


def test_another_jpeg_quality_is_another_picture(again: Callable[..., Server]) -> None:
    before = served(again(), TILE)
    server = again(encode={"jpg": {"quality": 20}})
    etag = server.get(TILE).header("ETag")
    assert len(served(server, TILE)) < len(before)
    assert metric(server, "derivative_cache_hits_total") == 1, "its own, the second time"
    assert again().get(TILE, If_None_Match=etag).status == 200


def test_another_quality_of_pyramids_is_another_tile(again: Callable[..., Server]) -> None:
    prepared = {"min_pixels": 1_000_000}
    before = served(again(prepare=prepared), STORED)
    server = again(prepare={**prepared, "quality": 20})
    assert len(served(server, STORED)) < len(before)
    assert metric(server, 'answers_total{how="slice"}') == 1


def test_another_version_of_a_plugin_is_another_picture(again: Callable[..., Server], tmp_path: Path) -> None:
    plugin, path = tmp_path / "plugin", TILE.replace("default.jpg", "paint.png")
    paint = {"syntax": "paint", "required": False, "supported": True, "match": "^paint$"}
    features = {"append": {"quality": {"paint": paint}}}
    environ = install_plugin(plugin, "iiifkit-paint", PAINT.replace("SHADE", "40"))
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    server = again(environ, features=features)
    assert np.unique(pictures.decoded(served(server, path))).tolist() == [40]
    served(server, path)
    assert metric(server, "derivative_cache_hits_total") == 1
    module, metadata = plugin / "iiifkit_paint.py", plugin / "iiifkit_paint-1.0.dist-info" / "METADATA"
    module.write_text(module.read_text().replace("[40]", "[90]"))
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    assert np.unique(pictures.decoded(served(again(environ, features=features), path))).tolist() == [90]
