"""Plugins are found among really installed distributions: folders with a module and a .dist-info, in a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from iiifkit.errors import ConfigError, PluginError
from iiifkit.hookspecs import Offer
from iiifkit.plugins import HOOKS, discover
from iiifkit.registry import BarredPlugin, BrokenPlugin, Entry, Registry, normalize

CHECKOUT = Path(__file__).parent.parent

REPORT = """
import json, sys
from iiifkit.errors import PluginError
from iiifkit.plugins import discover
allow = json.loads(sys.argv[1])
try:
    registry = discover(allow)
except PluginError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({
        "entries": [[e.kind, e.name, e.distribution, e.version] for e in registry.entries()],
        "broken": {b.distribution: b.reason for b in registry.broken},
        "barred": [b.distribution for b in registry.barred],
        "heavy": [name for name in ("pyvips", "PIL", "numpy", "urllib3", "dithering", "rich") if name in sys.modules],
    }))
"""

WELL = """
import msgspec
from iiifkit.hookspecs import Offer, hookimpl

class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str = ""

@hookimpl
def iiifkit_sources():
    return {"Attic": Offer(lambda options, environment: None, Options, summary="the attic")}
"""


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, code: str, version: str = "1.2.3", points: str | None = None) -> None:
        module = name.replace("-", "_").lower()
        (self.folder / f"{module}.py").write_text(dedent(code))
        information = self.folder / f"{module}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (information / "entry_points.txt").write_text(points or f"[iiifkit]\n{module} = {module}\n")

    def discover(self, allow: list[str] | None = None) -> dict[str, Any]:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{self.folder}{os.pathsep}{CHECKOUT}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, "-W", "error", "-c", REPORT, json.dumps(allow)]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_core_comes_in_by_the_same_door_and_imports_nothing_heavy(site: Site) -> None:
    report = site.discover()
    core = {(kind, name) for kind, name, distribution, _ in report["entries"] if distribution == "iiifkit"}
    assert {("source", "Disk"), ("cache", "Disk"), ("cache", "Memory"), ("cache", "Null"), ("engine", "VIPS")} <= core
    assert ("quality", "dither") in core
    assert report["broken"] == {}
    assert report["heavy"] == []


def test_a_plugin_is_found_with_its_distribution_and_version(site: Site) -> None:
    site.install("Museum-Attic", WELL, version="4.5")
    assert ["source", "Attic", "Museum-Attic", "4.5"] in site.discover()["entries"]


@pytest.mark.parametrize("allow", [["other"], []])
def test_what_is_not_allowed_is_never_imported(site: Site, allow: list[str]) -> None:
    site.install("Museum-Attic", "open('imported', 'w').close()\n" + WELL)
    report = site.discover(allow)
    assert report["barred"] == ["Museum-Attic"]
    assert not (site.folder / "imported").exists()
    assert {distribution for _, _, distribution, _ in report["entries"]} == {"iiifkit"}


@pytest.mark.parametrize("spelling", ["museum-attic", "Museum_Attic", "MUSEUM.ATTIC"])
def test_the_allow_list_compares_names_as_installers_do(site: Site, spelling: str) -> None:
    site.install("Museum-Attic", "open('imported', 'w').close()\n" + WELL)
    report = site.discover([spelling])
    assert report["barred"] == []
    assert (site.folder / "imported").exists()


HEAD = "from iiifkit.hookspecs import Offer, hookimpl\n@hookimpl\n"

BROKEN = {
    "missing-module": (
        "import no_such_module_here",
        "it needs the module 'no_such_module_here', which is not installed",
    ),
    "failing": ("raise RuntimeError('the attic burns')", "its import failed with RuntimeError: the attic burns"),
    "leaving": ("raise SystemExit(3)", "its import failed with SystemExit: 3"),
    "unparsable": ("def (", "its import failed with SyntaxError: invalid syntax"),
    "absent-name": (
        "from iiifkit.blob import NoSuch",
        "its import failed with ImportError: cannot import name 'NoSuch'",
    ),
    "raising-hook": (
        HEAD + "def iiifkit_sources():\n    return 1 / 0",
        "iiifkit_sources failed with ZeroDivisionError",
    ),
    "wordy": (HEAD + "def iiifkit_caches():\n    return 'Disk'", "iiifkit_caches returned str, not a mapping"),
    "asynchronous": (HEAD + "async def iiifkit_caches():\n    return {}", "iiifkit_caches returned coroutine"),
    "no-offer": (
        HEAD + "def iiifkit_engines():\n    return {'Mill': print}",
        "offers 'Mill' as builtin_function_or_method",
    ),
    "no-name": (
        HEAD + "def iiifkit_engines():\n    return {7: Offer(print)}",
        "offers a name that is not plain text: 7",
    ),
    "odd-name": (
        HEAD + "def iiifkit_engines():\n    return {'a b': Offer(print)}",
        "a name that is not plain text: 'a b'",
    ),
    "twice": (
        HEAD + "def iiifkit_engines():\n    return {'mill': Offer(print), 'MILL': Offer(print)}",
        "offers 'MILL' twice, with and without capitals",
    ),
    "no-build": (HEAD + "def iiifkit_engines():\n    return {'Mill': Offer(None)}", "a build that cannot be called"),
    "no-struct": (
        HEAD + "def iiifkit_engines():\n    return {'Mill': Offer(print, dict)}",
        "options that are not a msgspec",
    ),
    "core-block": (
        HEAD + "def iiifkit_engines():\n    return {'Mill': Offer(print, block='limits')}",
        "the block 'limits', which is iiifkit's own",
    ),
    "reserved": (
        "import msgspec\nclass Named(msgspec.Struct):\n    name: str\n"
        + HEAD
        + "def iiifkit_engines():\n    return {'Mill': Offer(print, Named)}",
        "an option called 'name'",
    ),
    "arguments": (HEAD + "def iiifkit_sources(config):\n    return {}", "a function without arguments"),
    "secretive": (
        "import sys\nclass No:\n    def __dir__(self):\n        raise OSError('no')\nsys.modules[__name__] = No()",
        "its hooks cannot be read: OSError: no",
    ),
    "wrapper": (
        "from iiifkit.hookspecs import hookimpl\n@hookimpl(wrapper=True)\ndef iiifkit_sources():\n    return (yield)",
        "iiifkit_sources is a wrapper",
    ),
}


def test_broken_plugins_are_remembered_and_the_others_work(site: Site) -> None:
    for name, (code, _) in BROKEN.items():
        site.install(name, code)
    site.install("Museum-Attic", WELL)
    report = site.discover()
    assert {name: BROKEN[name][1] in reason for name, reason in report["broken"].items()} == dict.fromkeys(BROKEN, True)
    assert "/" not in "".join(report["broken"].values())
    assert ["source", "Attic", "Museum-Attic", "1.2.3"] in report["entries"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            HEAD + "def iiifkit_source():\n    return {}",
            "iiifkit_source is not a hook of iiifkit; did you mean iiifkit_sources?",
        ),
        (
            HEAD + "def iifkit_cache():\n    return {}",
            "iifkit_cache is not a hook of iiifkit; did you mean iiifkit_caches?",
        ),
        (
            "def iiifkit_engine():\n    return {}",
            "iiifkit_engine is not a hook of iiifkit; did you mean iiifkit_engines?",
        ),
        ("def iiifkit_qualities():\n    return {}", "iiifkit_qualities is not marked as a hook"),
    ],
)
def test_misspelt_hooks_stop_start_up(site: Site, code: str, expected: str) -> None:
    site.install("typing-error", code)
    error = site.discover()["error"]
    assert isinstance(error, str)
    assert error.startswith("typing-error 1.2.3: ")
    assert expected in error


def test_what_only_looks_like_a_hook_is_let_be(site: Site) -> None:
    site.install(
        "Museum-Attic",
        "from iiifkit.hookspecs import iiifkit_caches\nimport json as iiifkit_helper\niiifkit_version = '1'\n"
        "class iiifkit_thing: pass\n" + WELL,
    )
    report = site.discover()
    assert report["broken"] == {}
    assert ["source", "Attic", "Museum-Attic", "1.2.3"] in report["entries"]


def test_two_plugins_with_one_name_are_an_error_naming_both(site: Site) -> None:
    site.install("Museum-Attic", WELL)
    site.install("Other-House", WELL.replace('"Attic"', '"ATTIC"'), version="0.9")
    error = str(site.discover()["error"])
    assert "Museum-Attic 1.2.3 and Other-House 0.9 both offer the source 'ATTIC'" in error
    assert "error" not in site.discover(["museum-attic"])


def test_a_broken_distribution_elsewhere_does_no_harm(site: Site) -> None:
    site.install("mangled", "", points="[iiifkit\nnonsense")
    site.install("nameless", WELL)
    (site.folder / "nameless-1.2.3.dist-info" / "METADATA").write_text("")
    report = site.discover()
    assert ["source", "Attic", "a distribution without a name", "unknown"] in report["entries"]


def build(options: object, environment: object) -> None:
    return None


def entry(name: str, kind: str, distribution: str = "iiifkit") -> Entry:
    return Entry(name, kind, Offer(build), distribution, "1.0")


def test_names_are_found_whatever_their_case() -> None:
    registry = Registry.of([entry("Disk", "source"), entry("Disk", "cache")])
    assert registry.find("source", "dISK", "images.source.name").kind == "source"
    assert [found.kind for found in registry.entries()] == ["source", "cache"]


@pytest.mark.parametrize(
    ("kind", "name", "broken", "barred", "error", "expected"),
    [
        ("source", "S3", (), (), PluginError, "pip install iiifkit-s3"),
        ("cache", "s3", (), (), PluginError, "pip install iiifkit-s3"),
        ("source", "Flickr", (), (), PluginError, "pip install iiifkit-flickr"),
        ("quality", "primitive", (), (), PluginError, "pip install iiifkit-primitive"),
        ("engine", "S3", (), (), ConfigError, "images.x.name: there is no engine 'S3'; loaded: none"),
        ("source", "Dsik", (), (), ConfigError, "there is no source 'Dsik'; loaded: Attic, Disk; did you mean Disk?"),
        ("source", "Cellar", ("Other",), (), ConfigError, "Other 1.0 could not be loaded: it burns"),
        ("source", "S3", ("Iiifkit_S3",), (), PluginError, "could not be loaded: it burns"),
        ("source", "Cellar", ("iiifkit-cellar",), (), PluginError, "come from iiifkit-cellar 1.0, which could not be"),
        ("source", "S3", (), ("iiifkit-s3",), PluginError, "installed but not listed in plugins.allow"),
    ],
)
def test_a_missing_name_says_what_to_do(
    kind: str, name: str, broken: tuple[str, ...], barred: tuple[str, ...], error: type[Exception], expected: str
) -> None:
    registry = Registry.of(
        [entry("Disk", "source"), entry("Attic", "source")],
        [BrokenPlugin(distribution, "1.0", "x", "it burns") for distribution in broken],
        [BarredPlugin(distribution, "1.0", "x") for distribution in barred],
    )
    with pytest.raises(error) as raised:
        registry.find(kind, name, "images.x.name")
    assert type(raised.value) is error
    assert str(raised.value).startswith("images.x.name: ")
    assert expected in str(raised.value)


def test_the_registry_is_frozen() -> None:
    registry = discover([])
    with pytest.raises(AttributeError):
        registry.broken = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        registry.sources["x"] = entry("x", "source")  # type: ignore[index]


def test_offers_of_the_core_are_named_and_explained() -> None:
    for found in discover([]).entries():
        assert found.offer.summary
        assert msgspec.structs.fields(found.offer.options) is not None


def test_each_kind_has_one_hook() -> None:
    assert sorted(HOOKS.values()) == ["cache", "engine", "quality", "source"]


@pytest.mark.parametrize(("name", "normal"), [("Iiifkit_S3", "iiifkit-s3"), ("a.-_b", "a-b")])
def test_distribution_names_are_normalized(name: str, normal: str) -> None:
    assert normalize(name) == normal
