"""Finding plugins: entry points, the allow-list before any import, and the hooks, each with who is to blame."""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from importlib import metadata
from typing import Any

import msgspec
import pluggy

from . import hookspecs
from .errors import PluginError
from .hookspecs import Offer
from .registry import CORE_BLOCKS, KINDS, BarredPlugin, BrokenPlugin, Entry, Registry, normalize
from .wording import clean, told

GROUP = "iiifkit"
CORE = "iiifkit"
UNKNOWN = "unknown"
"""The version of a distribution that does not tell, or of a checkout that is not installed."""

RESERVED = frozenset({"name", "$env"})
"""Option names that an offer cannot have: the config gives them a meaning of its own."""

HOOKS = {f"iiifkit_{plural}": kind for kind, plural in KINDS.items()}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)


class _Broken(Exception):
    """A plugin is no good; the text is the reason."""


class _Found:
    """One entry point of the group, and the distribution that it belongs to."""

    def __init__(self, distribution: str, version: str, point: metadata.EntryPoint) -> None:
        self.distribution = distribution
        self.version = version
        self.point = point

    def broken(self, reason: str) -> BrokenPlugin:
        return BrokenPlugin(self.distribution, self.version, self.point.name, reason)


def discover(allow: Collection[str] | None = None) -> Registry:
    """Import the installed plugins and collect what they offer.

    ``allow`` names the distributions whose code may run; None means all of them. iiifkit itself is always allowed.
    A plugin that cannot be imported, or whose hooks fail, is remembered in ``Registry.broken``. Raises
    `PluginError` if a hook is misspelt or not marked, or if two plugins offer one name.
    """
    allowed = None if allow is None else {normalize(name) for name in allow} | {CORE}
    entries: list[Entry] = []
    broken: list[BrokenPlugin] = []
    barred: list[BarredPlugin] = []
    for found in _find():
        if allowed is not None and normalize(found.distribution) not in allowed:
            barred.append(BarredPlugin(found.distribution, found.version, found.point.name))
            continue
        try:
            entries += _entries(found)
        except _Broken as error:
            broken.append(found.broken(str(error)))
    return Registry.of(entries, broken, barred)


def _find() -> Iterator[_Found]:
    """Yield the entry points of the group, iiifkit's own first, then by distribution."""
    points: dict[tuple[str, str], _Found] = {}
    for distribution in metadata.distributions():
        for point in _points(distribution):
            name, version = _identity(distribution)
            points.setdefault((normalize(name), point.name), _Found(name, version, point))
    if not any(distribution == CORE for distribution, _ in points):
        builtins = metadata.EntryPoint(CORE, f"{__package__}.builtins", GROUP)
        points[CORE, CORE] = _Found(CORE, UNKNOWN, builtins)
    yield from (points[key] for key in sorted(points, key=lambda key: (key[0] != CORE, key)))


def _points(distribution: metadata.Distribution) -> list[metadata.EntryPoint]:
    try:
        text = distribution.read_text("entry_points.txt") or ""
        return [point for point in distribution.entry_points if point.group == GROUP] if GROUP in text else []
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []


def _identity(distribution: metadata.Distribution) -> tuple[str, str]:
    try:
        found = distribution.metadata
        said = {key: found[key] for key in ("Name", "Version") if key in found}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        said = {}
    return clean(said.get("Name") or "a distribution without a name"), clean(said.get("Version") or UNKNOWN)


def _entries(found: _Found) -> list[Entry]:
    plugin = _load(found)
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        _refuse_misspelt(found, plugin)
        manager.register(plugin, found.point.name)
    except PluginError:
        raise
    except pluggy.PluginValidationError:
        raise _Broken("a hook does not have its form, a function without arguments") from None
    except Exception as error:
        raise _Broken(f"its hooks cannot be read: {told(error)}") from None
    entries = []
    for hook, kind in HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if implementation.wrapper or implementation.hookwrapper:
                raise _Broken(f"{hook} is a wrapper; plugins offer things of their own, and change no others'")
            for name, offer in _offers(hook, implementation.function).items():
                entries.append(Entry(name, kind, offer, found.distribution, found.version))
    return entries


