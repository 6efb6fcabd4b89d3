"""From a config to a service that seeds."""

import os

from ..assembly import Assembly, assemble
from ..config import read_config
from ..errors import ConfigError

FORGETFUL = ("Memory", "Null")


def assembled(config: str | None, threads: int) -> Assembly:
    """Return a service whose builds use ``threads`` threads each.

    Raises a `SetupError`, also if the config keeps derivatives nowhere.
    """
    os.environ.setdefault("VIPS_CONCURRENCY", str(threads))  # the engine sets 1 if nobody did
    assembly = assemble(read_config(config))
    name = assembly.config.derivatives_cache.entry.name
    if name in FORGETFUL:
        assembly.service.close()
        raise ConfigError(
            f"tiles that are seeded must last, and the cache {name} does not; name another one, such as "
            '{"name": "Disk", "path": "tiles"}',
            "derivatives.cache",
        )
    return assembly
