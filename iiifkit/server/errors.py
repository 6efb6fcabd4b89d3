"""Which HTTP status each error gets (Image API 2.1 7.2, 3.0 7.3)."""

from ..errors import (
    BadRequest,
    IIIFKitError,
    ImageError,
    ImageNotFound,
    NotOffered,
    Overloaded,
    SizeOverLimit,
    SourceChanged,
    SourceError,
    SourceTimeout,
    UnsupportedImage,
)

STATUSES: tuple[tuple[type[IIIFKitError], int], ...] = (
    (BadRequest, 400),
    (SizeOverLimit, 400),
    (NotOffered, 501),
    (ImageNotFound, 404),
    (UnsupportedImage, 415),
    (ImageError, 422),
    (SourceTimeout, 504),
    (SourceChanged, 503),
    (SourceError, 502),
    (Overloaded, 503),
    (IIIFKitError, 500),
)
"""The first class that an error is an instance of decides."""


def status_of(error: IIIFKitError, version: int) -> int:
    """Return the status of an error. 2.1's table has sizes over the limits under 404, 3.0's text under 400."""
    if isinstance(error, SizeOverLimit) and version == 2:
        return 404
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def retry_after(error: IIIFKitError) -> int | None:
    """Return the seconds after which the same request may succeed; None if waiting does not help."""
    if isinstance(error, Overloaded):
        return error.retry_after
    return 1 if isinstance(error, SourceChanged) else None
