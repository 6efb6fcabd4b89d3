"""What a plugin owes to its host: public names only, and nothing that is not declared."""

import ast
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import iiifkit

import iiifkit_primitive

PACKAGE = Path(iiifkit_primitive.__file__).parent


def imports(path):
    """Module and name of every import from elsewhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def of_iiifkit(folder):
    return [
        (path.name, module, name)
        for path in folder.glob("**/*.py")
        for module, name in imports(path)
        if module.split(".")[0] == "iiifkit"
    ]


def test_only_public_names_of_iiifkit_are_used():
    used = of_iiifkit(PACKAGE)
    for file, module, name in used:
        assert module == "iiifkit", f"{file} imports {module}"
        assert name in iiifkit.__all__, f"{file} imports {name}"
    assert {"Offer", "Quality", "Raster", "Animation"} <= {name for *_, name in used}


def test_tests_use_public_names_and_the_contracts_only():
    for file, module, name in of_iiifkit(Path(__file__).parent):
        assert module.startswith("iiifkit.testing") or module == "iiifkit", f"{file} imports {module}"
        assert module != "iiifkit" or not name or name in iiifkit.__all__, f"{file} imports {name}"


def test_the_door_is_the_entry_point():
    (point,) = [point for point in entry_points(group="iiifkit") if point.name == "primitive"]
    assert point.value == "iiifkit_primitive.plugin"


def test_what_is_imported_is_declared():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {requirement.split(">")[0] for requirement in project["dependencies"]}
    modules = {module.split(".")[0] for path in PACKAGE.glob("**/*.py") for module, _ in imports(path)}
    assert modules - set(sys.stdlib_module_names) == declared
