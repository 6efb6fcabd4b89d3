"""What README and docs/ say is so: code runs, configs load, tables are whole, links lead somewhere."""

import ast
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
import urllib.request
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pictures
import pytest
from PIL import Image

import iiifkit
from iiifkit.caches.disk import DiskOptions
from iiifkit.caches.memory import MemoryOptions
from iiifkit.config import blocks, load_config, parse_config
from iiifkit.config.loading import DEFAULTS
from iiifkit.encoding import EncodeOptions
from iiifkit.plugins import discover
from iiifkit.sources.disk import DiskSourceOptions
from iiifkit.sources.example import example_path
from iiifkit.sources.uri import UriOptions

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SEPIA = "docs/examples/iiifkit-sepia/"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(name), re.M | re.S)


def named_code(name: str) -> dict[str, str]:
    """The code blocks of a page that stand under the name of a file."""
    return dict(re.findall(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", text(name), re.M | re.S))


def lines(block: str) -> int:
    return sum(1 for line in block.splitlines() if line.strip())


# README


def test_readme_shows_what_you_get_in_its_first_screen() -> None:
    first = text("README.md").splitlines()[:22]
    assert any(line.startswith("![") for line in first)
    assert sum(line == "```sh" for line in first) == 2 - ("python3 tests/run.py" not in first)
    assert "serve --example" in "\n".join(first)


def test_readmes_test_command_is_what_ci_runs() -> None:
    assert "python3 tests/run.py\n" in code("README.md", "sh")
    assert text(".ci/run").rstrip().endswith("exec python3 tests/run.py")


def test_readmes_config_has_ten_lines_and_loads() -> None:
    (block,) = code("README.md", "json")
    assert lines(block) <= 10
    config = load_config(parse_config(block.encode()), discover())
    assert not config.warnings
    assert config.limits.max_width == 4000


def test_the_plugin_has_twelve_lines_and_is_the_same_everywhere() -> None:
    module = text(SEPIA + "iiifkit_sepia.py")
    assert lines(module) <= 12
    assert code("README.md", "python") == [module]
    files = [SEPIA + name for name in ("iiifkit_sepia.py", "pyproject.toml", "config.json")]
    assert named_code("docs/plugins.md") == {file: text(file) for file in files}


def test_readme_names_every_package() -> None:
    packages = [path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")]
    for package in ["iiifkit", *packages]:
        assert re.search(rf"^\| \[?`{package}`", text("README.md"), re.M), package


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_readmes_transform_command_works(tmp_path: Path) -> None:
    (command,) = re.findall(r"`iiifkit (transform [^`]+)`", text("README.md"))
    Image.fromarray(pictures.photograph("chelsea.png", 1200, 900)).save(tmp_path / "scan.tif")
    arguments = [part.strip("'") for part in command.split()]
    subprocess.run([sys.executable, "-m", "iiifkit.cli", *arguments], cwd=tmp_path, check=True)
    with Image.open(tmp_path / "small.webp") as made:
        assert made.size == (800, 600)


@pytest.mark.slow
def test_readmes_first_command_installs_and_serves(tmp_path: Path) -> None:
    """In a copy of the checkout, with a free port instead of 8080."""
    command = code("README.md", "sh")[0].rstrip()
    copy = tmp_path / "checkout"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "plugins", "tests")
    shutil.copytree(ROOT, copy, ignore=left_out)
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_CACHE_DIR": pip_cache()}
    process = subprocess.Popen(
        ["bash", "-c", command.replace("&& .venv/bin/iiifkit", "&& exec .venv/bin/iiifkit") + " --port 0"],
        cwd=copy,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        document = read_json(address_in(process))
        picture = read(document["id"] + "/2080,1620,480,320/max/0/dither.png")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert (document["width"], document["height"]) == (4608, 3072)
    assert picture.startswith(b"\x89PNG")


def pip_cache() -> str:
    found = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def address_in(process: subprocess.Popen[str]) -> str:
    """The address of an info.json that the server says to try."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.match(r"  try +(http\S+)$", line):
            return found[1].replace("localhost", "127.0.0.1")
    raise AssertionError("".join(said))


def read(address: str) -> bytes:
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return bytes(answer.read())
        except ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"{address} is not reached")


def read_json(address: str) -> Any:
    return json.loads(read(address))


# docs/python.md


def test_python_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    *blocks_of_page, serving = code("docs/python.md", "python")
    assert "serve(" in serving
    assert all(lines(block) <= 10 for block in blocks_of_page)
    together: dict[str, Any] = {}
    for block in blocks_of_page:
        exec(compile(block, "docs/python.md", "exec"), together)
    assert capsys.readouterr().out.splitlines() == [
        "1200 x 900 pixels, tiles of 256",
        "image/webp photo.jpg/150,0,900,900/400,400/90/gray.webp",
    ]
    with Image.open("small.webp") as made:
        assert made.size == (400, 400)


def test_python_page_serves(tmp_path: Path) -> None:
    photos(tmp_path)
    block = code("docs/python.md", "python")[-1]
    assert "server__port=8000" in block
    process = subprocess.Popen(
        [sys.executable, "-c", block.replace("8000", "0")],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        document = read_json(address_in(process))
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert document["width"] == 1200
    assert document["maxWidth"] == 4000


def photos(folder: Path) -> None:
    (folder / "photos").mkdir()
    Image.fromarray(pictures.photograph("chelsea.png", 1200, 900)).save(folder / "photos" / "photo.jpg")


def test_docs_use_public_names_only() -> None:
    for page in PAGES:
        for block in code(str(page.relative_to(ROOT)), "python"):
            for node in ast.walk(ast.parse(block)):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                if module.startswith("iiifkit.testing."):
                    continue
                assert not module.startswith("iiifkit."), block
                if module == "iiifkit":
                    assert {alias.name for alias in node.names} <= set(iiifkit.__all__)


def test_public_names_are_sorted_and_all_there() -> None:
    assert sorted(iiifkit.__all__) == iiifkit.__all__
    assert set(iiifkit._HOMES) == set(iiifkit.__all__)
    for name in iiifkit.__all__:
        assert getattr(iiifkit, name) is getattr(import_module(f"iiifkit.{iiifkit._HOMES[name]}"), name)
        assert name in dir(iiifkit)


# docs/config.md


def keys_of(kind: type[msgspec.Struct], path: str) -> dict[str, Any]:
    """The keys of a block by path, with their defaults; blocks in it are gone into."""
    found = {}
    for field in msgspec.structs.fields(kind):
        default = field.default
        if default is msgspec.NODEFAULT:
            default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else ...
        if isinstance(default, msgspec.Struct) and not isinstance(default, blocks.Names):
            found |= keys_of(type(default), f"{path}.{field.encode_name}")
        else:
            found[f"{path}.{field.encode_name}"] = {} if isinstance(default, blocks.Names) else default
    return found


CORE = {
    "level": blocks.Level,
    "features": blocks.Features,
    "api": blocks.Api,
    "limits": blocks.Limits,
    "formats": blocks.Formats,
    "encode": EncodeOptions,
    "prepare": blocks.Prepare,
    "info": blocks.Info,
    "plugins": blocks.Plugins,
    "server": blocks.Server,
}


def rows() -> list[list[str]]:
    """The cells of all tables of docs/config.md."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text("docs/config.md").splitlines()
        if line.startswith("|")
    ]


def test_config_page_has_every_key_with_its_default() -> None:
    wanted = {"graphics.source.name": DEFAULTS["graphics.source"]["name"], "graphics.source.tmpdir": None}
    wanted |= {path: dict(value) for path, value in DEFAULTS.items() if path != "graphics.source"}
    for block, kind in CORE.items():
        wanted |= keys_of(kind, block)
    said = {row[0].strip("`"): row[2] for row in rows() if re.match(r"`\w+\.[\w.]+`$", row[0])}
    assert said.keys() == wanted.keys()
    for path, default in wanted.items():
        assert json.loads(said[path].strip("`")) == json.loads(msgspec.json.encode(default)), path


OPTIONS = {
    "source Disk": DiskSourceOptions,
    "source URI": UriOptions,
    "cache Disk": DiskOptions,
    "cache Memory": MemoryOptions,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_config_page_has_every_option(name: str) -> None:
    said: dict[str, dict[str, str]] = {}
    table = thing = ""
    for row in rows():
        if row[0] in ("source", "cache"):
            table = row[0]
        elif table and len(row) == 5 and not row[0].startswith("-"):
            thing = f"{table} {row[0].strip('`')}" if row[0] else thing
            said.setdefault(thing, {})[row[1].strip("`")] = row[3].strip("`")
    wanted = keys_of(OPTIONS[name], name)
    assert {f"{name}.{key}" for key in said[name]} == wanted.keys()
    for path, default in wanted.items():
        assert said[name][path.rpartition(".")[2]] == ("" if default is ... else msgspec.json.encode(default).decode())


def test_the_example_config_spells_out_the_defaults() -> None:
    registry = discover()
    example = load_config(parse_config((ROOT / "config.example.json").read_bytes()), registry)
    default = load_config({}, registry)
    for name in default.__struct_fields__:
        assert getattr(example, name) == getattr(default, name), name


# The example picture


def test_the_example_picture_is_small_and_deep() -> None:
    assert example_path().stat().st_size < 950_000
    with Image.open(example_path()) as picture:
        assert picture.size == (4608, 3072)
        assert picture.format == "JPEG"
        assert "progressive" not in picture.info


@pytest.mark.slow
def test_the_example_picture_is_what_the_script_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.setattr(sys, "argv", ["draw_example.py", str(tmp_path / "drawn.jpg")])
    runpy.run_path(str(ROOT / "docs" / "draw_example.py"), run_name="__main__")
    with Image.open(tmp_path / "drawn.jpg") as drawn, Image.open(example_path()) as shipped:
        assert drawn.size == shipped.size
        difference = np.asarray(drawn, np.int16) - np.asarray(shipped, np.int16)
    assert np.abs(difference).mean() < 1
