"""The core's wheel: installed where there is nothing else, used from another folder; and plugins of strangers there.

The wheels of the project's plugins are tested by run.py.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_docs import ROOT, SEPIA, address_in, pip_cache, read

from iiifkit.templates import KINDS

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment, and a folder far from the checkout to use it in."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "folder"
        self.folder.mkdir()
        self.bin = home / "environment" / "bin"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        self.environ = {**clean, "XDG_CACHE_HOME": str(home / "cache"), "PIP_CACHE_DIR": pip_cache()}
        subprocess.run([sys.executable, "-m", "venv", str(home / "environment")], check=True)

    def install(self, *wheels: Path | str) -> None:
        # pyvips comes as pure Python in a source distribution; nothing else may need building.
        self.run("pip", "install", "--quiet", "--only-binary", ":all:", "--no-binary", "pyvips", *map(str, wheels))

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self.bin / program, *arguments], cwd=self.folder, env=self.environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def build(project: Path, folder: Path, *only: str) -> Path:
    """Build a project into a folder; return its wheel."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "build", "--no-isolation", *only, "--outdir", str(folder), str(project)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from its source distribution, so that this one is whole, too."""
    return build(ROOT, tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def sepia_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the stranger's plugin."""
    return build(ROOT / SEPIA, tmp_path_factory.mktemp("sepia"), "--wheel")


@pytest.fixture(scope="module")
def environment(wheel: Path, sepia_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with iiifkit and the stranger's plugin, as wheels."""
    made = Environment(tmp_path_factory.mktemp("elsewhere"))
    made.install(wheel, sepia_wheel)
    return made


@pytest.fixture(scope="module")
def server(environment: Environment) -> Iterator[str]:
    """The address of a server from the wheel, whose config names the stranger's quality."""
    (environment.folder / "config.json").write_bytes((ROOT / SEPIA / "config.json").read_bytes())
    with serving(environment, "--example") as address:
        yield address


@contextmanager
def serving(environment: Environment, *arguments: str) -> Iterator[str]:
    """Serve with the environment's config.json; the address of an image."""
    process = subprocess.Popen(
        [environment.bin / "iiifkit", "serve", *arguments, "--port", "0", "--config", "config.json"],
        cwd=environment.folder,
        env=environment.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield address_in(process).removesuffix("/info.json")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_wheel_has_what_it_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    code = [path.relative_to(ROOT).as_posix() for path in (ROOT / "iiifkit").rglob("*.py")]
    assert {name for name in code if "/node_modules/" not in name} <= names
    assert {"iiifkit/example/example.jpg", "iiifkit/py.typed"} <= names
    assert {name.partition("/")[0] for name in names} == {"iiifkit", "iiifkit-0.1.0.dist-info"}
    assert "iiifkit-0.1.0.dist-info/licenses/LICENSE" in names
    assert not [name for name in names if "/node_modules/" in name or "__pycache__" in name]
    assert wheel.stat().st_size < 3_000_000


def test_the_wheel_is_what_is_imported(environment: Environment) -> None:
    where = environment.run("python", "-c", "import iiifkit; print(iiifkit.__file__)")
    assert where.startswith(str(environment.bin.parent))
    names = environment.run("python", "-c", "from iiifkit import *; print(open_service, serve, hookimpl)")
    assert "open_service" in names
    assert environment.run("iiifkit", "--version") == "iiifkit 0.1.0\n"
    assert environment.run("pip", "check") == "No broken requirements found.\n"


def test_the_example_is_served(server: str) -> None:
    document = json.loads(read(f"{server}/info.json"))
    assert document["extraQualities"][-1] == "sepia"
    assert document["tiles"][0]["width"] == 256
    with Image.open(BytesIO(read(f"{server}/0,0,512,512/256,256/0/default.jpg"))) as tile:
        assert tile.size == (256, 256)


def test_the_pages_are_there(server: str) -> None:
    base = server.partition("/iiif/")[0]
    assert b"static/example.js?v=" in read(f"{base}/example/")
    assert b"static/gallery.css?v=" in read(f"{base}/")
    assert b"OpenSeadragon" in read(f"{base}/iiifkit/static/viewer.js")
    assert b"openseadragon 6" in read(f"{base}/iiifkit/static/licenses.txt")


def test_the_strangers_quality_answers(server: str) -> None:
    with Image.open(BytesIO(read(f"{server}/full/300,200/0/sepia.png"))) as picture:
        red, green, blue = np.asarray(picture.convert("RGB"), float).reshape(-1, 3).mean(0)
        assert picture.size == (300, 200)
    assert red > green > blue


def test_a_turned_sepia_keeps_its_transparent_corners(server: str) -> None:
    with Image.open(BytesIO(read(f"{server}/full/300,200/45/sepia.png"))) as picture:
        corner = picture.convert("RGBA").getpixel((0, 0))
    assert isinstance(corner, tuple)
    assert corner[3] == 0


def test_a_file_is_transformed(environment: Environment) -> None:
    Image.new("RGB", (400, 300), "teal").save(environment.folder / "in.png")
    environment.run("iiifkit", "transform", "in.png", "out.webp", "--size", "200,")
    with Image.open(environment.folder / "out.webp") as made:
        assert made.size == (200, 150)


def test_the_list_says_where_the_quality_is_from(environment: Environment, server: str) -> None:
    rows = json.loads(environment.run("iiifkit", "plugins", "list", "--json", "--config", "config.json"))
    (sepia,) = [row for row in rows if row["name"] == "sepia"]
    assert (sepia["kind"], sepia["distribution"], sepia["version"]) == ("quality", "iiifkit-sepia", "1.0")
    assert sepia["used"]
    assert "sepia" in environment.run("iiifkit", "dump-config", "--config", "config.json")


@pytest.fixture(scope="module")
def plugins(environment: Environment, server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What ``plugins new`` writes, by kind, installed from wheels; late, because it adds to the environment."""
    folders, wheels = {}, []
    for kind in KINDS:
        environment.run("iiifkit", "plugins", "new", f"my-{kind}", "--kind", kind)
        folders[kind] = environment.folder / f"iiifkit-my-{kind}"
        wheels.append(f"{build(folders[kind], tmp_path_factory.mktemp(kind))}[test]")
    environment.install(*wheels)
    assert environment.run("pip", "check") == "No broken requirements found.\n"
    return folders


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_tests_with_the_wheels(
    environment: Environment, plugins: dict[str, Path], kind: str
) -> None:
    said = environment.run("python", "-m", "pytest", "-q", str(plugins[kind] / "tests")).splitlines()[-1]
    assert re.match(r"\d+ passed in", said), said


def test_new_plugins_serve_together(environment: Environment, plugins: dict[str, Path]) -> None:
    """With the config of their READMEs."""
    config: dict[str, Any] = {}
    for folder in plugins.values():
        for block in re.findall(r"^```json\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S):
            for key, value in json.loads(block).items():
                config.setdefault(key, {}).update(value)
    (environment.folder / "config.json").write_text(json.dumps(config))
    with zipfile.ZipFile(environment.folder / "images.zip", "w") as archive:
        file = BytesIO()
        Image.new("RGB", (640, 480), "navy").save(file, "jpeg")
        archive.writestr("album/navy.jpg", file.getvalue())
    rows = json.loads(environment.run("iiifkit", "plugins", "list", "--json", "--config", "config.json"))
    assert {row["kind"] for row in rows if row["used"] and row["distribution"].startswith("iiifkit-my-")} == set(KINDS)
    with serving(environment) as address:
        assert address.endswith("/album%2Fnavy.jpg")
        for _ in range(2):  # rendered, then out of the cache
            with Image.open(BytesIO(read(f"{address}/full/320,/90/my-quality.png"))) as picture:
                assert picture.size == (240, 320)
                assert picture.convert("RGB").getpixel((5, 5)) == pytest.approx((255, 255, 127), abs=3)
