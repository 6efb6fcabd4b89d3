"""Where things lie: the user's cache folder, and no cache on top of the originals."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..contracts import Location
from ..errors import ConfigError


def default_cache_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Return the folder for images in the user's cache folder; it need not exist.

    That is ``$XDG_CACHE_HOME/iiifkit/images``, else the platform's equivalent. Raises `ConfigError` if the user
    has no home.
    """
    known = os.environ if environ is None else environ
    chosen = Path(known.get("XDG_CACHE_HOME", ""))
    if chosen.is_absolute():
        return chosen / "iiifkit" / "images"
    if platform == "win32" and known.get("LOCALAPPDATA"):
        return Path(known["LOCALAPPDATA"]) / "iiifkit" / "images"
    home = known.get("HOME") or known.get("USERPROFILE")
    try:
        base = Path(home) if home else Path.home()
    except RuntimeError:
        raise ConfigError("this user has no home folder; name a folder", "images.cache.path") from None
    return base / ("Library/Caches" if platform == "darwin" else ".cache") / "iiifkit" / "images"


def check_overlap(source: Location | None, caches: Mapping[str, Location | None]) -> None:
    """Raise `ConfigError` if a cache is where the originals are, above them or below them.

    ``caches`` has the places of the caches by their paths in the config, such as ``derivatives.cache``. Two caches
    may share a place.
    """
    for path, cache in caches.items():
        if source is None or cache is None or not source.overlaps(cache):
            continue
        deeper = len(cache.names) - len(source.names)
        where = "inside" if deeper > 0 else "around" if deeper < 0 else "in"
        raise ConfigError(
            f"this cache lies {where} the place of the original images, so that its files could overwrite originals "
            "or be served as such; choose a place outside images.source (in a bucket, another prefix)",
            path,
        )
