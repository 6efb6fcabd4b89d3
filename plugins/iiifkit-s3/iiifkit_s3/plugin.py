"""The door: what this plugin offers to iiifkit."""

from collections.abc import Mapping

from iiifkit import Cache, Offer, Source, hookimpl

from . import cache, source


@hookimpl
def iiifkit_sources() -> Mapping[str, Offer[Source]]:
    """S3."""
    return {"S3": Offer(source.build, source.SourceOptions, summary="images in an S3 bucket")}


@hookimpl
def iiifkit_caches() -> Mapping[str, Offer[Cache]]:
    """S3."""
    return {"S3": Offer(cache.build, cache.CacheOptions, summary="objects in an S3 bucket, which can be published")}
