"""Which object an identifier or a cache key stands for."""

import hashlib
import re

from iiifkit import CacheError, ImageNotFound

LONGEST = 1024
"""Bytes of the longest key that S3 has."""

LONGEST_SEGMENT = 255
"""Bytes between two slashes of a key that stores on file systems can hold."""

HIDDEN = ".iiifkit"
"""The cache's own place below its prefix, out of the way of keys."""

_SHOWN = 80
_MARK = "%~"
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_READS_AS_ESCAPE = r"%(?=[01][0-9A-Fa-f]|2[5Ee]|5[Cc]|7[Ff]|[uU~])"
_ESCAPED = re.compile(rf"[\x00-\x1f\x7f\\\ud800-\udfff\ufffe\uffff]|{_READS_AS_ESCAPE}")


def image_key(prefix: str, identifier: str) -> str:
    """Return the key of an image's object.

    Raises `ImageNotFound` for identifiers that no key is made of: with segments between slashes that are empty or
    begin with a dot, backslashes, control characters, or too long.
    """
    if len(identifier) > LONGEST or _REFUSED.search(identifier):
        raise not_found(identifier)
    if any(segment[:1] in ("", ".") for segment in identifier.split("/")):
        raise not_found(identifier)
    key = prefix + identifier
    if len(key.encode()) > LONGEST:
        raise not_found(identifier)
    return key


def not_found(identifier: str) -> ImageNotFound:
    """Return the error that says that no image has this identifier."""
    return ImageNotFound(f"There is no image {quoted(identifier)}.")


def quoted(identifier: str) -> str:
    """Return the identifier in quotes, on one line and of bounded length, for messages."""
    return repr(identifier if len(identifier) <= _SHOWN else identifier[:_SHOWN] + "…")


def entry_key(prefix: str, key: str) -> str:
    """Return the key of a cache entry's object: readable, as a URL path would spell it, and one to one.

    Only what stores cannot hold is escaped, as ``%XX``; segments of more than 255 bytes are shortened. Raises
    `CacheError` if the whole is too long, or a segment is empty, ``.`` or ``..``.
    """
    name = prefix + "/".join(_segment(segment) for segment in key.split("/"))
    if len(name.encode()) > LONGEST:
        raise CacheError("The entry cannot be kept, because its name is too long.")
    return name


def lease_key(prefix: str, key: str) -> str:
    """Return the key of the object that says who is building ``key``."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{prefix}{HIDDEN}/leases/{digest}"


def _segment(segment: str) -> str:
    if segment in ("", ".", ".."):
        raise CacheError("A cache key has segments between slashes, and none of them is empty, '.' or '..'.")
    name = _ESCAPED.sub(lambda match: _escape(match[0]), segment)
    if name.casefold().startswith(HIDDEN):
        name = "%2E" + name[1:]
    encoded = name.encode()
    if len(encoded) <= LONGEST_SEGMENT:
        return name
    digest = hashlib.blake2b(segment.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    kept = encoded[: LONGEST_SEGMENT - len(_MARK) - len(digest)].decode("utf-8", "ignore")
    return f"{kept}{_MARK}{digest}"


def _escape(character: str) -> str:
    code = ord(character)
    return f"%{code:02X}" if code < 0x80 else f"%u{code:04X}"
