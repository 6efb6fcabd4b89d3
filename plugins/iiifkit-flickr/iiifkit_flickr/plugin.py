"""The door: what this plugin offers to iiifkit."""

from collections.abc import Mapping

from iiifkit import Offer, Source, hookimpl

from .source import FlickrBlock, FlickrOptions, build


@hookimpl
def iiifkit_sources() -> Mapping[str, Offer[Source]]:
    """Flickr."""
    return {"Flickr": Offer(build, FlickrOptions, "flickr", FlickrBlock, "public photos of Flickr, by their ids")}
