"""Connections whose time is bounded as a whole, and whose address is checked before they are made.

Imports urllib3; import it where a remote source is built.
"""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ..errors import SourceError

POOLS = 16
"""Hosts whose connections are kept."""

CONNECTIONS = 16
"""Connections to one host at a time; more requests wait."""


class _Bounded(socket.socket):
    """A socket whose timeout bounds all receiving until the next `settimeout`, not each receiving.

    A server that sends a byte a second never lets a plain timeout pass.
    """

    _until: float | None = None

    def settimeout(self, value: float | None, /) -> None:
        self._until = None if value is None else time.monotonic() + value
        super().settimeout(value)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self._arm()
        return super().recv_into(*arguments, **named)

    def _arm(self) -> None:
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            super().settimeout(left)


class _BoundedTLS(_Bounded, ssl.SSLSocket):
    """The same for TLS; `ssl.SSLContext` makes it."""


def pool_manager(allowed: Callable[[str], bool] | None) -> PoolManager:
    """Return a pool whose connections go only to addresses that are ``allowed``; None allows all.

    The address that was checked is the one that is connected to, so that a name that resolves to another
    address a moment later changes nothing. Proxies of the environment are not used.
    """

    class Connection(_Checked, HTTPConnection):
        pass

    class SecureConnection(_Checked, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

        def __init__(self, *arguments: Any, **named: Any) -> None:
            # Reading the certificates of the system takes 50 ms, so it waits until they are needed.
            context = ssl.create_default_context()
            context.sslsocket_class = _BoundedTLS
            super().__init__(*arguments, **named, ssl_context=context)

    Connection.allowed = SecureConnection.allowed = staticmethod(allowed) if allowed else None
    manager = PoolManager(POOLS, maxsize=CONNECTIONS, block=True)
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}
    return manager


class _Checked:
    """What both kinds of connection do instead of urllib3's own connecting."""

    allowed: Callable[[str], bool] | None = None
    stream: socket.socket | None = None
    """The open socket, also when the answer has taken it over."""

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.stream = self.sock  # type: ignore[attr-defined]

    def _new_conn(self: Any) -> socket.socket:
        until = time.monotonic() + self.timeout
        host = self.host.strip("[]")
        try:
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        candidates = [one for one in found if self.allowed is None or self.allowed(str(one[4][0]))]
        if not candidates:
            raise SourceError("The image lies at an address that this server does not fetch from.")
        failure: OSError | None = None
        for family, kind, protocol, _, address in candidates:
            try:
                return _connected(family, kind, protocol, address, until - time.monotonic())
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from failure
        raise NewConnectionError(self, "no connection") from failure


def _connected(family: int, kind: int, protocol: int, address: Any, seconds: float) -> socket.socket:
    if seconds <= 0:
        raise TimeoutError("timed out")
    connection = _Bounded(family, kind, protocol)
    try:
        connection.settimeout(seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection
