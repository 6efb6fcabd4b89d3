"""Asking Flickr by HTTPS: bounded in time, bytes and attempts, and never led elsewhere.

Imports urllib3; import it where the source is built.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from iiifkit import SourceError, SourceTimeout
from urllib3 import BaseHTTPResponse, PoolManager, Timeout, exceptions
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

PAUSES = (0.2, 0.4)
"""Seconds before the second attempt and before the third, which is the last."""

_CHUNK = 64 * 1024
_CONNECTIONS = 8
_TRANSIENT = (500, 502, 503, 504)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_LATE = "Flickr did not answer in time."

Taken = TypeVar("Taken")


class Answer:
    """The status, headers and unread body of an answer."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.location = response.headers.get("Location", "")
        self.media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def length(self) -> int | None:
        """The number of bytes that the body is said to have."""
        text = self._response.headers.get("Content-Length", "")
        return int(text) if _NUMBER.fullmatch(text) else None

    @property
    def has_an_end(self) -> bool:
        """Whether a body that breaks off would be noticed: its length is said, or it comes in chunks."""
        return self.length is not None or "chunked" in self._response.headers.get("Transfer-Encoding", "").lower()

    @property
    def retry_after(self) -> int:
        """The seconds after which to ask again, 60 if that is not said; at most an hour."""
        text = self._response.headers.get("Retry-After", "")
        return min(int(text), 3600) if _NUMBER.fullmatch(text) else 60

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Yield the body, at most ``limit`` bytes of it, as it comes."""
        while limit > 0:
            chunk = self._response.read1(min(_CHUNK, limit))
            if not chunk:
                return
            limit -= len(chunk)
            yield chunk


class Fetcher:
    """Sends requests. ``authorities`` is a file of certificates that are trusted instead of the system's."""

    def __init__(self, authorities: str | None = None) -> None:
        context = ssl.create_default_context(cafile=authorities)
        context.sslsocket_class = _Bounded
        self._pool = PoolManager(maxsize=_CONNECTIONS, block=True, ssl_context=context)
        self._pool.pool_classes_by_scheme = {"https": _Pool}

    def fetch(
        self,
        url: str,
        seconds: float,
        take: Callable[[Answer], Taken],
        form: Mapping[str, str] | None = None,
    ) -> Taken:
        """Return what ``take`` makes of the answer; ask again, within ``seconds``, if the server fails or breaks off.

        With a ``form`` it is sent by POST, else it is a GET. Redirects are answers like others. Raises `SourceError`,
        `SourceTimeout`, and what ``take`` raises.
        """
        until = time.monotonic() + seconds
        for pause in (*PAUSES, None):
            if pause is not None and time.monotonic() + pause >= until:
                pause = None
            try:
                response = self._send(url, form, until)
                try:
                    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                        raise SourceError("Flickr compressed an answer, though it was asked not to.")
                    if pause is None or response.status not in _TRANSIENT:
                        return take(Answer(response))
                finally:
                    response.close()
                    response.release_conn()
            except exceptions.NewConnectionError as error:
                if pause is None:
                    raise SourceError("Flickr cannot be reached.") from error
            except (exceptions.TimeoutError, exceptions.EmptyPoolError) as error:
                raise SourceTimeout(_LATE) from error
            except exceptions.ProtocolError as error:
                if pause is None:
                    raise SourceError("Flickr broke off, or sent no proper answer.") from error
            except exceptions.HTTPError as error:
                raise SourceError("Flickr cannot be understood or trusted.") from error
            time.sleep(pause or 0)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _send(self, url: str, form: Mapping[str, str] | None, until: float) -> BaseHTTPResponse:
        left = until - time.monotonic()
        if left <= 0:
            raise SourceTimeout(_LATE)
        headers = {"Accept-Encoding": "identity", "User-Agent": "iiifkit-flickr"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._pool.urlopen(
            "GET" if form is None else "POST",
            url,
            body=None if form is None else urlencode(form),
            headers=headers,
            timeout=Timeout(total=left),
            pool_timeout=left,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )


class _Connection(HTTPSConnection):
    """Connects, and agrees on keys, within its time-out as a whole, whatever number of addresses a name has."""

    def _new_conn(self: Any) -> socket.socket:
        until = time.monotonic() + self.timeout
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            connection = socket.socket(family, kind, protocol)
            try:
                _arm(connection, until)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect(address)
                _arm(connection, until)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, _LATE) from failure
        raise NewConnectionError(self, "no connection") from failure


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Bounded(ssl.SSLSocket):
    """A socket whose timeout bounds all receiving until the next `settimeout`, not each receiving.

    A server that sends a byte a second never lets a plain timeout pass.
    """

    _until: float | None = None

    def settimeout(self, value: float | None, /) -> None:
        self._until = None if value is None else time.monotonic() + value
        super().settimeout(value)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        if self._until is not None:
            _arm(self, self._until)
        return super().recv_into(*arguments, **named)


def _arm(connection: socket.socket, until: float) -> None:
    """Let the next operation take until then. Raises `TimeoutError` if that has passed."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    socket.socket.settimeout(connection, left)
