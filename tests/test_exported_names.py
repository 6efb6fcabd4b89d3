"""The public names: each can be imported, none is missing, and the list is sorted."""

import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import iiifkit
from iiifkit import errors


def test_what_is_installed_is_what_is_tested() -> None:
    """A wheel lists its files; an editable install, which is the checkout, does not."""
    installed = [path.locate() for path in metadata.distribution("iiifkit").files or [] if path.name == "__init__.py"]
    assert not installed or any(Path(str(path)).samefile(iiifkit.__file__) for path in installed)


def test_the_list_is_sorted_and_holds_each_name_once() -> None:
    names = list(iiifkit.__all__)
    assert names == sorted(set(names))
    assert dir(iiifkit) == names


@pytest.mark.parametrize("name", iiifkit.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(iiifkit, name)
    assert not isinstance(value, ModuleType)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__module__")):
        assert value.__module__.startswith(("iiifkit", "pluggy"))
    assert getattr(value, "__doc__", None)


def test_every_error_is_public() -> None:
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds <= set(iiifkit.__all__)


def test_the_tree_in_the_errors_module_is_the_tree() -> None:
    """The drawing at its top names every error, under its parent."""
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        if words.strip() and words.split()[0] in vars(errors):
            drawn.append((len(words) - len(words.lstrip()), words.split()[0]))
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert {name for _, name in drawn} == kinds
    for index, (indent, name) in enumerate(drawn[1:], 1):
        parent = next(other for depth, other in reversed(drawn[:index]) if depth < indent)
        assert getattr(errors, name).__bases__ == (getattr(errors, parent),)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = iiifkit.nonsense


def test_importing_the_package_imports_no_heavy_library() -> None:
    """So that ``iiifkit --help`` and other people's programs start at once."""
    program = (
        "import sys, iiifkit, iiifkit.cli, iiifkit.errors\n"
        "print([n for n in ('pyvips', 'PIL', 'numpy', 'urllib3', 'dithering', 'rich', 'uvicorn') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_modules_that_tests_may_inherit_from_import() -> None:
    assert importlib.import_module("iiifkit.testing").__doc__
