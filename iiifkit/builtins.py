"""The door through which iiifkit's own sources, caches, engines and qualities come in, as any plugin's do."""

from collections.abc import Mapping

from .contracts import Cache, Engine, Quality, Source
from .hookspecs import Environment, Offer, hookimpl


@hookimpl
def iiifkit_sources() -> Mapping[str, Offer[Source]]:
    """Disk and URI."""
    from .sources import disk, uri

    return {
        "Disk": Offer(disk.build, disk.DiskSourceOptions, summary="images in a folder of this computer"),
        "URI": Offer(uri.build, uri.UriOptions, summary="images of another server, by a URI template with {id}"),
    }


@hookimpl
def iiifkit_caches() -> Mapping[str, Offer[Cache]]:
    """Disk, Memory and Null."""
    from .caches import disk, memory, null

    return {
        "Disk": Offer(disk.build, disk.DiskOptions, summary="files in a folder, which can be published as it is"),
        "Memory": Offer(memory.build, memory.MemoryOptions, summary="memory of each worker process"),
        "Null": Offer(null.build, summary="keeps nothing"),
    }


@hookimpl
def iiifkit_engines() -> Mapping[str, Offer[Engine]]:
    """VIPS and Pillow."""
    return {
        "VIPS": Offer(_vips, summary="libvips: streams large pictures, reads tiles and levels of TIFF files"),
        "Pillow": Offer(_pillow, summary="Pillow: JPEG 2000 and PDF, and all the rest where libvips is missing"),
    }


def _vips(_: object, environment: Environment) -> Engine:
    from .engines.vips import VipsEngine

    return VipsEngine(environment.encode, environment.temporary_folder)


def _pillow(_: object, environment: Environment) -> Engine:
    from .engines.pillow import PillowEngine

    return PillowEngine(environment.encode)


@hookimpl
def iiifkit_qualities() -> Mapping[str, Offer[Quality]]:
    """Dither."""
    from .qualities.dither import Dither

    return {"dither": Offer(lambda *_: Dither(), summary="black and white halftones (Atkinson)")}
