"""Which URL an identifier means, and which servers and addresses may be asked for it."""

import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import ConfigError, SourceError
from .identifiers import not_found

if TYPE_CHECKING:
    from urllib3.util import Url

LONGEST_URL = 8000
"""Characters of the longest URL that is asked for."""

_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_CONTROL_IN_PATH = re.compile(r"[\x00-\x1f\x7f]")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PROBES = ("1", "2", "a")


class Origin(NamedTuple):
    """Scheme, host and port: what must stay as it is from the template to the last redirect."""

    scheme: str
    host: str
    port: int

    def allows(self, next: "Origin") -> bool:
        """Return whether a redirect may lead there: the same origin, or the same host by https on the usual ports."""
        return next == self or (self == ("http", self.host, 80) and next == ("https", self.host, 443))


class Template:
    """An RFC 6570 template whose only variable is ``id``.

    Its origin is fixed, unless ``{id}`` reaches into it; then ``hosts`` are the only ones allowed, each
    ``host`` (on the usual port) or ``host:port``. Raises `ConfigError`.
    """

    def __init__(self, text: str, hosts: Sequence[str] = ()) -> None:
        from uritemplate import URITemplate

        self._template = URITemplate(text)
        if list(self._template.variable_names) != ["id"]:
            raise ConfigError(
                "This is not a URI template with {id} as its only variable, such as 'https://example.org/{id}'.",
                "images.source.path",
            )
        self.origin = self._fixed_origin()
        self._hosts = frozenset(host.lower() for host in hosts)
        if self.origin is None and not hosts:
            raise ConfigError(
                "The host comes from {id}, so name the hosts that may be asked, such as ['images.example.org'].",
                "images.source.hosts",
            )
        if self.origin is not None and hosts:
            raise ConfigError("The template names its host; this list has no meaning here.", "images.source.hosts")

    def url(self, identifier: str) -> str:
        """Return the URL of an identifier. Raises `ImageNotFound` if it would leave the origin or its folder."""
        try:
            url = self._template.expand(id=identifier)
            parsed = parse(url)
        except ValueError as error:
            raise not_found(identifier) from error
        if not identifier or len(url) > LONGEST_URL or not self._allowed(parsed) or _climbs(urlsplit(url).path):
            raise not_found(identifier)
        return url

    def _allowed(self, url: "Url") -> bool:
        origin = origin_of(url)
        if url.fragment is not None or url.auth is not None or origin is None:
            return False
        if self.origin is not None:
            return origin == self.origin
        name = f"{origin.host}:{origin.port}"
        return name in self._hosts or (origin.host in self._hosts and origin.port == _PORTS[origin.scheme])

    def _fixed_origin(self) -> Origin | None:
        """Return the origin if it is the same whatever the identifier is, else None."""
        found = []
        for probe in _PROBES:
            try:
                url = parse(self._template.expand(id=probe))
            except ValueError:
                return None
            if url.fragment is not None or url.auth is not None:
                raise ConfigError("The template may hold no fragment, user or password.", "images.source.path")
            found.append((url.scheme, url.host, url.port))
        if len(set(found)) > 1:
            return None
        origin = origin_of(url)
        if origin is None:
            raise ConfigError("The template is not one of http or https.", "images.source.path")
        return origin


def parse(url: str) -> "Url":
    """Return the URL as the library that connects will read it. Raises `ValueError` if it is none."""
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    if _CONTROL.search(url):
        raise ValueError("The URL holds blanks, backslashes or control characters.")
    try:
        return parse_url(url)
    except LocationParseError as error:
        raise ValueError("The URL cannot be parsed.") from error


def origin_of(url: "Url") -> Origin | None:
    """Return the origin, or None if the URL is not absolute, or not of http or https."""
    if not url.host or url.scheme not in _PORTS:
        return None
    return Origin(url.scheme, url.host.lower(), url.port or _PORTS[url.scheme])


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads. Raises `SourceError` if it leaves the origin."""
    try:
        target = urljoin(url, location)
        before, after = origin_of(parse(url)), parse(target)
    except ValueError as error:
        raise SourceError("The server of the images sent a redirect that is no URL.") from error
    next = origin_of(after)
    if before is None or next is None or after.auth is not None or not before.allows(next):
        raise SourceError("The server of the images sent a redirect to another server, which is not followed.")
    return target


def _climbs(path: str) -> bool:
    """Whether a path has ``.`` or ``..`` segments or control characters, also encoded, once or twice."""
    for readable in (path, unquote(path), unquote(unquote(path))):
        if _CONTROL_IN_PATH.search(readable) or any(part in (".", "..") for part in re.split(r"[/\\]", readable)):
            return True
    return False


def is_public(address: str) -> bool:
    """Return whether an IP address, and what is embedded in it, is one of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        inner = [*(ip.teredo or ()), *([ip.sixtofour] if ip.sixtofour else [])]
        if not all(is_public(str(one)) for one in inner):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
