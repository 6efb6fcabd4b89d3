"""How the pages' scripts come about: npm, a lock file, the wheel, and what happens without npm."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from iiifkit.viewer.build import FOLDER, NO_NPM

ROOT = Path(__file__).resolve().parent.parent


def without_npm(folder: Path) -> dict[str, str]:
    """An environment in which no npm is found, but all else that a build needs."""
    folder.mkdir()
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{Path(sys.executable).parent}"}


def test_what_is_bundled_is_locked_by_content() -> None:
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text())["devDependencies"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all(entry["integrity"].startswith("sha512-") for path, entry in locked.items() if path)


def test_no_library_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "iiifkit/viewer"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "iiifkit/viewer/src/viewer.js" in listed.stdout
    assert not [name for name in listed.stdout.splitlines() if "static/" in name or "node_modules/" in name]


def test_without_npm_the_command_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "iiifkit.viewer.build"]
    done = subprocess.run(command, env=without_npm(tmp_path / "bin"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"iiifkit: {NO_NPM}\n")


@pytest.mark.slow
def test_without_npm_the_wheel_is_built_without_the_pages_and_says_so(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    leave = shutil.ignore_patterns("__pycache__", "node_modules", "static")
    shutil.copytree(ROOT / "iiifkit", copy / "iiifkit", ignore=leave)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(copy)]
    environ = without_npm(tmp_path / "bin")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "iiifkit is built without its gallery and viewer: npm is not installed." in done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "iiifkit/viewer/templates/missing.html" in names
    assert not [name for name in names if "/static/" in name]
