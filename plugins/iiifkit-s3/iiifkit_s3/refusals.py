"""Answers of a bucket that are no faults: there is no such object, or a condition does not hold."""

from iiifkit import SourceError

ANOTHER_REGION = "The bucket is in another region than the one that the config gives."


class Missing(SourceError):
    """There is no object under the key."""


class Changed(SourceError):
    """The object is not the one that the request's condition names."""


class NotImplementedThere(SourceError):
    """The server does not know what was asked for."""


class OutOfRange(SourceError):
    """The object has fewer bytes than the requested part begins after."""
