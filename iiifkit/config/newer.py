"""go-iiif's other spellings: newer keys, refused with what to write instead, and keys that a chosen thing ignores."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError

SOURCE_KEYS = frozenset({"name", "path", "prefix", "region", "credentials", "tmpdir"})
"""What go-iiif accepts in ``images.source``, whether or not the source reads it."""

CACHE_KEYS = frozenset({"name", "path", "ttl", "limit", "prefix", "region", "credentials"})
"""What go-iiif accepts in ``images.cache`` and ``derivatives.cache``, whether or not the cache reads it."""

_TOP = {
    "profile": "iiifkit computes no palettes or hashes; what info.json shall say besides is written in info.service",
    "palette_service": "iiifkit computes no palettes; a service of yours is written in info.service",
    "blurhash_service": "iiifkit computes no blurhashes; a service of yours is written in info.service",
    "imagehash_service": "iiifkit computes no image hashes; a service of yours is written in info.service",
}

_DRIVERS = {"vips": "VIPS", "native": "Pillow"}


def refuse_newer_keys(raw: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for a key outside ``images`` and ``derivatives`` that only newer go-iiif knows."""
    for key, equivalent in _TOP.items():
        if key in raw:
            raise ConfigError(equivalent, key)
    graphics = raw.get("graphics")
    if isinstance(graphics, Mapping) and "driver" in graphics:
        driver = graphics["driver"] if isinstance(graphics["driver"], str) else ""
        name = _DRIVERS.get(driver.partition(":")[0].lower(), "VIPS")
        raise ConfigError(_write({"source": {"name": name}}), "graphics.driver")


def refuse_uri(raw: Mapping[str, Any], path: str) -> None:
    """Raise `ConfigError` saying which 2016 form the newer ``uri`` in the block at ``path`` stands for."""
    uri = raw["uri"] if isinstance(raw["uri"], str) else ""
    role = path.rpartition(".")[2]
    equivalent = _of_source(uri) if role == "source" else _of_cache(uri)
    if equivalent is None:
        raise ConfigError(f"iiifkit reads go-iiif's 2016 form, and it has no {role} like this one", f"{path}.uri")
    raise ConfigError(_write({role: equivalent}), f"{path}.uri")


def _write(equivalent: Mapping[str, Any]) -> str:
    text = json.dumps(equivalent, ensure_ascii=True)[1:-1]
    return f"iiifkit reads go-iiif's 2016 form; write {text}"


def _of_source(uri: str) -> dict[str, Any] | None:
    scheme = uri.partition(":")[0].lower()
    if scheme == "rfc6570":
        return {"name": "URI", "path": _query(uri).get("template", "https://example.org/{id}")}
    if scheme == "flickr":
        return {"name": "Flickr"}
    return _of_place(uri)


def _of_cache(uri: str) -> dict[str, Any] | None:
    scheme = uri.partition(":")[0].lower()
    if scheme in ("memory", "mem"):
        return {"name": "Memory", "ttl": 300, "limit": 100}
    return {"name": "Null"} if scheme == "null" else _of_place(uri)


def _of_place(uri: str) -> dict[str, Any] | None:
    """Return the form of a folder or a bucket; None for another place."""
    scheme = uri.partition(":")[0].lower()
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if scheme == "file":
        return {"name": "Disk", "path": unquote(parts.netloc + parts.path)[:200] or "path/to/folder"}
    if scheme in ("s3", "s3blob"):
        form = {"name": "S3", "path": parts.netloc[:200] or "your.bucket"}
        query = _query(uri)
        return form | {key: query[key] for key in ("prefix", "region", "credentials") if key in query}
    return None


def _query(uri: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(uri.partition("?")[2], max_num_fields=20)
    except ValueError:
        return {}
    return {key: value[:200] for key, value in pairs}
