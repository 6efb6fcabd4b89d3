"""Which features a server offers: the engines' and plugins' abilities, as the config enables and disables them."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from ..errors import BadRequest, ConfigError
from .features import ALIASES, FEATURES, PARAMETERS, PATTERNS, TABLE, UNNAMED, Feature
from .request import ImageRequest


class Appended(msgspec.Struct, frozen=True):
    """A feature that the config adds, or redefines: go-iiif's ``features.append`` with all its four keys."""

    syntax: str
    required: bool
    supported: bool
    match: str


Blocks = Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class FeatureSet:
    """What one server offers. Frozen; made once, at start-up, by `FeatureSet.build`."""

    offered: frozenset[tuple[str, str]]
    appended: Mapping[tuple[str, str], Appended] = field(default_factory=dict)
    forced_level: int | None = None
    default_quality: str = "color"

    @classmethod
    def build(
        cls,
        writes: Collection[str],
        qualities: Collection[str] = (),
        append: Mapping[str, Mapping[str, Appended]] | None = None,
        enable: Blocks | None = None,
        disable: Blocks | None = None,
        forced_level: int | None = None,
        default_quality: str = "color",
    ) -> "FeatureSet":
        """Work out what is on, in go-iiif's order: append, enable, disable.

        Everything that the engines can do (``writes`` are the formats that they encode) is on to begin with; with a
        ``forced_level`` (0 or 1), only what that level requires, and the name of the default quality. ``qualities``
        are the loaded plugins' names.
        Raises `ConfigError` for names that do not exist, and for an appended quality without a plugin.
        """
        possible = {key for key in FEATURES if key[0] != "format" or key[1] in writes}
        offered = possible
        if forced_level is not None:
            offered = {key for key in possible if _required(FEATURES[key], forced_level)}
            offered |= possible & {("quality", default_quality)}
        appended = _checked_append(append or {}, qualities)
        for key, feature in appended.items():
            offered = offered | {key} if feature.supported else offered - {key}
        for word, blocks in (("enable", enable or {}), ("disable", disable or {})):
            for parameter, names in blocks.items():
                for name in names:
                    key = _known(word, parameter, name, appended)
                    if word == "disable":
                        offered = offered - {key}
                    elif key in possible or key in appended:
                        offered = offered | {key}
                    else:
                        raise ConfigError(
                            f"no loaded graphics engine can write {name}; formats that it can: "
                            + ", ".join(sorted(writes)),
                            f"features.enable.{parameter}",
                        )
        return cls._checked_default(frozenset(offered), appended, forced_level, default_quality)

    @classmethod
    def _checked_default(
        cls,
        offered: frozenset[tuple[str, str]],
        appended: Mapping[tuple[str, str], Appended],
        forced_level: int | None,
        default_quality: str,
    ) -> "FeatureSet":
        made = cls(offered | {("quality", "default"), ("format", "jpg")}, appended, forced_level, default_quality)
        if default_quality == "default" or made._quality(default_quality) is None:
            names = ", ".join(name for name in made.names("quality") if name != "default")
            raise ConfigError(
                f"{default_quality!r} is not an offered quality; there are: {names}", "features.default_quality"
            )
        return made

    def offers(self, parameter: str, name: str) -> bool:
        """Return whether a feature is on."""
        return (parameter, name) in self.offered

    @property
    def upscaling(self) -> bool:
        """Whether a result may be larger than its region (3.0 ``sizeUpscaling``, 2.1 ``sizeAboveFull``)."""
        return ("size", "sizeUpscaling") in self.offered

    def names(self, parameter: str) -> list[str]:
        """Return the names of what is on for one parameter, standard ones first, in the table's order."""
        standard = [f.name for f in TABLE if f.parameter == parameter and (parameter, f.name) in self.offered]
        extra = sorted(name for block, name in self.appended if block == parameter and name not in standard)
        return standard + [name for name in extra if (parameter, name) in self.offered]

    def check(self, request: ImageRequest) -> ImageRequest:
        """Return the request with its quality and format under their own names, or raise `BadRequest`.

        What a tile or a listed size may be written in is let through: whether it really is one shows when the image
        is known (S-1: listed sizes and tiles are served at any level).
        """
        quality = self._quality(request.quality)
        if quality is None:
            raise self._refusal(request, "quality", request.quality)
        format = self._format(request.format)
        if format is None:
            raise self._refusal(request, "format", request.format)
        for parameter, name, text in request.uses():
            pattern = self._redefined.get((parameter, name))
            if pattern is not None and not pattern.fullmatch(text):
                raise self._refusal(request, parameter, text)
            if (parameter, name) not in self.offered and (parameter, name) not in _TILE_SYNTAX:
                raise self._refusal(request, parameter, text, name)
        return request.named(quality, format)

    def syntaxes(self, parameter: str, version: int) -> str:
        """Return how everything that is on for one parameter is written, for error messages."""
        written = []
        for name in self.names(parameter):
            if (parameter, name) in self.appended:
                written.append(self.appended[parameter, name].syntax)
            elif parameter == "format" or FEATURES[parameter, name].level(version) is not None:
                written.append(FEATURES[parameter, name].syntax)
        return "; ".join(dict.fromkeys(written))

    def _refusal(self, request: ImageRequest, parameter: str, text: str, name: str = "") -> BadRequest:
        reason = f"this server does not offer {name}" if name else "it is not known here"
        offered = self.syntaxes(parameter, request.version)
        return BadRequest(f"The {parameter} {text!r} cannot be served: {reason}. Offered: {offered}.")

    def _quality(self, text: str) -> str | None:
        for name in self._by_match("quality", text):
            if name == "default":
                return self.default_quality
            return name if FEATURES.get(("quality", name)) else text
        return None

    def _format(self, text: str) -> str | None:
        return next(iter(self._by_match("format", text)), None)

    def _by_match(self, parameter: str, text: str) -> Iterable[str]:
        for name in self._names[parameter]:
            pattern = self._redefined.get((parameter, name)) or PATTERNS[parameter, name]
            if pattern.fullmatch(text):
                yield name

    @cached_property
    def _names(self) -> Mapping[str, list[str]]:
        return {parameter: self.names(parameter) for parameter in PARAMETERS}

    @cached_property
    def _redefined(self) -> Mapping[tuple[str, str], re.Pattern[str]]:
        return {key: re.compile(feature.match, re.ASCII) for key, feature in self.appended.items()}

    def quality_plugin(self, quality: str) -> str | None:
        """Return the plugin that makes a quality such as ``primitive:5,200,255``; None for the engine's own."""
        if ("quality", quality) in FEATURES:
            return None
        return next(iter(self._by_match("quality", quality)), None)

    def level(self, version: int, color: bool = True) -> int:
        """Return the highest compliance level that is fully met in API version 2 or 3 (3.0, 6)."""
        return self._levels[version, color]

    @cached_property
    def _levels(self) -> Mapping[tuple[int, bool], int]:
        return {(version, color): self._level(version, color) for version in (2, 3) for color in (True, False)}

    def _level(self, version: int, color: bool) -> int:
        met = max(
            (
                level
                for level in (0, 1, 2)
                if all(
                    (f.parameter, f.name) in self.offered
                    for f in TABLE
                    if (required := f.level(version)) is not None and required <= level
                )
            ),
            default=0,
        )
        if met == 2 and color and not (self.offers("quality", "color") and self.offers("quality", "gray")):
            met = 1
        return met if self.forced_level is None else min(met, self.forced_level)

    def extras(self, version: int, parameters: Collection[str], level: int) -> list[str]:
        """Return the names that go beyond a level: what ``extraFeatures`` and ``supports`` list, sorted."""
        key = (version, tuple(parameters), level)
        if key not in self._extras:
            self._extras[key] = self._beyond(version, parameters, level)
        return self._extras[key]

    @cached_property
    def _extras(self) -> dict[tuple[int, tuple[str, ...], int], list[str]]:
        return {}

    def _beyond(self, version: int, parameters: Collection[str], level: int) -> list[str]:
        return sorted(
            _published_name(name, version)
            for parameter, name in self.offered
            if parameter in parameters and name not in UNNAMED and not _in_level(parameter, name, version, level)
        )


