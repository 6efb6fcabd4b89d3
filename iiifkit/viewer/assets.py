"""The scripts and styles as they were built, each with its compressed copy, in memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).resolve().parent / "static"
"""Where the build puts them; not in the repository."""

MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. ``digest`` stands for its content; ``gzipped`` is empty if there is no smaller copy."""

    name: str
    media_type: str
    digest: str
    body: bytes
    gzipped: bytes


def assets(folder: Path = STATIC) -> dict[str, Asset]:
    """Return the files by name; nothing if the pages were not built."""
    found = {}
    for path in sorted(folder.glob("*")):
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is not None:
            body = path.read_bytes()
            smaller = path.with_name(f"{path.name}.gz")
            gzipped = smaller.read_bytes() if smaller.exists() else b""
            found[path.name] = Asset(path.name, media_type, hashlib.sha256(body).hexdigest()[:16], body, gzipped)
    return found
