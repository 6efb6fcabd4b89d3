"""The whole config: raw JSON and a registry in, frozen and checked values out."""

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from ..encoding import EncodeOptions
from ..errors import ConfigError, IIIFKitError, PluginError
from ..hookspecs import Environment
from ..image_api.feature_set import Appended as AppendedFeature
from ..image_api.features import FEATURES
from ..registry import CORE_BLOCKS, Entry, Registry, normalize
from ..wording import told
from . import blocks
from .decoding import decode, field_names, unknown_key
from .newer import CACHE_KEYS, SOURCE_KEYS, refuse_newer_keys, refuse_uri
from .places import default_cache_folder
from .reading import joined, kind_of, resolve

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "images.source": {"name": "Disk", "path": "."},
    "images.cache": {"name": "Disk", "limit": 10_000},
    "derivatives.cache": {"name": "Memory", "limit": 256},
    "graphics.source": {"name": "VIPS"},
}
"""What stands where the config says nothing. A Disk cache for images without a path is in the user's cache folder."""

BlockType = TypeVar("BlockType", bound=msgspec.Struct)


class Choice(msgspec.Struct, frozen=True):
    """One thing that the config chose: who offers it, its options, and its top-level block if there is one."""

    entry: Entry
    options: msgspec.Struct
    block: msgspec.Struct | None = None


class Features(msgspec.Struct, frozen=True):
    """``features``: what to append, enable and disable, by parameter, in this order."""

    append: Mapping[str, Mapping[str, AppendedFeature]]
    enable: Mapping[str, tuple[str, ...]]
    disable: Mapping[str, tuple[str, ...]]
    default_quality: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A config that has been checked. ``warnings`` are sentences for the log; nothing in them stops start-up.

    ``qualities`` are the quality plugins that ``features.append.quality`` switches on, by the feature's name.
    ``temporary_folder`` is ``graphics.source.tmpdir``. ``forced_level`` is 0 or 1 if ``level.compliance`` says so.
    ``patient`` is for the `Environment` of what is built.
    """

    source: Choice
    images_cache: Choice
    derivatives_cache: Choice
    engine: Choice
    qualities: Mapping[str, Choice]
    features: Features
    temporary_folder: str | None
    forced_level: int | None
    api: blocks.Api
    limits: blocks.Limits
    formats: blocks.Formats
    encode: EncodeOptions
    prepare: blocks.Prepare
    info: blocks.Info
    plugins: blocks.Plugins
    server: blocks.Server
    warnings: tuple[str, ...] = ()
    patient: bool = False

    def environment(self, role: str, choice: Choice) -> Environment:
        """Return what ``choice`` is built with in one of the roles that `Environment` lists."""
        return Environment(
            role=role,
            block=choice.block,
            max_source_bytes=self.limits.max_source_bytes,
            temporary_folder=self.temporary_folder,
            encode=self.encode,
            patient=self.patient,
        )

    def build(self, role: str, choice: Choice) -> Any:
        """Build what was chosen.

        Raises `ConfigError` if its options are not possible after all, and `PluginError` if it fails otherwise.
        """
        entry = choice.entry
        try:
            return entry.offer.build(choice.options, self.environment(role, choice))
        except IIIFKitError:
            raise
        except Exception as error:
            raise PluginError(
                f"The {entry.kind} {entry.name} of {entry.distribution} {entry.version} does not start: {told(error)}."
            ) from error

    def choices(self) -> tuple[Choice, ...]:
        """Return everything that was chosen."""
        return (self.source, self.images_cache, self.derivatives_cache, self.engine, *self.qualities.values())


def allowed_plugins(raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return ``plugins.allow`` of a raw config, to be known before any plugin is imported. Raises `ConfigError`."""
    return decode(resolve({"plugins": _part(raw, "plugins")})["plugins"], blocks.Plugins, "plugins").allow


def default_config(registry: Registry) -> Config:
    """Return the config that holds without a config file."""
    return load_config({}, registry)


def load_config(raw: Mapping[str, Any], registry: Registry, overrides: Mapping[str, Any] | None = None) -> Config:
    """Return the checked config. ``overrides`` replace values by path, such as ``{"server.port": 9000}``.

    Raises `ConfigError` with the path of what is wrong, or `PluginError` if a plugin is needed and not loaded.
    """
    return _Loader(_overridden(resolve(raw), overrides or {}), registry).load()


