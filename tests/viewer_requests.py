"""What viewers ask a level-0 service for, by their own arithmetic: paths below the identifier, from info.json alone."""

import math
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

ENDING = "/0/default.jpg"


def version_of(document: Document) -> int:
    return 3 if document.get("type") == "ImageService3" else 2


def openseadragon(document: Document, level0: bool = True) -> set[str]:
    """Versions 5 and 6; only 6, and only from services above level 0, asks a 2.1 service for ``w,h``."""
    version, width, height = version_of(document), document["width"], document["height"]
    (tiles,) = document["tiles"]
    tile, deepest = tiles["width"], round(math.log2(max(tiles["scaleFactors"])))
    asked = set()
    for level in range(deepest + 1):
        factor = 2 ** (deepest - level)
        level_width, level_height = math.ceil(width / factor), math.ceil(height / factor)
        if level_width < tile and level_height < tile:
            asked.add(f"full/{_osd_size(version, level_width, level_height, width, height, level0)}")
            continue
        for x in range(0, width, tile * factor):
            for y in range(0, height, tile * factor):
                w, h = min(tile * factor, width - x), min(tile * factor, height - y)
                region = "full" if (w, h) == (width, height) else f"{x},{y},{w},{h}"
                across = min(tile, level_width - x // factor)
                down = min(tile, level_height - y // factor)
                asked.add(f"{region}/{_osd_size(version, across, down, width, height, level0)}")
    return {path + ENDING for path in asked}


def _osd_size(version: int, w: int, h: int, width: int, height: int, level0: bool) -> str:
    if version == 2 and w == width:
        return "full"
    if version == 3 and (w, h) == (width, height):
        return "max"
    return f"{w}," if version == 2 and level0 else f"{w},{h}"


def leaflet(document: Document) -> set[str]:
    """Leaflet-IIIF 3: its own levels, whatever the scale factors, and five below the one that fits into a tile."""
    version, width, height = version_of(document), document["width"], document["height"]
    tile = document["tiles"][0]["width"]
    deepest = max(math.ceil(math.log2(width / tile)), math.ceil(math.log2(height / tile)), 0)
    asked = set()
    for zoom in range(-5, deepest + 1):
        scale = 2 ** (deepest - zoom)
        for x in range(0, width, tile * scale):
            for y in range(0, height, tile * scale):
                w, h = min(tile * scale, width - x), min(tile * scale, height - y)
                size = f"{math.ceil(w / scale)}," + (f"{math.ceil(h / scale)}" if version == 3 else "")
                asked.add(f"{x},{y},{w},{h}/{size}{ENDING}")
    return asked


def mirador(document: Document) -> set[str]:
    """Mirador 4's thumbnails: one of the sizes."""
    return {f"full/{size['width']},{size['height']}{ENDING}" for size in document["sizes"]}


def both_names(document: Document) -> set[str]:
    """The level that fits into a tile, by both names, and ``full`` and ``max`` where that is the image itself."""
    return {path + ENDING for path in _names(document)}


def _names(document: Document) -> Iterator[str]:
    width, height = document["width"], document["height"]
    factor = 1
    while max(math.ceil(width / factor), math.ceil(height / factor)) > document["tiles"][0]["width"]:
        factor *= 2
    w, h = math.ceil(width / factor), math.ceil(height / factor)
    yield f"full/{w},{h}"
    yield f"full/{w},"
    if {"width": width, "height": height} in document["sizes"]:
        yield "full/max"
        if version_of(document) == 2:
            yield "full/full"


def all_viewers(document: Document) -> set[str]:
    return openseadragon(document) | leaflet(document) | mirador(document) | both_names(document)
