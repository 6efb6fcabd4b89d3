"""From a config to a service that seeds."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..assembly import Assembly

FORGETFUL = ("Memory", "Null")


TURN = 0.0005
"""Seconds that a thread keeps the interpreter while others wait for it: here they wait for no more than a file."""


@contextmanager
def long_lived() -> Iterator[None]:
    """Prepare a process for seeding: threads take short turns, and what is made meanwhile stays.

    Garbage is not looked for among it, now or ever: that takes a fifth of the time of starting.
    """
    sys.setswitchinterval(TURN)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def assembled(config: str | None) -> "Assembly":
    """Return a service that keeps what it seeds.

    Raises a `SetupError`, also if the config keeps derivatives nowhere.
    """
    from ..assembly import assemble
    from ..config import read_config

    assembly = assemble(read_config(config), patient=True)
    name = assembly.config.derivatives_cache.entry.name
    if name in FORGETFUL:
        assembly.service.close()
        raise ConfigError(
            f"tiles that are seeded must last, and the cache {name} does not; name another one, such as "
            '{"name": "Disk", "path": "tiles"}',
            "derivatives.cache",
        )
    return replace(assembly, warnings=(*assembly.warnings, *_bounds(assembly.config.derivatives_cache.options)))


def _bounds(options: msgspec.Struct) -> Iterator[str]:
    """Yield a warning for each option of a cache, by which what is seeded is removed again."""
    if limit := getattr(options, "limit", 0):
        yield f"derivatives.cache.limit is {limit:g} MB: of more tiles than that the oldest are removed again"
    if ttl := getattr(options, "ttl", 0):
        yield f"derivatives.cache.ttl is {ttl:g} s: tiles that are older are removed again"
