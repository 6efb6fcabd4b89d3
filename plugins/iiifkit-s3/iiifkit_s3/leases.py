"""One builder a key among all processes that use a bucket: an object that only the first can put, and that expires."""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from iiifkit import CacheError, Overloaded, SourceError

from .bucket import Bucket
from .keys import lease_key
from .locks import KeyedLocks
from .objects import Part, first_part
from .refusals import Changed, Missing, NotImplementedThere

_SHORTEST_NAP = 0.05
_LONGEST_NAP = 1.0
_LONGEST_LEASE = 1024

logger = logging.getLogger("iiifkit")


class Leases:
    """Locks by key that hold for ``seconds``, and are renewed while their holder lives."""

    def __init__(self, bucket: Bucket, seconds: float) -> None:
        self._bucket = bucket
        self._seconds = seconds
        self._holder = secrets.token_hex(16)
        self._threads = KeyedLocks()
        self._unsupported = False

    @contextmanager
    def hold(self, key: str, seconds: float) -> Iterator[bool]:
        """Enter with True once this thread alone, of all threads and processes, holds ``key``; False after ``seconds``.

        Where the server knows no conditional puts, only the threads of this process are told apart. Raises `CacheError`
        if the server cannot be asked.
        """
        until = time.monotonic() + seconds
        with self._threads.hold(key, seconds) as mine:
            if not mine:
                yield False
                return
            lease = _Lease(self._bucket, lease_key(self._bucket.prefix, key), self._seconds, self._holder)
            held = self._acquire(lease, until)
            try:
                yield held or self._unsupported
            finally:
                if held:
                    lease.release()

    def _acquire(self, lease: "_Lease", until: float) -> bool:
        nap = _SHORTEST_NAP
        while not self._unsupported:
            try:
                if lease.take():
                    return True
            except NotImplementedThere:
                self._unsupported = True
                logger.warning("The bucket's server has no conditional puts; other processes may build an image twice.")
                return False
            except (SourceError, Overloaded) as error:
                raise CacheError(str(error)) from error
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(nap, left))
            nap = min(nap * 2, _LONGEST_NAP)
        return False


class _Lease:
    """An object that says who builds: a random word, how often it was renewed, and for how many seconds it holds.

    ``holder`` stands for this process, whose threads are told apart already: a lease that bears it was left behind.
    """

    def __init__(self, bucket: Bucket, key: str, seconds: float, holder: str) -> None:
        self._bucket = bucket
        self._key = key
        self._seconds = seconds
        self._holder = holder
        self._number = 0
        self._etag = ""
        self._over = threading.Event()
        self._lost = False
        self._renewing = threading.Thread(target=self._renew, name="iiifkit-s3-lease", daemon=True)

    def take(self) -> bool:
        """Return whether the lease is ours now: nobody had it, or its time was over.

        Raises `NotImplementedThere`, another `SourceError`, or `Overloaded`.
        """
        try:
            self._etag = self._write(IfNoneMatch="*")
        except Changed:
            if not self._take_over():
                return False
        self._bucket = self._bucket.without_rest()
        self._renewing.start()
        return True

    def release(self) -> None:
        """Give the lease back, and end the thread that renews it."""
        self._over.set()
        self._renewing.join()
        if self._lost:
            return
        try:
            self._bucket.ask("delete_object", _nothing, Key=self._key)
        except (SourceError, Overloaded) as error:
            logger.warning("A lease in the bucket could not be given back, and holds until it expires: %s", error)

    def _take_over(self) -> bool:
        """Put ours in the place of one that has expired, or was left behind here, unless somebody was faster."""
        try:
            part = first_part(self._bucket, self._key, _LONGEST_LEASE)
        except Missing:
            return False
        if not self._is_ours(part) and part.age <= _holds_for(part, self._seconds):
            return False
        try:
            self._etag = self._replace(part.etag)
        except (Changed, Missing):
            return False
        return True

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / 3):
            try:
                self._lost = not self._renewed()
            except (SourceError, Overloaded) as error:
                logger.warning("A lease in the bucket could not be renewed: %s", error)
            if self._lost:
                logger.warning("A lease in the bucket was lost; another process may build the same image.")
                return

    def _renewed(self) -> bool:
        """Return whether the lease is still ours. An answer to an earlier put may have been lost on its way."""
        try:
            self._etag = self._replace(self._etag)
        except (Changed, Missing):
            try:
                part = first_part(self._bucket, self._key, _LONGEST_LEASE)
            except Missing:
                return False
            self._etag = part.etag
            return self._is_ours(part)
        return True

    def _is_ours(self, part: Part) -> bool:
        return part.data.startswith(self._holder.encode())

    def _replace(self, etag: str) -> str:
        """Put the object in the place of the one with this ETag; some servers want it without its quotes."""
        try:
            return self._write(IfMatch=etag)
        except Changed:
            return self._write(IfMatch=etag.strip('"'))

    def _write(self, **condition: str) -> str:
        self._number += 1
        body = f"{self._holder} {self._number} {self._seconds:g}".encode()
        return self._bucket.ask(
            "put_object",
            _etag,
            Key=self._key,
            Body=body,
            ContentType="text/plain",
            CacheControl="no-store",
            **condition,
        )


def _holds_for(part: Part, otherwise: float) -> float:
    """Return the seconds that a lease was taken for; what is no lease is treated like one of ours."""
    words = part.data.split()
    try:
        return min(float(words[2]), 86_400.0) if len(words) == 3 else otherwise
    except ValueError:
        return otherwise


def _etag(answer: dict[str, str]) -> str:
    return answer["ETag"]


def _nothing(_: object) -> None:
    return None
