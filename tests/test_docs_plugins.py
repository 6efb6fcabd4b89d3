"""What the pages for plugin authors say is so: a page for every hook, whose code is what runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from test_docs import ROOT, code, named_code, text

import iiifkit
from iiifkit import templates
from iiifkit.registry import KINDS
from iiifkit.server.errors import status_of

PLUGINS = {"source": "album", "cache": "shelf", "engine": "plain", "quality": "negative"}
"""The plugin that the page of each kind shows."""


def test_every_hook_has_a_page() -> None:
    assert {f"{plural}.md" for plural in KINDS.values()} == {path.name for path in (ROOT / "docs/plugins").iterdir()}
    assert PLUGINS.keys() == KINDS.keys() == set(templates.KINDS)
    for plural in KINDS.values():
        assert f"| `iiifkit_{plural}` | [" in text("docs/plugins.md")
        assert f"](plugins/{plural}.md) |" in text("docs/plugins.md")


@pytest.mark.parametrize("kind", PLUGINS)
def test_the_pages_show_what_plugins_new_writes(tmp_path: Path, kind: str) -> None:
    """Which passes its own tests, as test_templates.py sees."""
    page, name = f"docs/plugins/{KINDS[kind]}.md", PLUGINS[kind]
    assert f"`iiifkit plugins new {name} --kind {kind}`" in text(page)
    folder = templates.write_plugin(name, kind, tmp_path / "plugin")
    written = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.py")}
    shown = {path: block for path, block in named_code(page).items() if "/" in path}
    assert shown == {path: written[path] for path in shown}
    left_out = ("__init__.py", "test_packaging.py")
    assert shown.keys() == {path for path in written if not path.endswith(left_out)}


def test_the_quality_with_parameters_keeps_the_contract(tmp_path: Path) -> None:
    """Written to a folder as the page names its parts, and offered like an installed plugin."""
    for name, block in named_code("docs/plugins/qualities.md").items():
        if "/" not in name:
            (tmp_path / name).write_text(block)
    about = tmp_path / "iiifkit_poster-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.4\nName: iiifkit-poster\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[iiifkit]\nposter = poster\n")

    def run(*arguments: str) -> str:
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert re.search(r"^\d+ passed in", run("pytest", "-q", "test_poster.py"), re.M)
    rows = json.loads(run("iiifkit", "plugins", "list", "--json", "--config", "poster.json"))
    assert [row["name"] for row in rows if row["used"] and row["kind"] == "quality"] == ["poster"]
    Image.new("RGB", (40, 30), (200, 100, 30)).save(tmp_path / "in.png")
    run("iiifkit", "transform", "in.png", "out.png", "--quality", "poster:2", "--config", "poster.json")
    with Image.open(tmp_path / "out.png") as made:
        assert made.convert("RGB").getpixel((9, 9)) == (255, 0, 0)


def test_the_page_of_plugins_says_what_the_command_says(tmp_path: Path) -> None:
    command, then = code("docs/plugins.md", "sh")[1:3]
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"Wrote iiifkit-old-film. Now: {then}"


def test_every_contract_is_on_the_page_of_plugins() -> None:
    said = set(re.findall(r"^\| `iiifkit\.testing\.(\w+)\.\w+Contract` \|", text("docs/plugins.md"), re.M))
    assert said == {f"{plural}" for plural in KINDS.values()} | {"plugins"}


def test_the_statuses_of_errors_are_those_that_the_server_gives() -> None:
    told = re.findall(r"^\| (`[A-Z].*?) \| .* \| (\d{3}) \|$", text("docs/plugins.md"), re.M)
    assert len(told) == 7
    for names, status in told:
        for name in re.findall(r"`(\w+)`", names):
            assert status_of(getattr(iiifkit, name)(""), 3) == int(status), name
