"""Every hook of iiifkit, in one sitting.

A plugin is a module named by an entry point of the group ``iiifkit``. It implements one or more of the
four hooks below. They run once, at start-up, and return what the plugin offers, by the name that the config uses
for it (upper and lower case do not matter).
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import pluggy

from .contracts import Cache, Engine, Quality, Source
from .encoding import EncodeOptions

hookspec = pluggy.HookspecMarker("iiifkit")
hookimpl = pluggy.HookimplMarker("iiifkit")


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of an offer that has none."""


class Environment(msgspec.Struct, frozen=True):
    """What an offer's ``build`` is told besides its options.

    ``block`` is the top-level config block that the offer asked for, decoded; None if the config has none.
    ``role`` is where the thing will stand: ``source``, ``images`` or ``derivatives`` (the two caches), ``engine``
    or ``quality``. ``max_source_bytes`` bounds what a source may fetch. ``temporary_folder`` is the config's
    ``graphics.source.tmpdir``. ``encode`` holds the encoder settings of every format. ``patient`` says that nobody
    waits, as while tiles are seeded: a late answer is better than none.
    """

    role: str
    block: Any = None
    max_source_bytes: int | None = None
    temporary_folder: str | None = None
    encode: EncodeOptions = msgspec.field(default_factory=EncodeOptions)
    patient: bool = False


Thing = TypeVar("Thing", covariant=True)


class Offer(msgspec.Struct, Generic[Thing], frozen=True):
    """How to build one source, cache, engine or quality.

    ``build(options, environment)`` does it; heavy libraries are imported there, not when offering. ``options``
    is a `msgspec.Struct` with ``forbid_unknown_fields``: the keys that stand beside ``name`` in the config.
    ``block`` names a top-level config block that is the offer's own, and ``block_options`` the struct it is
    decoded into. ``summary`` is one line for ``iiifkit plugins list``.
    """

    build: Callable[[Any, Environment], Thing]
    options: type[msgspec.Struct] = NoOptions
    block: str | None = None
    block_options: type[msgspec.Struct] = NoOptions
    summary: str = ""


@hookspec
def iiifkit_sources() -> Mapping[str, Offer[Source]]:  # type: ignore[empty-body]
    """Return the sources that this plugin offers, for ``images.source.name``."""


@hookspec
def iiifkit_caches() -> Mapping[str, Offer[Cache]]:  # type: ignore[empty-body]
    """Return the caches that this plugin offers, for ``images.cache.name`` and ``derivatives.cache.name``."""


@hookspec
def iiifkit_engines() -> Mapping[str, Offer[Engine]]:  # type: ignore[empty-body]
    """Return the graphics engines that this plugin offers, for ``graphics.source.name``."""


@hookspec
def iiifkit_qualities() -> Mapping[str, Offer[Quality]]:  # type: ignore[empty-body]
    """Return the qualities that this plugin offers, for ``features.append.quality``."""
