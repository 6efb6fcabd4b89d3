"""What every plugin owes to its host, as tests that a plugin's own tests inherit.

::

    class TestMyPlugin(PluginContract):
        package = "iiifkit_sepia"

The plugin is looked at as it is installed, ``pip install --editable`` included. Needs pytest.
"""

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import pytest

import iiifkit

from ..config import load_config, parse_config
from ..plugins import GROUP, HOOKS, discover
from ..registry import normalize

DOOR_LINES = 20
"""The module that the entry point names has fewer lines than this, without blank ones."""

HEAVY = frozenset({"PIL", "numpy", "pyvips", "ssl", "urllib3"})
"""Modules that take long to import, whoever imports them."""


class PluginContract:
    """Inherit, set ``package``, and run with pytest."""

    package: str
    """Name of the importable package."""

    light: tuple[str, ...] = ("iiifkit", "msgspec")
    """Modules of other distributions that may be imported before anything is built."""

    silent: tuple[str, ...] = ()
    """Distributions that are needed although no import shows it."""

    @property
    def points(self) -> list[metadata.EntryPoint]:
        """The entry points that lead into the package."""
        points = metadata.entry_points(group=GROUP)
        return [point for point in points if point.module.partition(".")[0] == self.package]

    @property
    def distribution(self) -> metadata.Distribution:
        """The installed distribution that the package belongs to."""
        for point in self.points:
            if point.dist is not None:
                return point.dist
        raise AssertionError(f"no installed distribution has an entry point of the group {GROUP} into {self.package}")

    @property
    def sources(self) -> list[Path]:
        """The package's Python files; a package of one file is that file."""
        file = Path(inspect.getfile(import_module(self.package)))
        return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]

    @property
    def libraries(self) -> set[str]:
        """The top-level modules of others that the package imports anywhere."""
        modules = {module.partition(".")[0] for path in self.sources for module, _ in _imports(path)}
        return modules - {self.package} - set(sys.stdlib_module_names)

    def test_what_is_installed_is_what_is_tested(self) -> None:
        """A folder of the same name may be nearer than the wheel; in an editable install the folder is meant."""
        file = Path(inspect.getfile(import_module(self.package)))
        installed = [Path(str(path.locate())) for path in self.distribution.files or [] if path.name == file.name]
        assert not installed or any(path.samefile(file) for path in installed), f"what is tested is {file}"

    def test_it_comes_in_by_the_door(self) -> None:
        """It is found, imported without a complaint, and offers something."""
        name = self.distribution.name
        found = discover([name])
        reasons = [plugin.reason for plugin in found.broken if normalize(plugin.distribution) == normalize(name)]
        assert not reasons, f"{name} cannot be loaded: {'; '.join(reasons)}"
        offered = [entry for entry in found.entries() if normalize(entry.distribution) == normalize(name)]
        assert offered, f"{name} offers nothing"

    def test_the_door_is_small(self) -> None:
        """What is imported at every start can be read at a glance."""
        for point in self.points:
            source = Path(inspect.getfile(import_module(point.module))).read_text(encoding="utf-8")
            lines = sum(1 for line in source.splitlines() if line.strip())
            assert lines < DOOR_LINES, f"{point.module} has {lines} lines; move what builds to another module"

    def test_only_public_names_are_used(self) -> None:
        """What ``iiifkit.__all__`` does not list may change at any time."""
        used = {name for path in self.sources for name in _names(path)}
        assert "hookimpl" in used, "no hook is marked"

    def test_the_tests_use_public_names_and_the_contracts_only(self) -> None:
        """So they still run with the next version."""
        for path in Path(inspect.getfile(type(self))).parent.rglob("*.py"):
            _names(path, allowed="iiifkit.testing")

    def test_nothing_heavy_is_imported_until_it_is_used(self) -> None:
        """Offering is cheap: a library is imported by what is built with it."""
        doors = [point.module for point in self.points]
        program = (
            "import sys\n"
            "from importlib import import_module\n"
            f"for door in map(import_module, {doors!r}):\n"
            f"    [getattr(door, hook)() for hook in {list(HOOKS)!r} if hasattr(door, hook)]\n"
            "print(*sys.modules)"
        )
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-P", "-c", program]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        imported = set(done.stdout.split()) & ((self.libraries - set(self.light)) | HEAVY)
        assert not imported, f"imported by the door: {', '.join(sorted(imported))}"

    def test_what_is_imported_is_declared(self) -> None:
        """The distribution asks for what it needs, and for nothing else."""
        requirements = [text for text in self.distribution.requires or [] if "extra ==" not in text]
        declared = {normalize(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in requirements}
        homes = metadata.packages_distributions()
        used = set()
        for module in self.libraries:
            candidates = {normalize(name) for name in homes.get(module, [module])}
            assert candidates & declared, f"{module} is imported, but no requirement brings it"
            used |= candidates
        unused = declared - used - {normalize(name) for name in self.silent}
        assert not unused, f"required, but imported nowhere: {', '.join(sorted(unused))}"

    def test_the_readme_tells_how_to_install_and_configure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It has the line for pip, and blocks of config that load as they stand."""
        about = self.distribution.metadata
        assert "Description" in about, "pyproject.toml names no README"
        readme = str(about["Description"])
        line = rf"pip install .*\b{re.escape(self.distribution.name)}\b"
        assert re.search(line, readme), f"the README does not say: pip install {self.distribution.name}"
        blocks = re.findall(r"^```json\n(.*?)^```", readme, re.M | re.S)
        assert blocks, "the README shows no config"
        for block in blocks:
            for name in re.findall(r'"\$env":\s*"(\w+)"', block):
                monkeypatch.setenv(name, "a-secret")
            assert not load_config(parse_config(block.encode()), discover()).warnings


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of every import in a file but the relative ones."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def _names(path: Path, allowed: str = "") -> set[str]:
    """Return the names that a file takes from iiifkit; all must be public, or out of the module ``allowed``."""
    used = set()
    for module, name in _imports(path):
        if module.partition(".")[0] != "iiifkit" or (allowed and f"{module}.".startswith(f"{allowed}.")):
            continue
        assert module == "iiifkit", f"{path.name} imports {module}, which is not public"
        assert not name or name in iiifkit.__all__, f"{path.name} imports {name}, which is not public"
        used.add(name)
    return used
