"""iiifkit: a IIIF image server and image transformer, extended through plugins. These are its public names.

A name's module is imported when the name is first used, so that ``iiifkit --help`` answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assembly import open_service
    from .blob import Blob, Buffered, BytesBlob, FileBlob
    from .contracts import Cache, Engine, Location, Picture, PyramidSettings, Quality, QualityRequest, Source, Work
    from .errors import (
        BadRequest,
        BrokenImage,
        CacheError,
        ConfigError,
        DeadlineExceeded,
        IIIFKitError,
        ImageError,
        ImageNotFound,
        ImageOverLimit,
        NotOffered,
        Overloaded,
        PluginError,
        PluginFailed,
        RequestError,
        SetupError,
        SizeOverLimit,
        SourceChanged,
        SourceError,
        SourceTimeout,
        Stopped,
        UnsupportedImage,
    )
    from .hookspecs import Environment, NoOptions, Offer, hookimpl
    from .image_api.image import ImageInfo, Level
    from .image_api.plan import Box, Plan
    from .raster import Animation, Frame, Raster
    from .service import Answer, Service
    from .serving import serve

__all__ = [
    "Animation",
    "Answer",
    "BadRequest",
    "Blob",
    "Box",
    "BrokenImage",
    "Buffered",
    "BytesBlob",
    "Cache",
    "CacheError",
    "ConfigError",
    "DeadlineExceeded",
    "Engine",
    "Environment",
    "FileBlob",
    "Frame",
    "IIIFKitError",
    "ImageError",
    "ImageInfo",
    "ImageNotFound",
    "ImageOverLimit",
    "Level",
    "Location",
    "NoOptions",
    "NotOffered",
    "Offer",
    "Overloaded",
    "Picture",
    "Plan",
    "PluginError",
    "PluginFailed",
    "PyramidSettings",
    "Quality",
    "QualityRequest",
    "Raster",
    "RequestError",
    "Service",
    "SetupError",
    "SizeOverLimit",
    "Source",
    "SourceChanged",
    "SourceError",
    "SourceTimeout",
    "Stopped",
    "UnsupportedImage",
    "Work",
    "hookimpl",
    "open_service",
    "serve",
]

_HOMES = {
    "Animation": "raster",
    "Answer": "service",
    "BadRequest": "errors",
    "Blob": "blob",
    "Box": "image_api.plan",
    "BrokenImage": "errors",
    "Buffered": "blob",
    "BytesBlob": "blob",
    "Cache": "contracts",
    "CacheError": "errors",
    "ConfigError": "errors",
    "DeadlineExceeded": "errors",
    "Engine": "contracts",
    "Environment": "hookspecs",
    "FileBlob": "blob",
    "Frame": "raster",
    "IIIFKitError": "errors",
    "ImageError": "errors",
    "ImageInfo": "image_api.image",
    "ImageNotFound": "errors",
    "ImageOverLimit": "errors",
    "Level": "image_api.image",
    "Location": "contracts",
    "NoOptions": "hookspecs",
    "NotOffered": "errors",
    "Offer": "hookspecs",
    "Overloaded": "errors",
    "Picture": "contracts",
    "Plan": "image_api.plan",
    "PluginError": "errors",
    "PluginFailed": "errors",
    "PyramidSettings": "contracts",
    "Quality": "contracts",
    "QualityRequest": "contracts",
    "Raster": "raster",
    "RequestError": "errors",
    "Service": "service",
    "SetupError": "errors",
    "SizeOverLimit": "errors",
    "Source": "contracts",
    "SourceChanged": "errors",
    "SourceError": "errors",
    "SourceTimeout": "errors",
    "Stopped": "errors",
    "UnsupportedImage": "errors",
    "Work": "contracts",
    "hookimpl": "hookspecs",
    "open_service": "assembly",
    "serve": "serving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
