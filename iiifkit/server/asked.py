"""What a client asked, taken out of the ASGI scope once."""

from functools import lru_cache
from typing import Any

import msgspec

from .addresses import Addresses


class Asked(msgspec.Struct, frozen=True):
    """One HTTP request. ``path`` is as received, without the prefix; ``base`` is the server's own address."""

    method: str
    path: str
    base: str
    headers: dict[bytes, bytes]
    peer: str | None

    def header(self, name: bytes) -> str:
        """Return a header's text; empty if there is none."""
        return self.headers.get(name, b"").decode("latin-1")


def asked(scope: Any, addresses: Addresses) -> Asked:
    """Read a scope. The path is taken from ``raw_path``: ``path`` is decoded, where ``a%2Fb`` looks like ``a/b``."""
    headers = dict(scope["headers"])
    client, server = scope.get("client"), scope.get("server")
    peer = client[0] if client else None
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    prefix = addresses.prefix
    if prefix and path.startswith(prefix + "/"):
        path = path[len(prefix) :]
    base = addresses.base(scope["scheme"], headers, peer, _host(*server) if server and server[1] else "localhost")
    return Asked(scope["method"], path, base, headers, peer)


@lru_cache(16)
def _host(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
