"""What the loaded plugins offer: a frozen registry, and what it says about a name that it does not have."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NoReturn

import msgspec

from .errors import ConfigError, PluginError
from .hookspecs import Offer
from .wording import clean

KINDS = {"source": "sources", "cache": "caches", "engine": "engines", "quality": "qualities"}
"""The kinds of things that plugins offer, and how several of a kind are called."""

PACKAGES: Mapping[str, Mapping[str, str]] = {
    "source": {"s3": "iiifkit-s3", "flickr": "iiifkit-flickr"},
    "cache": {"s3": "iiifkit-s3"},
    "engine": {},
    "quality": {"primitive": "iiifkit-primitive"},
    "block": {"flickr": "iiifkit-flickr", "primitive": "iiifkit-primitive"},
}
"""The packages to install for what go-iiif has built in, by kind (or ``block``) and lower-case name."""

CORE_BLOCKS = (
    *("level", "graphics", "features", "images", "derivatives"),
    *("api", "limits", "formats", "encode", "prepare", "info", "plugins", "server"),
)
"""The top-level config blocks that are iiifkit's own: go-iiif's five, then the others."""

_NOTHING: Mapping[str, "Entry"] = MappingProxyType({})


def normalize(distribution: str) -> str:
    """Return a distribution's name as PEP 503 compares it: ``Iiifkit_S3`` is ``iiifkit-s3``."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


class Entry(msgspec.Struct, frozen=True):
    """One thing that can be chosen by name, and which distribution offers it. ``kind`` is a key of `KINDS`."""

    name: str
    kind: str
    offer: Offer[Any]
    distribution: str
    version: str


class BrokenPlugin(msgspec.Struct, frozen=True):
    """A plugin that is installed but could not be loaded. ``reason`` is a clause without a full stop."""

    distribution: str
    version: str
    entry_point: str
    reason: str


class BarredPlugin(msgspec.Struct, frozen=True):
    """A plugin that is installed but not named in ``plugins.allow``; none of its code was run."""

    distribution: str
    version: str
    entry_point: str


class Registry(msgspec.Struct, frozen=True):
    """Everything that may be chosen by name, by kind and lower-case name. Made once, at start-up."""

    sources: Mapping[str, Entry] = msgspec.field(default_factory=lambda: _NOTHING)
    caches: Mapping[str, Entry] = msgspec.field(default_factory=lambda: _NOTHING)
    engines: Mapping[str, Entry] = msgspec.field(default_factory=lambda: _NOTHING)
    qualities: Mapping[str, Entry] = msgspec.field(default_factory=lambda: _NOTHING)
    broken: tuple[BrokenPlugin, ...] = ()
    barred: tuple[BarredPlugin, ...] = ()

    @classmethod
    def of(
        cls, entries: Iterable[Entry], broken: Iterable[BrokenPlugin] = (), barred: Iterable[BarredPlugin] = ()
    ) -> "Registry":
        """Sort entries by kind and name. Raises `PluginError`, naming both, if two have one name."""
        sorted_in: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        for entry in entries:
            first = sorted_in[entry.kind].setdefault(entry.name.lower(), entry)
            if first is not entry:
                raise PluginError(
                    f"{first.distribution} {first.version} and {entry.distribution} {entry.version} both offer the "
                    f"{entry.kind} {entry.name!r}; uninstall one, or leave it out of plugins.allow."
                )
        mappings = {KINDS[kind]: MappingProxyType(named) for kind, named in sorted_in.items()}
        return cls(**mappings, broken=tuple(broken), barred=tuple(barred))

    def of_kind(self, kind: str) -> Mapping[str, Entry]:
        """Return the entries of one kind by lower-case name."""
        named: Mapping[str, Entry] = getattr(self, KINDS[kind])
        return named

    def entries(self) -> list[Entry]:
        """Return all entries, by kind in the order of `KINDS`, then by name."""
        return [named[name] for kind in KINDS for named in (self.of_kind(kind),) for name in sorted(named)]

    def distributions(self) -> frozenset[str]:
        """Return the normalized names of all distributions with a plugin, loaded or not."""
        plugins: tuple[Entry | BrokenPlugin | BarredPlugin, ...] = (*self.entries(), *self.broken, *self.barred)
        return frozenset(normalize(plugin.distribution) for plugin in plugins)

    def find(self, kind: str, name: str, path: str) -> Entry:
        """Return what a name in the config at ``path`` stands for; upper and lower case do not matter.

        Raises `PluginError` if the name belongs to a package that is not installed, not allowed or broken, else
        `ConfigError` with the loaded names.
        """
        entry = self.of_kind(kind).get(name.lower())
        return entry or self._missing(kind, name, path, self._loaded(kind, name))

    def offering_block(self, block: str) -> list[Entry]:
        """Return the entries whose offers own a top-level config block."""
        return [entry for entry in self.entries() if entry.offer.block == block]

    def missing_block(self, block: str, known: Iterable[str]) -> NoReturn:
        """Raise the error for a top-level config block that no loaded plugin reads."""
        names = list(known)
        if close := get_close_matches(block, [*names, *PACKAGES["block"]], 1):
            hint = f"unknown key; did you mean {close[0]}?"
        else:
            hint = f"unknown key; there are: {', '.join(names)}"
        self._missing("block", block, clean(block), hint)

    def _loaded(self, kind: str, name: str) -> str:
        names = sorted(entry.name for entry in self.of_kind(kind).values())
        close = get_close_matches(name.lower(), [known.lower() for known in names], 1)
        hint = f"; did you mean {self.of_kind(kind)[close[0]].name}?" if close else ""
        return f"there is no {kind} {clean(name)!r}; loaded: {', '.join(names) or 'none'}{hint}"

    def _missing(self, kind: str, name: str, path: str, otherwise: str) -> NoReturn:
        """Raise what helps most: a plugin that fits but did not load, the package to install, or ``otherwise``."""
        what, package = f"the {kind} {clean(name)!r}", PACKAGES[kind].get(name.lower())

        def fits(distribution: str) -> bool:
            normal = normalize(distribution)
            return normal == package or name.lower() in normal.split("-")

        for plugin in self.broken:
            if fits(plugin.distribution):
                raise PluginError(
                    f"{path}: {what} would come from {plugin.distribution} {plugin.version}, which could not be "
                    f"loaded: {plugin.reason}."
                )
        for barred in self.barred:
            if fits(barred.distribution):
                raise PluginError(
                    f"{path}: {what} would come from {barred.distribution}, which is installed but not listed in "
                    "plugins.allow."
                )
        if package:
            raise PluginError(f"{path}: {what} is not installed; install it with: pip install {package}")
        for plugin in self.broken:
            otherwise += f"; {plugin.distribution} {plugin.version} could not be loaded: {plugin.reason}"
        raise ConfigError(otherwise, path)