def _load(found: _Found) -> Any:
    try:
        return found.point.load()
    except ModuleNotFoundError as error:
        raise _Broken(f"it needs the module {clean(error.name or 'unknown')!r}, which is not installed") from None
    except (Exception, SystemExit) as error:
        raise _Broken(f"its import failed with {told(error)}") from None


def _refuse_misspelt(found: _Found, plugin: Any) -> None:
    """Raise `PluginError` for what looks like a hook and would never be called."""
    for attribute, value in inspect.getmembers_static(plugin):
        options = inspect.getattr_static(value, f"{GROUP}_impl", None)
        marked = isinstance(options, dict)
        name = (options.get("specname") if isinstance(options, dict) else None) or attribute
        if marked and name in HOOKS:
            continue
        if not marked and (not attribute.startswith("iiifkit_") or not _is_function(value)):
            continue
        who = f"{found.distribution} {found.version}: {clean(attribute)}"
        if name in HOOKS:
            raise PluginError(f"{who} is not marked as a hook; put @iiifkit.hookimpl above it.")
        close = get_close_matches(name, HOOKS, 1, cutoff=0) or sorted(HOOKS)
        raise PluginError(f"{who} is not a hook of iiifkit; did you mean {close[0]}?")


def _is_function(value: Any) -> bool:
    """Return whether a plugin's attribute could be meant as a hook: no class, no module, no hook specification."""
    specification = inspect.getattr_static(value, f"{GROUP}_spec", None)
    return callable(value) and not isinstance(value, type) and specification is None


def _offers(hook: str, function: Any) -> Mapping[str, Offer[Any]]:
    try:
        offers = function()
        named = dict(offers) if isinstance(offers, Mapping) else None
    except (Exception, SystemExit) as error:
        raise _Broken(f"{hook} failed with {told(error)}") from None
    if named is None:
        if inspect.iscoroutine(offers):
            offers.close()
        raise _Broken(f"{hook} returned {type(offers).__name__}, not a mapping of names to offers")
    lower: set[str] = set()
    for name, offer in named.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _Broken(f"{hook} offers a name that is not plain text: {clean(repr(name))}")
        if name.lower() in lower:
            raise _Broken(f"{hook} offers {name!r} twice, with and without capitals")
        lower.add(name.lower())
        _check(f"{hook} offers {name!r}", offer)
    return named


def _check(what: str, offer: Any) -> None:
    if not isinstance(offer, Offer):
        raise _Broken(f"{what} as {type(offer).__name__}, not as an Offer")
    if not callable(offer.build):
        raise _Broken(f"{what} with a build that cannot be called")
    if not isinstance(offer.summary, str):
        raise _Broken(f"{what} with a summary that is not text")
    if offer.block is not None and not (isinstance(offer.block, str) and _NAME.fullmatch(offer.block)):
        raise _Broken(f"{what} with a block whose name is not plain text")
    if offer.block in CORE_BLOCKS:
        raise _Broken(f"{what} with the block {offer.block!r}, which is iiifkit's own")
    for word in ("options", "block_options"):
        struct = getattr(offer, word)
        if not (inspect.isclass(struct) and issubclass(struct, msgspec.Struct)):
            raise _Broken(f"{what} with {word} that are not a msgspec.Struct")
        try:
            msgspec.inspect.type_info(struct)
            names = {field.encode_name for field in msgspec.structs.fields(struct)}
        except (TypeError, NameError, ValueError) as error:
            raise _Broken(f"{what} with {word} that cannot be decoded: {told(error)}") from None
        if word == "options" and (taken := names & RESERVED):
            raise _Broken(f"{what} with an option called {min(taken)!r}, which the config itself reads")
