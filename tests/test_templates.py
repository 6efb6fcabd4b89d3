"""``iiifkit plugins new``: what it writes works, passes its own tests, and is as clean as the house."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iiifkit.errors import IIIFKitError
from iiifkit.templates import KINDS, write_plugin

NAME = "old-film"
MODULE = "iiifkit_old_film"


def run(command: list[str], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | environ, timeout=300)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_own_tests(tmp_path: Path, kind: str) -> None:
    """Installed, and tested from another folder."""
    folder, site = write_plugin(NAME, kind, tmp_path / "plugin"), tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    installed = run([*pip, "--target", str(site), str(folder)], tmp_path)
    assert installed.returncode == 0, installed.stderr
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    tests = run(command, tmp_path, PYTHONPATH=str(site))
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert not {"failed", "error", "skipped"} & set(tests.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_clean_and_typed(tmp_path: Path, kind: str) -> None:
    folder = write_plugin(NAME, kind, tmp_path / "plugin")
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        checked = run([sys.executable, "-m", *command], folder)
        assert checked.returncode == 0, checked.stdout
    typed = run([sys.executable, "-m", "mypy", "--strict", MODULE], folder)
    assert typed.returncode == 0, typed.stdout
    assert "@" not in "".join(path.read_text() for path in folder.rglob("*.toml"))


@pytest.mark.parametrize("name", ["", "Old", "-x", "x-", "a--b", "a_b", "../x", "ä", "x" * 51, "1x"])
def test_names_that_no_package_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IIIFKitError, match="cannot be a plugin's name"):
        write_plugin(name, "quality", tmp_path / "plugin")
    assert not (tmp_path / "plugin").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "plugin").mkdir()
    with pytest.raises(IIIFKitError, match="is there already"):
        write_plugin(NAME, "quality", tmp_path / "plugin")


def test_the_command_knows_all_kinds(tmp_path: Path) -> None:
    for kind in KINDS:
        done = run([sys.executable, "-m", "iiifkit", "plugins", "new", kind, "--kind", kind], tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"iiifkit-{kind}" / "tests" / f"test_{kind}.py").exists()


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    done = run([sys.executable, "-m", "iiifkit", "plugins", "new", "iiifkit-sepia", "--kind", "quality"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Wrote iiifkit-sepia. Now: cd iiifkit-sepia")
    assert (tmp_path / "iiifkit-sepia" / "iiifkit_sepia" / "plugin.py").exists()
    again = run([sys.executable, "-m", "iiifkit", "plugins", "new", "sepia"], tmp_path)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