class _Loader:
    """Reads one config; gathers warnings on the way."""

    def __init__(self, raw: dict[str, Any], registry: Registry) -> None:
        self.raw = raw
        self.registry = registry
        self.warnings: list[str] = []

    def load(self) -> Config:
        """Read every block, the unknown ones first, so that their hint comes before errors that follow from them."""
        refuse_newer_keys(self.raw)
        self._check_other_blocks()
        level = self._block("level", blocks.Level)
        features = self._features(int(level.compliance))
        graphics, temporary_folder = self._graphics()
        plugins = self._block("plugins", blocks.Plugins)
        self._warn_of_absent(plugins)
        self._only("images", ("source", "cache"))
        self._only("derivatives", ("cache",))
        return Config(
            source=self._choice("source", "images.source", SOURCE_KEYS),
            images_cache=self._choice("cache", "images.cache", CACHE_KEYS),
            derivatives_cache=self._choice("cache", "derivatives.cache", CACHE_KEYS),
            engine=graphics,
            qualities=self._qualities(features),
            features=features,
            temporary_folder=temporary_folder,
            forced_level=None if level.compliance == "2" else int(level.compliance),
            api=self._block("api", blocks.Api),
            limits=self._block("limits", blocks.Limits),
            formats=self._block("formats", blocks.Formats),
            encode=self._block("encode", EncodeOptions),
            prepare=self._block("prepare", blocks.Prepare),
            info=self._block("info", blocks.Info),
            plugins=plugins,
            server=self._block("server", blocks.Server),
            warnings=tuple(self.warnings),
        )

    def _block(self, name: str, kind: type[BlockType]) -> BlockType:
        return decode(_part(self.raw, name), kind, name)

    def _only(self, name: str, known: tuple[str, ...]) -> None:
        for key in _part(self.raw, name):
            if key not in known:
                raise unknown_key(key, name, known)

    def _check_other_blocks(self) -> None:
        """Decode the blocks that belong to plugins, chosen or not; refuse those that belong to nobody."""
        offered = {entry.offer.block for entry in self.registry.entries()} - {None}
        for name, value in self.raw.items():
            if name in CORE_BLOCKS:
                continue
            owners = self.registry.offering_block(name)
            if not owners:
                self.registry.missing_block(name, [*CORE_BLOCKS, *sorted(map(str, offered))])
            for owner in owners:
                decode(value, owner.offer.block_options, name)

    def _own_block(self, entry: Entry) -> msgspec.Struct | None:
        name = entry.offer.block
        return decode(self.raw[name], entry.offer.block_options, name) if name and name in self.raw else None

    def _graphics(self) -> tuple[Choice, str | None]:
        """Read ``graphics``; ``tmpdir`` is told to everything that is built, and to an engine that asks for it."""
        self._only("graphics", ("source",))
        given = self._given("graphics.source")
        folder = decode(
            {"tmpdir": given["tmpdir"]} if "tmpdir" in given else {}, _TemporaryFolder, "graphics.source"
        ).tmpdir
        return self._choice("engine", "graphics.source", frozenset({"tmpdir"}), quiet=True), folder or None

    def _given(self, path: str) -> dict[str, Any]:
        block, _, key = path.partition(".")
        inner = _part(self.raw, block)
        if key not in inner:
            return dict(DEFAULTS[path])
        if not isinstance(inner[key], Mapping):
            raise ConfigError(f"expected an object, found {kind_of(inner[key])}", path)
        return dict(inner[key])

    def _choice(self, kind: str, path: str, tolerated: frozenset[str], quiet: bool = False) -> Choice:
        given = self._given(path)
        entry = self._named(kind, given, path)
        known = field_names(entry.offer.options)
        if "uri" in given and "uri" not in known:
            refuse_uri(given, path)
        if path == "images.cache" and entry.name.lower() == "disk" and "path" not in given:
            given = {"limit": DEFAULTS[path]["limit"], **given, "path": str(default_cache_folder())}
        for key in sorted(given.keys() & tolerated - {"name"} - set(known)):
            del given[key]
            if not quiet:
                self.warnings.append(f"{joined(path, key)}: {entry.name} does not use it")
        del given["name"]
        return Choice(entry, decode(given, entry.offer.options, path), self._own_block(entry))

    def _named(self, kind: str, given: Mapping[str, Any], path: str) -> Entry:
        if "name" not in given:
            if "uri" in given:
                refuse_uri(given, path)
            names = ", ".join(sorted(entry.name for entry in self.registry.of_kind(kind).values()))
            raise ConfigError(f"missing; expected the name of a {kind}: {names or 'none is loaded'}", f"{path}.name")
        name = decode({"name": given["name"]}, _Name, path).name
        return self.registry.find(kind, name, f"{path}.name")

    def _features(self, level: int) -> Features:
        block = self._block("features", blocks.Features)
        append = block.append
        if append is None:
            # A published level 0 or 1 promises nothing beyond itself unless the config says so.
            append = blocks.Appended(quality={"dither": blocks.DITHER}) if level == 2 else blocks.Appended()
        return Features(
            append={
                parameter: {name: AppendedFeature(**msgspec.structs.asdict(made)) for name, made in features.items()}
                for parameter, features in append.given().items()
            },
            enable=block.enable.given(),
            disable=block.disable.given(),
            default_quality=block.default_quality,
        )

    def _qualities(self, features: Features) -> dict[str, Choice]:
        chosen = {}
        for name, feature in features.append.get("quality", {}).items():
            if feature.supported and ("quality", name) not in FEATURES:
                path = joined("features.append.quality", name)
                entry = self.registry.find("quality", name, path)
                chosen[name] = Choice(entry, decode({}, entry.offer.options, path), self._own_block(entry))
        return chosen

    def _warn_of_absent(self, plugins: blocks.Plugins) -> None:
        installed = self.registry.distributions()
        for name in plugins.allow or ():
            if normalize(name) not in installed:
                self.warnings.append(f"plugins.allow: {name} is not installed, or has no plugin for iiifkit")


class _Name(msgspec.Struct, frozen=True):
    name: str


class _TemporaryFolder(msgspec.Struct, frozen=True):
    tmpdir: str | None = None


def _part(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = raw.get(name, {})
    if not isinstance(part, Mapping):
        raise ConfigError(f"expected an object, found {kind_of(part)}", name)
    return part


def _overridden(raw: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(raw)
    for path, value in overrides.items():
        *parents, last = path.split(".")
        inner = changed
        for index, parent in enumerate(parents):
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"expected an object, found {kind_of(inner)}", ".".join(parents[: index + 1]))
        inner[last] = value
    return changed
