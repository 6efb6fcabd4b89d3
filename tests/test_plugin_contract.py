"""The contract of plugins rejects plugins that are badly behaved, each for the right reason."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iiifkit.testing.plugins import PluginContract

DOOR = """
from iiifkit import Environment, NoOptions, Offer, Quality, hookimpl

def build(options: NoOptions, environment: Environment) -> Quality:
    import PIL.ImageOps

@hookimpl
def iiifkit_qualities() -> dict[str, Offer[Quality]]:
    return {"plain": Offer(build, summary="as it is")}
"""

README = """
    pip install iiifkit iiifkit-plain

```json
{"features": {"append": {"quality": {"plain": {
    "syntax": "plain", "required": false, "supported": true, "match": "^plain$" } } } } }
```
"""


class Contract(PluginContract):
    package = "iiifkit_plain"


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Contract]:
    """``contract(...)`` is that of an installed plugin, which is well behaved in all that is not given."""

    def make(
        door: str = DOOR, readme: str = README, requires: tuple[str, ...] = ("iiifkit>=0.1", "pillow")
    ) -> Contract:
        package, about = tmp_path / "iiifkit_plain", tmp_path / "iiifkit_plain-1.0.dist-info"
        package.mkdir()
        about.mkdir()
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(door)
        (about / "entry_points.txt").write_text("[iiifkit]\nplain = iiifkit_plain.plugin\n")
        needs = "".join(f"Requires-Dist: {name}\n" for name in requires)
        (about / "METADATA").write_text(f"Metadata-Version: 2.4\nName: iiifkit-plain\nVersion: 1.0\n{needs}\n{readme}")
        monkeypatch.syspath_prepend(tmp_path)
        for module in [name for name in sys.modules if name.startswith("iiifkit_plain")]:
            monkeypatch.delitem(sys.modules, module)
        return Contract()

    return make


def check(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all tests of the contract but that of its own tests, which are here."""
    contract.test_it_comes_in_by_the_door()
    contract.test_the_door_is_small()
    contract.test_only_public_names_are_used()
    contract.test_nothing_heavy_is_imported_until_it_is_used()
    contract.test_what_is_imported_is_declared()
    contract.test_the_readme_tells_how_to_install_and_configure(monkeypatch)


def test_a_good_plugin_keeps_it(contract: Callable[..., Contract], monkeypatch: pytest.MonkeyPatch) -> None:
    check(contract(), monkeypatch)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"door": DOOR.replace("@hookimpl", "@hookimpl(wrapper=True)")}, "does not have its form"),
        ({"door": DOOR + "import a_module_that_is_not_there\n"}, "not installed"),
        ({"door": DOOR.replace('{"plain": Offer(build, summary="as it is")}', "{}")}, "offers nothing"),
        ({"door": DOOR + "one = 1\n" * 20}, "iiifkit_plain.plugin"),
        ({"door": DOOR + "from iiifkit.blob import clip\n"}, "imports iiifkit.blob, which is not public"),
        ({"door": DOOR + "from iiifkit import plugins\n"}, "imports plugins, which is not public"),
        ({"door": DOOR + "import PIL.Image\n"}, "imported by the door: PIL"),
        ({"door": DOOR.replace("return {", "import PIL.Image; return {")}, "imported by the door: PIL"),
        ({"door": DOOR + "def other():\n    import rich\n"}, "rich is imported, but no requirement brings it"),
        ({"requires": ("iiifkit", "pillow", "rich; python_version > '3'")}, "imported nowhere: rich"),
        ({"readme": ""}, "names no README"),
        ({"readme": README.replace("pip install", "install")}, "does not say: pip install"),
        ({"readme": README.replace("```json", "```")}, "the README shows no config"),
        ({"readme": README.replace('"required"', '"requird"')}, "did you mean required"),
    ],
)
def test_a_bad_plugin_is_rejected(
    contract: Callable[..., Contract], monkeypatch: pytest.MonkeyPatch, change: dict[str, str], why: str
) -> None:
    with pytest.raises(Exception, match=f"(?s).*{why}"):
        check(contract(**change), monkeypatch)


def test_a_plugin_that_is_not_installed_is_told() -> None:
    with pytest.raises(AssertionError, match="no installed distribution has an entry point"):
        Contract().test_it_comes_in_by_the_door()


def test_tests_that_use_inner_names_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_inner.py").write_text(
        "from iiifkit.testing.plugins import PluginContract\n\n"
        "class Inner(PluginContract):\n    package = 'iiifkit'\n    def told(self):\n        import iiifkit.service\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import test_inner  # type: ignore[import-not-found]

    with pytest.raises(AssertionError, match=r"imports iiifkit\.service, which is not public"):
        test_inner.Inner().test_the_tests_use_public_names_and_the_contracts_only()


def test_a_folder_that_hides_the_wheel_is_told(
    contract: Callable[..., Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = contract()
    (tmp_path / "iiifkit_plain-1.0.dist-info" / "RECORD").write_text("iiifkit_plain/__init__.py,,\n")
    tests.test_what_is_installed_is_what_is_tested()
    nearer = tmp_path / "checkout"
    (nearer / "iiifkit_plain").mkdir(parents=True)
    (nearer / "iiifkit_plain" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(nearer)
    monkeypatch.delitem(sys.modules, "iiifkit_plain")
    with pytest.raises(AssertionError, match=r"what is tested is .*checkout"):
        tests.test_what_is_installed_is_what_is_tested()
