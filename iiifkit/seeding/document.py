"""The info.json of a seeded tree: compliance level 0, and only what is really there."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..caches.keys import relative_path
from ..image_api.canonical import key_identifier
from ..image_api.image import ImageInfo
from ..image_api.info import InfoBuilder, profile_uri
from .tree import Spelling, Tree

DYNAMIC = ("maxWidth", "maxHeight", "maxArea", "extraFormats", "extraQualities", "extraFeatures")
"""What a server can do, and a tree of files cannot."""


def address(endpoint: str, identifier: str) -> str:
    """Return the base URI of an image in a tree that is published at ``endpoint``."""
    return f"{endpoint.rstrip('/')}/{quote(relative_path(key_identifier(identifier)))}"


def document(builder: InfoBuilder, image: ImageInfo, uri: str, tree: Tree, spelling: Spelling) -> dict[str, Any]:
    """Return the info.json that lists the tree's tiles and sizes, in the viewers' version."""
    version, format = spelling.version, spelling.format
    result = {name: value for name, value in builder.build(image, uri, version).items() if name not in DYNAMIC}
    quality = spelling.quality if spelling.quality != spelling.default_quality else None
    if version == 2:
        extra = {"formats": [format]} if format != "jpg" else {}
        extra |= {"qualities": [quality]} if quality else {}
        result["profile"] = [profile_uri(2, 0), *([extra] if extra else [])]
    else:
        result["profile"] = "level0"
        if format != "jpg":
            result |= {"extraFormats": [format], "preferredFormats": [format]}
        if quality:
            result["extraQualities"] = [quality]
    sizes = [{"width": width, "height": height} for width, height in tree.sizes()]
    return result | {"sizes": sizes, "tiles": [{"width": tree.tile, "scaleFactors": tree.factors}]}


def merged(new: dict[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a tree that was seeded more than once; ``old`` is what stands in it.

    Runs that made the same kind of tiles add up. Where plain JPEG tiles were seeded, another format or quality does
    not take their place, because they are what level 0 promises.
    """
    if any(new[name] != old.get(name) for name in ("@context", "width", "height")):
        return new
    if any(new.get(name) != old.get(name) for name in _KIND):
        return dict(old) if _is_plain(old) and not _is_plain(new) else new
    try:
        (mine,), (theirs,) = new["tiles"], old["tiles"]
        if mine["width"] != theirs["width"]:
            return new
        factors = sorted({*mine["scaleFactors"], *theirs["scaleFactors"]})
        sizes = sorted({(size["width"], size["height"]) for size in (*new["sizes"], *old["sizes"])})
    except (KeyError, TypeError, ValueError):
        return new
    listed = [{"width": width, "height": height} for width, height in sizes]
    return new | {"sizes": listed, "tiles": [{"width": mine["width"], "scaleFactors": factors}]}


_KIND = ("profile", "preferredFormats", "extraQualities")


def _is_plain(document: Mapping[str, Any]) -> bool:
    """Return whether a document is that of JPEG tiles in the default quality."""
    profile = document.get("profile")
    if isinstance(profile, list):
        return len(profile) == 1
    return "preferredFormats" not in document and "extraQualities" not in document
