"""tile-seed with primitive: a tree of animated GIFs, seeded as go-iiif's README does it."""

import json
import subprocess
import sys

from PIL import Image

from samples import photograph


def test_tiles_are_seeded_as_animated_gifs(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    Image.fromarray(photograph("coffee.png", 300)).save(source / "a.jpg")
    match = r"^primitive\:[0-5]\,\d+\,\d+$"
    primitive = {"syntax": "primitive:mode,iterations,alpha", "required": False, "supported": True, "match": match}
    features = {"append": {"quality": {"primitive": primitive}}, "enable": {"format": ["gif"]}}
    images = {"source": {"name": "Disk", "path": str(source)}, "cache": {"name": "Memory"}}
    derivatives = {"cache": {"name": "Disk", "path": str(tmp_path / "tiles")}}
    config = {"features": features, "images": images, "derivatives": derivatives}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "iiifkit.cli", "tile-seed", "--config", str(tmp_path / "config.json")]
    chosen = ["--quality", "primitive:5,4,255", "--format", "gif", "--scale-factors", "2,1"]
    done = subprocess.run([*command, *chosen, "a.jpg"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tree = tmp_path / "tiles" / "a.jpg"
    tiles = {str(path.relative_to(tree)): Image.open(path) for path in tree.rglob("primitive:5,4,255.gif")}
    width, height = Image.open(source / "a.jpg").size
    first = tiles[f"0,0,256,{min(256, height)}/256,/0/primitive:5,4,255.gif"]
    assert (first.format, first.size, first.is_animated) == ("GIF", (256, min(256, height)), True)
    assert all(tile.format == "GIF" for tile in tiles.values())
    info = json.loads((tree / "info.json").read_text())
    assert info["profile"][1] == {"formats": ["gif"], "qualities": ["primitive:5,4,255"]}
    assert info["tiles"] == [{"width": 256, "scaleFactors": [1, 2]}]
    assert width == 300
