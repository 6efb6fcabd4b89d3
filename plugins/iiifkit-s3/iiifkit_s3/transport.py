"""How requests travel: botocore signs them and reads the answers, urllib3 sends them over sockets with a deadline.

botocore's own time-outs bound each receiving, so that a server that sends a byte a second holds a thread for ever.
Imports urllib3 and botocore; import it where a bucket is opened.
"""

import io
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse
from botocore.utils import get_environ_proxies
from iiifkit import SourceError
from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProtocolError

from .deadline import left
from .refusals import ANOTHER_REGION

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of the longest answer that is not an object: a listing, an error."""

_LONGEST_WAIT = 600.0


class _Bounded(socket.socket):
    """A socket on which sending and receiving together end at the deadline of the thread that uses it."""

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self._arm()
        return super().recv_into(*arguments, **named)

    def send(self, *arguments: Any) -> int:
        self._arm()
        return super().send(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._arm()
        super().sendall(*arguments)

    def _arm(self) -> None:
        self.settimeout(_patience())


class _BoundedTLS(_Bounded, ssl.SSLSocket):
    """The same for TLS; `ssl.SSLContext` makes it."""


class _Connecting:
    """Connects before the deadline, whatever number of addresses a name has."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            try:
                return _connected(family, kind, protocol, address)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from failure
        raise NewConnectionError(self, "no connection") from failure


class _Connection(_Connecting, HTTPConnection):
    pass


class _SecureConnection(_Connecting, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Transport:
    """Sends requests to one server. Its `send` is a handler of botocore's event ``before-send``."""

    def __init__(self, endpoint: str, certificates: str, connections: int) -> None:
        """``certificates`` is a file or folder of authorities. Raises `OSError` if they cannot be read."""
        context = None
        if endpoint.startswith("https:"):
            folder = Path(certificates).is_dir()
            context = ssl.create_default_context(
                cafile=None if folder else certificates, capath=certificates if folder else None
            )
            context.sslsocket_class = _BoundedTLS
        self._manager = _manager(endpoint, {"maxsize": connections, "ssl_context": context})
        self._manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def send(self, request: Any, **_: Any) -> AWSResponse:
        """Return the answer to a request that botocore has signed. Raises urllib3's errors, or `SourceError`.

        Expect is left out, because the body is sent without waiting.
        """
        response = self._manager.urlopen(
            request.method,
            request.url,
            body=request.body,
            headers={name: _text(value) for name, value in request.headers.items() if name.lower() != "expect"},
            chunked=_text(request.headers.get("Transfer-Encoding", "")).lower() == "chunked",
            timeout=_patience(),
            redirect=False,
            retries=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        if request.method == "HEAD" and "x-amz-bucket-region" not in response.headers:
            # botocore sends HEAD of its own, to learn the region, and without an answer again and again.
            response.close()
            raise SourceError(ANOTHER_REGION)
        raw = response if request.stream_output and response.status < 300 else _read(response)
        return AWSResponse(request.url, response.status, response.headers, raw)

    def close(self) -> None:
        """Close the connections."""
        self._manager.clear()


class _Read(io.BytesIO):
    """A body that was read, as botocore reads bodies."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def _read(response: BaseHTTPResponse) -> _Read:
    try:
        data = response.read(LARGEST_ANSWER + 1)
        if len(data) > LARGEST_ANSWER:
            raise ProtocolError("The answer is too long.")
        return _Read(data)
    finally:
        response.close()
        response.release_conn()


def _manager(endpoint: str, settings: dict[str, Any]) -> PoolManager:
    """Return a pool, through the proxy of the environment if there is one for this server."""
    proxy = get_environ_proxies(endpoint).get(urlsplit(endpoint).scheme)
    if not proxy:
        return PoolManager(**settings)
    url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user = unquote(f"{url.username}:{url.password or ''}") if url.username else None
    headers = make_headers(proxy_basic_auth=user)
    return ProxyManager(f"{url.scheme}://{url.netloc.rpartition('@')[2]}", proxy_headers=headers, **settings)


def _connected(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    connection = _Bounded(family, kind, protocol)
    try:
        connection.settimeout(_patience())
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _patience() -> float:
    """Return the seconds until the deadline. Raises `TimeoutError` if it has passed."""
    seconds = left()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return min(seconds, _LONGEST_WAIT)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
