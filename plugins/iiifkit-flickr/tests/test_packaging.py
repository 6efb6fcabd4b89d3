"""What a plugin owes to its host: public names only, a small door, and nothing heavy until it is used."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import iiifkit

import iiifkit_flickr

PACKAGE = Path(iiifkit_flickr.__file__).parent


def imports(path: Path, anywhere: bool = True) -> Iterator[tuple[str, str]]:
    """Module and name of every import from elsewhere; only those at the top of the file if not ``anywhere``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_only_public_names_of_iiifkit_are_used() -> None:
    used = set()
    for path in PACKAGE.glob("**/*.py"):
        for module, name in imports(path):
            if module.split(".")[0] == "iiifkit":
                assert module == "iiifkit", f"{path.name} imports {module}"
                assert name in iiifkit.__all__, f"{path.name} imports {name}"
                used.add(name)
    assert {"Offer", "Blob", "SourceError", "ImageNotFound"} <= used


def test_tests_use_public_names_and_the_contracts_only() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        for module, name in imports(path):
            if module.split(".")[0] == "iiifkit":
                assert module.startswith("iiifkit.testing") or module == "iiifkit", f"{path.name} imports {module}"
                assert module != "iiifkit" or not name or name in iiifkit.__all__


def test_the_door_is_small() -> None:
    (point,) = [point for point in entry_points(group="iiifkit") if point.name == "flickr"]
    assert point.value == "iiifkit_flickr.plugin"
    code = [line for line in (PACKAGE / "plugin.py").read_text().splitlines() if line.strip()]
    assert len(code) < 20


def test_nothing_heavy_is_imported_until_it_is_used() -> None:
    code = (
        "import sys, iiifkit_flickr.plugin as plugin; plugin.iiifkit_sources();"
        "print([name for name in ('urllib3', 'ssl', 'PIL', 'numpy') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {requirement.split(">")[0] for requirement in project["dependencies"]}
    modules = {module.split(".")[0] for path in PACKAGE.glob("**/*.py") for module, _ in imports(path)}
    assert modules - set(sys.stdlib_module_names) == declared
