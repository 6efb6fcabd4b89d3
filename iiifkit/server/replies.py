"""HTTP answers as values, and the headers that every one of them carries."""

import re
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import quote

import msgspec

from ..errors import IIIFKitError
from ..image_api.info import profile_uri
from .errors import retry_after, status_of

Headers = list[tuple[bytes, bytes]]

CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Link, ETag, Last-Modified, Content-Length, Retry-After"),
]
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
METHODS = b"GET, HEAD, OPTIONS"
VARY_ACCEPT = (b"vary", b"Accept")
_WITHOUT_BODY = (204, 304)
_NOT_IN_HEADERS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Reply(msgspec.Struct, frozen=True):
    """One answer. ``how`` is what the access log says of its making, ``canonical`` the request's canonical form.

    ``headers`` are all but the length; ``encoded`` is the same as it is sent, if it is known already.
    """

    status: int
    headers: Headers
    body: bytes = b""
    how: str = ""
    canonical: str = ""
    encoded: bytes | None = None

    @property
    def all_headers(self) -> Headers:
        """The headers with the body's length, where there is a body."""
        if self.status in _WITHOUT_BODY:
            return self.headers
        return [*self.headers, (b"content-length", b"%d" % len(self.body))]

    @property
    def head(self) -> bytes:
        """The same as it is sent. Raises `ValueError` if a header is not one line."""
        head = encode(self.headers) if self.encoded is None else self.encoded
        return head if self.status in _WITHOUT_BODY else b"%bcontent-length: %d\r\n" % (head, len(self.body))


def encode(headers: Headers) -> bytes:
    """Return headers as they are sent. Raises `ValueError` if one is not one line."""
    if any(_NOT_IN_HEADERS.search(value) for _, value in headers):
        raise ValueError("a header has to be one line")
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def representation(media_type: str, etag: str, modified: float | None, cache_control: str, link: str) -> Headers:
    """Return the headers of a picture or a document, all but its length."""
    headers = [
        *CORS,
        (b"content-type", media_type.encode()),
        (b"etag", etag.encode()),
        (b"cache-control", cache_control.encode()),
        (b"link", link.encode("latin-1", "replace")),
    ]
    if modified is not None:
        headers.append((b"last-modified", formatdate(modified, usegmt=True).encode()))
    return headers


def saved_as(identifier: str, width: int, height: int, format: str) -> tuple[bytes, bytes]:
    """Return the header that names the file when somebody saves a picture (2.1 appendix A, 3.0 notes)."""
    stem = _NOT_IN_NAMES.sub("-", identifier.rpartition("/")[2].rpartition(".")[0] or identifier)[:80].strip("-.")
    return b"content-disposition", f'inline; filename="{stem or "image"}-{width}x{height}.{format}"'.encode()


def profile_link(version: int, level: int) -> str:
    """Return the Link to the compliance level's document (section 6)."""
    return f'<{profile_uri(version, level)}>;rel="profile"'


def link_header(canonical: str, version: int, level: int) -> str:
    """Return the one Link header of a picture: canonical URI and profile (2.1 4.7, 3.0 4.8; section 6)."""
    uri = quote(canonical, safe="%/:,!^@()*'$&+=~[]")
    return f'<{uri}>;rel="canonical", {profile_link(version, level)}'


def text(status: int, sentence: str, extra: Headers | None = None, how: str = "") -> Reply:
    """Return a plain sentence as an answer."""
    body = (sentence + "\n").encode("utf-8", "replace")
    headers = [
        *CORS,
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *(extra or []),
    ]
    return Reply(status, headers, body, how)


def failed(error: IIIFKitError, version: int) -> Reply:
    """Return the answer to a request that failed: the error's sentence under its status."""
    seconds = retry_after(error)
    extra = [(b"retry-after", b"%d" % seconds)] if seconds is not None else []
    return text(status_of(error, version), str(error), extra, "error")


def see_other(location: str) -> Reply:
    """Return a redirect from an image's base URI to its info.json (section 2)."""
    address = quote(location, safe="%/:,!^@()*'$&+=~[];?#")
    return Reply(303, [*CORS, (b"location", address.encode())], how="redirect")


def preflight() -> Reply:
    """Return the answer to a CORS preflight (3.0, 7.1)."""
    headers = [
        *CORS,
        (b"access-control-allow-methods", METHODS),
        (
            b"access-control-allow-headers",
            b"Authorization, Accept, Content-Type, If-None-Match, If-Modified-Since, Range",
        ),
        (b"access-control-max-age", b"86400"),
        (b"allow", METHODS),
    ]
    return Reply(204, headers, how="preflight")


def not_modified_since(header: str, modified: float | None) -> bool:
    """Return whether a picture last changed at ``modified`` is no newer than an If-Modified-Since header."""
    if modified is None or not header:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(header[:100]).timestamp()
    except (ValueError, OverflowError, TypeError):
        return False
