"""From a config to a service that seeds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..assembly import Assembly

FORGETFUL = ("Memory", "Null")


@contextmanager
def long_lived() -> Iterator[None]:
    """Look for no garbage among what is made meanwhile, now or ever: that takes a fifth of the time of starting."""
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
    return assembly