_TILE_SYNTAX = frozenset(
    {
        ("region", "regionByPx"),
        ("size", "max"),
        ("size", "sizeByW"),
        ("size", "sizeByWh"),
        ("size", "sizeByDistortedWh"),
    }
)


def _required(feature: Feature, level: int) -> bool:
    return any(required is not None and required <= level for required in (feature.level2, feature.level3))


def _in_level(parameter: str, name: str, version: int, level: int) -> bool:
    feature = FEATURES.get((parameter, name))
    if feature is None:
        return False
    if feature.level(version) is None:
        return parameter != "format"
    required = feature.level(version)
    return required is not None and required <= level


def _published_name(name: str, version: int) -> str:
    return "sizeAboveFull" if version == 2 and name == "sizeUpscaling" else name


def _known(word: str, parameter: str, name: str, appended: Mapping[tuple[str, str], Appended]) -> tuple[str, str]:
    key = (parameter, ALIASES.get(name, name))
    if key in FEATURES or key in appended:
        return key
    if parameter not in PARAMETERS:
        raise ConfigError(f"there is no block {parameter!r}; there are: {', '.join(PARAMETERS)}", f"features.{word}")
    names = [f.name for f in TABLE if f.parameter == parameter] + [n for block, n in appended if block == parameter]
    raise ConfigError(f"there is no feature {name!r}; there are: {', '.join(names)}", f"features.{word}.{parameter}")


def _checked_append(
    append: Mapping[str, Mapping[str, Appended]], qualities: Collection[str]
) -> dict[tuple[str, str], Appended]:
    checked: dict[tuple[str, str], Appended] = {}
    plugins = {name.lower() for name in qualities}
    for parameter, features in append.items():
        if parameter not in PARAMETERS:
            raise ConfigError(f"there is no block {parameter!r}; there are: {', '.join(PARAMETERS)}", "features.append")
        for name, feature in features.items():
            path = f"features.append.{parameter}.{name}"
            key = (parameter, ALIASES.get(name, name))
            if key not in FEATURES and parameter != "quality":
                names = ", ".join(f.name for f in TABLE if f.parameter == parameter)
                raise ConfigError(f"only a quality can be new; {parameter} has: {names}", path)
            if key not in FEATURES and feature.supported and name.lower() not in plugins:
                raise ConfigError(_missing_quality(name, qualities), path)
            try:
                re.compile(feature.match, re.ASCII)
            except re.error as error:
                raise ConfigError(f"{feature.match!r} is not a regular expression: {error}", f"{path}.match") from None
            checked[key] = feature
    return checked


def _missing_quality(name: str, qualities: Collection[str]) -> str:
    loaded = ", ".join(sorted(qualities)) or "none"
    return f"no loaded plugin offers the quality {name!r} (loaded: {loaded})"
