"""Under which address clients see this server: fixed, from the Host header, or as a trusted proxy says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9._~%!$&'()*+=:@-]{1,100}){0,8}", re.ASCII)
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^;,\s]*))\s*', re.ASCII)

_FORWARDING = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"})


@dataclass(frozen=True)
class Addresses:
    """``base_url`` fixes the address; otherwise proxies in ``trusted`` networks may name it in their headers."""

    base_url: str | None = None
    trusted: Sequence[IPv4Network | IPv6Network] = ()

    @property
    def prefix(self) -> str:
        """The path that ``base_url`` ends with; requests may arrive with or without it."""
        return "/" + self.base_url.split("/", 3)[3] if self.base_url and self.base_url.count("/") > 2 else ""

    def base(self, scheme: str, headers: Mapping[bytes, bytes], peer: str | None, server: str) -> str:
        """Return scheme, host, port and prefix of the address that the client used, without a slash at the end."""
        if self.base_url is not None:
            return self.base_url
        host = headers.get(b"host", b"").decode("latin-1")
        prefix = ""
        if self.trusted and self.trusts(peer):
            scheme, host, prefix = _forwarded(headers, scheme, host)
        if not _HOST.fullmatch(host):
            host = server
        return f"{scheme}://{host}{prefix}"

    def trusts(self, peer: str | None) -> bool:
        """Return whether a peer's forwarding headers are believed."""
        return peer is not None and _within(peer, tuple(self.trusted))


@lru_cache(1000)
def _within(peer: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _forwarded(headers: Mapping[bytes, bytes], scheme: str, host: str) -> tuple[str, str, str]:
    """Read ``Forwarded`` (RFC 7239) or the ``X-Forwarded-`` family; values that make no sense are passed over."""
    standard = {name.lower(): quoted or plain for name, quoted, plain in _PAIR.findall(_first(headers, b"forwarded"))}
    proto = (standard.get("proto") or _first(headers, b"x-forwarded-proto")).lower()
    named = standard.get("host") or _first(headers, b"x-forwarded-host")
    port = _first(headers, b"x-forwarded-port")
    prefix = _first(headers, b"x-forwarded-prefix").rstrip("/")
    if proto in ("http", "https"):
        scheme = proto
    if _HOST.fullmatch(named):
        host = named
    if port.isdecimal() and port.isascii() and len(port) <= 5 and not re.search(r":[0-9]+$", host):
        host += "" if (scheme, port) in (("http", "80"), ("https", "443")) else f":{port}"
    return scheme, host, prefix if _PREFIX.fullmatch(prefix) else ""


def is_forwarded(headers: Iterable[bytes]) -> bool:
    """Return whether one of these header names, in lower case, is what proxies add."""
    return any(name in _FORWARDING or name.startswith(b"x-forwarded") for name in headers)


def names_loopback(host: str) -> bool:
    """Return whether a Host header names this machine as only a client on it would: localhost, 127.0.0.1, [::1]."""
    if not _HOST.fullmatch(host):
        return False
    name = re.sub(r":[0-9]+$", "", host).strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _first(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").split(",")[0].strip()[:2000]
