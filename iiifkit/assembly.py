"""From a config and the loaded plugins to a service that answers."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from os import PathLike
from typing import Any

import msgspec

from .alternates import Alternates
from .config import Choice, Config, allowed_plugins, check_overlap, load_config, read_config
from .contracts import Cache, Engine, Quality, Source
from .errors import ConfigError, PluginError, SetupError
from .image_api.feature_set import FeatureSet
from .image_api.formats import FORMATS
from .image_api.geometry import Limits
from .image_api.info import InfoBuilder, Notices
from .originals import Originals, ReadLimits, digest
from .plugins import discover
from .preparing import Preparing, Pyramids
from .registry import Registry
from .rendering import Renderer
from .service import Service


class Assembly(msgspec.Struct, frozen=True):
    """A service, with what it was made from."""

    service: Service
    config: Config
    registry: Registry
    warnings: tuple[str, ...] = ()


def registry_for(raw: Mapping[str, Any]) -> Registry:
    """Return the plugins that a raw config allows, loaded. Raises `ConfigError` or `PluginError`."""
    return discover(allowed_plugins(raw))


def assemble(
    raw: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    source: Source | None = None,
    wrap: Callable[[Source], Source] | None = None,
    patient: bool = False,
) -> Assembly:
    """Build everything that a raw config names, and put it together.

    ``source`` takes the place of the config's own, ``wrap`` is laid around it, ``patient`` is what `Environment` says
    of it. Raises a `SetupError`; what was built until then is closed again.
    """
    registry = registry if registry is not None else registry_for(raw)
    config = msgspec.structs.replace(load_config(raw, registry, overrides), patient=patient)
    warnings = list(config.warnings)
    with ExitStack() as undo:
        engines = _engines(config, registry, warnings)
        features = _features(config, registry, engines)
        qualities = {name: config.build("quality", choice) for name, choice in config.qualities.items()}
        chosen: Source = source if source is not None else config.build("source", config.source)
        undo.callback(chosen.close)
        images: Cache = config.build("images", config.images_cache)
        undo.callback(images.close)
        derivatives: Cache = config.build("derivatives", config.derivatives_cache)
        undo.callback(derivatives.close)
        check_overlap(chosen.location, {"images.cache": images.location, "derivatives.cache": derivatives.location})
        service = _service(
            config,
            wrap(chosen) if wrap else chosen,
            images,
            derivatives,
            engines,
            qualities,
            features,
            undo.pop_all().close,
        )
    return Assembly(service, config, registry, tuple(warnings))


def open_service(
    config: str | PathLike[str] | None = None, folder: str | PathLike[str] | None = None, **overrides: Any
) -> Service:
    """Return a service for Python programs: a config file, or a folder of images, or both.

    ``overrides`` replace values of the config by path, with ``__`` for the dots: ``limits__max_width=2000``. Call
    the service's ``close`` when done. Raises a `SetupError`.
    """
    return assemble(read_config(config), changes(folder, overrides)).service


def changes(folder: str | PathLike[str] | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to change in a config by path: ``server.port`` for ``server__port``, the source for a folder."""
    changed = {path.replace("__", "."): value for path, value in overrides.items()}
    if folder is not None:
        changed["images.source"] = {"name": "Disk", "path": os.fspath(folder)}
    return changed


def _engines(config: Config, registry: Registry, warnings: list[str]) -> list[Engine]:
    """Build the chosen engine, then the others for what it cannot read or write.

    An engine whose library is missing is passed over with a warning, as long as another one works.
    """
    first = config.engine.entry
    others = [entry for entry in registry.entries() if entry.kind == "engine" and entry is not first]
    engines = []
    for choice in (config.engine, *(Choice(entry, entry.offer.options()) for entry in others)):
        try:
            engines.append(config.build("engine", choice))
        except ConfigError:
            raise
        except SetupError as error:
            warnings.append(f"the graphics engine {choice.entry.name} is left out: {error}")
    if not engines:
        raise PluginError("no graphics engine works: " + "; ".join(warnings))
    return engines


def _features(config: Config, registry: Registry, engines: list[Engine]) -> FeatureSet:
    writes = {format for engine in engines for format in engine.writes if format in FORMATS}
    features = config.features
    return FeatureSet.build(
        writes,
        [entry.name for entry in registry.qualities.values()],
        features.append,
        features.enable,
        features.disable,
        config.forced_level,
        features.default_quality,
    )


def _service(
    config: Config,
    source: Source,
    images: Cache,
    derivatives: Cache,
    engines: list[Engine],
    qualities: Mapping[str, Quality],
    features: FeatureSet,
    close: Callable[[], None],
) -> Service:
    limits = Limits(config.limits.max_width, config.limits.max_height, config.limits.max_area)
    renderer = Renderer(engines, qualities, features)
    pixels = {str(format): config.limits.source_pixels(format) for format in config.formats.read}
    originals = Originals(
        source,
        images,
        renderer.probe,
        ReadLimits(frozenset(config.formats.read), pixels, config.limits.max_source_bytes),
        fingerprint(config, renderer),
        Alternates(derivatives).find,
    )
    info = config.info
    service = info.service if isinstance(info.service, list) else [info.service] if info.service else []
    notices = Notices(info.rights, info.license, info.attribution, info.logo, service)
    prepare = config.prepare
    preparing = Preparing(
        prepare.enabled and renderer.builds and config.images_cache.entry.name != "Null",
        prepare.tile,
        prepare.quality,
        prepare.min_pixels,
        prepare.max_bytes,
        config.temporary_folder,
    )
    return Service(
        originals,
        renderer,
        Pyramids(images, renderer, preparing),
        derivatives,
        features,
        limits,
        InfoBuilder(features, limits, notices, config.prepare.tile),
        int(config.api.default_version),
        close,
    )


def fingerprint(config: Config, renderer: Renderer) -> str:
    """Return a text that stands for all that decides how a picture is rendered, but the picture itself."""
    plugins = sorted(f"{choice.entry.distribution} {choice.entry.version}" for choice in config.qualities.values())
    blocks = sorted(repr(choice.block) for choice in config.qualities.values())
    prepared = f"{config.prepare.tile} {config.prepare.quality}"
    parts = (renderer.fingerprint, repr(config.encode), prepared, config.features.default_quality, *plugins, *blocks)
    return digest(*parts)
