"""Where the pixels of tiles come from: the image's own pyramid, or one that is built for the occasion and vanishes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..blob import FileBlob
from ..contracts import PyramidSettings
from ..encoding import EncodeOptions, JpegOptions
from ..engines.pillow_abilities import load_common
from ..engines.pillow_pixels import scale
from ..new_file import passing_file
from ..originals import Known
from ..preparing import LOSSY, Opened
from ..pyramid import Pyramid, read_index
from ..raster import Raster
from ..runs.stopping import Stop
from ..service import Service

MOST_SUBSAMPLED = 89
"""The highest JPEG quality at which libvips stores tiles in a pyramid with half the color resolution."""

OPAQUE = (1, 3)
"""How many samples a pixel without alpha has."""

STORED_TILE = 256
"""The tiles of a temporary pyramid, in pixels, where those that are asked for cannot be stored."""


@contextmanager
def opened_for_tiles(
    service: Service,
    known: Known,
    format: str,
    tile: int,
    encode: EncodeOptions,
    folder: str | Path | None,
    threads: int,
    stop: Stop,
) -> Iterator[Opened]:
    """Open an image so that each of its tiles is cheap to cut.

    A pyramid that is there is used as the server would use it. A temporary one, in ``folder``, is built by ``threads``
    threads; its tiles are JPEG of the quality that the server would store them in, or lossless where that matters.
    Raises an `ImageError`, a `SourceError`, `Stopped`, or `CacheError` if there is no room for it.
    """
    info = known.info
    ready = service.pyramids.find(known, service.originals.open) if format in LOSSY else None
    if ready is not None:
        yield ready
        return
    if info.is_pyramid or max(info.width, info.height) <= tile or not service.renderer.builds:
        with service.originals.open(known) as blob:
            yield Opened(blob, info, None)
        return
    quality = _stored_quality(service, known, format, tile, encode)
    with passing_file(folder) as path:
        # Small pictures are made with it; while libvips builds, outside of Python, there is time to load it.
        threading.Thread(target=load_common, name="iiifkit-load", daemon=True).start()
        with stop.long_work() as work, service.originals.open(known) as blob:
            stored = tile if tile % 16 == 0 else STORED_TILE
            service.renderer.build(blob, info, path, PyramidSettings(stored, quality, threads), work)
        with FileBlob(path) as pyramid:
            index = read_index(pyramid) if quality is not None else None
            tiles = Pyramid(pyramid, index) if index is not None else pyramid
            yield Opened(tiles, service.renderer.probe(pyramid, "tif"), index)


def _stored_quality(service: Service, known: Known, format: str, tile: int, encode: EncodeOptions) -> int | None:
    """Return the JPEG quality of a temporary pyramid; None if its tiles would not be what the server would make."""
    info, preparing = known.info, service.pyramids.preparing
    if info.alpha or info.bits > 8 or format not in LOSSY:
        return None
    if preparing.enabled and info.pixels >= preparing.min_pixels:
        return preparing.quality
    quality = encode.jpg.quality
    plain = encode.jpg == JpegOptions(quality=quality) and quality <= MOST_SUBSAMPLED
    return quality if plain and format == "jpg" and tile % 16 == 0 else None


def halved(raster: Raster, width: int, height: int) -> Raster | None:
    """Return a smaller copy of a picture; None unless it is opaque, and at least twice as large on both sides."""
    if raster.bands not in OPAQUE or raster.width < 2 * width or raster.height < 2 * height:
        return None
    return Raster.from_pillow(scale(raster.to_pillow(), width, height))
