"""Asking a server by HTTP: bounded in time, bytes, attempts and redirects.

Imports urllib3; import it where a remote source is built.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import TypeVar

from urllib3 import BaseHTTPResponse, PoolManager, Timeout, exceptions
from urllib3.exceptions import EmptyPoolError, HTTPError, NewConnectionError, ProtocolError

from ..errors import SourceError, SourceTimeout
from .addresses import redirected

PAUSES = (0.2, 0.4)
"""Seconds before the second attempt and before the third, which is the last."""

REDIRECTS = 5
"""Redirects that are followed for one request."""

_CHUNK = 64 * 1024
_REDIRECTIONS = (301, 302, 303, 307, 308)
_TRANSIENT = (500, 502, 503, 504)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_TOO_LATE = "The server of the images did not answer in time."
_NUMBER = re.compile(r"[0-9]{1,18}")

Taken = TypeVar("Taken")


class Answer:
    """The status, headers and unread body of an answer."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.etag = response.headers.get("ETag")
        self.last_modified = response.headers.get("Last-Modified")

    @property
    def length(self) -> int | None:
        """The number of bytes that the body is said to have."""
        text = self._response.headers.get("Content-Length", "")
        return int(text) if _NUMBER.fullmatch(text) else None

    @property
    def range(self) -> tuple[int, int, int] | None:
        """First byte, byte after the last, and bytes of the whole file, of an answer 206."""
        match = _RANGE.fullmatch(self._response.headers.get("Content-Range", ""))
        if not match:
            return None
        first, last, total = map(int, match.groups())
        return (first, last + 1, total) if first <= last < total else None

    @property
    def modified(self) -> float | None:
        """When the file changed last, in seconds since 1970."""
        try:
            return parsedate_to_datetime(self.last_modified or "").timestamp()
        except (ValueError, OverflowError):
            return None

    def version(self, total: int | None) -> str | None:
        """Return the version of a file of ``total`` bytes; None if the server says nothing to tell versions by."""
        if self.etag:
            text = f"etag {self.etag}"
        elif self.last_modified and total is not None:
            text = f"modified {self.last_modified} {total}"
        else:
            return None
        return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Yield the body, at most ``limit`` bytes of it, as it comes."""
        while limit > 0:
            chunk = self._response.read1(min(_CHUNK, limit))
            if not chunk:
                return
            limit -= len(chunk)
            yield chunk

    def read(self, limit: int) -> bytes:
        """Return the body, at most ``limit`` bytes of it."""
        return b"".join(self.chunks(limit))

    def allow(self, seconds: float) -> None:
        """Give the rest of the body this many seconds from now."""
        stream = getattr(self._response.connection, "stream", None)
        if stream is not None:
            stream.settimeout(seconds)


class Fetcher:
    """Sends requests through one pool."""

    def __init__(self, pool: PoolManager) -> None:
        self._pool = pool

    def fetch(
        self, method: str, url: str, headers: Mapping[str, str], seconds: float, take: Callable[[Answer], Taken]
    ) -> Taken:
        """Return what ``take`` makes of the answer; ask again, within ``seconds``, if the server fails or breaks off.

        Raises `SourceError`, `SourceTimeout`, and what ``take`` raises.
        """
        until = time.monotonic() + seconds
        for pause in (*PAUSES, None):
            if pause is not None and time.monotonic() + pause >= until:
                pause = None
            try:
                with self._answer(method, url, headers, until) as answer:
                    if pause is None or answer.status not in _TRANSIENT:
                        return take(answer)
            except (NewConnectionError, ProtocolError) as error:
                if pause is None:
                    raise SourceError("The server of the images cannot be reached, or broke off.") from error
            except (exceptions.TimeoutError, EmptyPoolError) as error:
                raise SourceTimeout(_TOO_LATE) from error
            except HTTPError as error:
                raise SourceError("The server of the images cannot be understood or trusted.") from error
            time.sleep(pause or 0)
        raise SourceTimeout(_TOO_LATE)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    @contextmanager
    def _answer(self, method: str, url: str, headers: Mapping[str, str], until: float) -> Iterator[Answer]:
        """Enter with the answer, after redirects; give its connection back afterwards."""
        for _ in range(REDIRECTS + 1):
            response = self._send(method, url, headers, until)
            try:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTIONS or not location:
                    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                        raise SourceError("The server of the images compresses them, though it was asked not to.")
                    yield Answer(response)
                    return
            finally:
                _give_back(response)
            url = redirected(url, location)
        raise SourceError("The server of the images redirects too often.")

    def _send(self, method: str, url: str, headers: Mapping[str, str], until: float) -> BaseHTTPResponse:
        left = until - time.monotonic()
        if left <= 0:
            raise SourceTimeout(_TOO_LATE)
        return self._pool.urlopen(
            method,
            url,
            redirect=False,
            retries=False,
            headers={"Accept": "image/*, */*;q=0.8", "Accept-Encoding": "identity", "User-Agent": "iiifkit", **headers},
            timeout=Timeout(total=left),
            pool_timeout=left,
            preload_content=False,
            decode_content=False,
        )


def _give_back(response: BaseHTTPResponse) -> None:
    """Give the connection back to its pool: open if little or nothing is left to read, else closed."""
    if response.length_remaining is not None and response.length_remaining <= _CHUNK:
        response.drain_conn()
    response.close()
    response.release_conn()
