"""What Flickr says of a photo's sizes: the answer to ``flickr.photos.getSizes``, read and checked."""

import re
from urllib.parse import urlsplit, urlunsplit

import msgspec
from iiifkit import ImageNotFound, Overloaded, SourceError

LABELS = ("Original", "Large 2048", "Large 1600", "Large")
"""The sizes that are good enough, the best first."""

_HOST = re.compile(r"[a-z0-9.-]+(?::[0-9]{1,5})?", re.ASCII)
_CODE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_REST = re.compile(r"/[!-\[\]-~]{0,2000}", re.ASCII)
_NONSENSE = "Flickr sent an answer that cannot be understood."
_NOT_FOUND = (1, 2)
_BAD_KEY = 100
_UNAVAILABLE = (105, 106)


class _Size(msgspec.Struct):
    label: str
    source: str
    media: str = "photo"


class _Sizes(msgspec.Struct):
    size: list[_Size] = []


class _Answer(msgspec.Struct):
    stat: str
    sizes: _Sizes | None = None
    code: int | str = 0


def best_source(data: bytes, photo: str, hosts: frozenset[str]) -> str:
    """Return the URL of the best size. ``hosts`` are the domains that photos may be on, whose hosts may differ.

    Raises `ImageNotFound` if there is no such public photo, `Overloaded` if Flickr is down for now, or `SourceError`.
    """
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SourceError(_NONSENSE) from error
    if answer.stat != "ok":
        raise _refusal(answer.code, photo)
    if answer.sizes is None:
        raise SourceError(_NONSENSE)
    sources = {size.label: size.source for size in answer.sizes.size if size.media == "photo"}
    for label in LABELS:
        if label in sources:
            return _checked(sources[label], hosts)
    raise SourceError(f"Flickr offers the photo {photo} in no size of {', '.join(LABELS)}.")


def not_found(photo: str) -> ImageNotFound:
    """Return the error that says that there is no such photo."""
    return ImageNotFound(f"There is no public photo {photo} on Flickr.")


def unavailable(seconds: int) -> Overloaded:
    """Return the error that says that Flickr is down, and after how many seconds to ask again."""
    return Overloaded("Flickr is not available for now; try again later.", seconds)


def _refusal(code: int | str, photo: str) -> ImageNotFound | SourceError | Overloaded:
    if not _CODE.fullmatch(str(code)):
        return SourceError(_NONSENSE)
    number = int(code)
    if number in _NOT_FOUND:
        return not_found(photo)
    if number == _BAD_KEY:
        return SourceError("Flickr does not accept the API key that the config gives in flickr.apikey.")
    if number in _UNAVAILABLE:
        return unavailable(30)
    return SourceError(f"Flickr answered with its error {number}.")


def _checked(url: str, hosts: frozenset[str]) -> str:
    """Return the URL, by https. Raises `SourceError` if it leads away from Flickr."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SourceError(_NONSENSE) from error
    place = parts.netloc.lower()
    known = place in hosts or any(place.endswith(f".{host}") for host in hosts)
    plain = url.isprintable() and _HOST.fullmatch(place) and _REST.fullmatch(f"{parts.path}?{parts.query}")
    if parts.scheme not in ("http", "https") or not known or not plain:
        raise SourceError("Flickr named a photo that is not on its own servers; it is not fetched.")
    return urlunsplit(("https", place, parts.path, parts.query, ""))
