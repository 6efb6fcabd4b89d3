"""Which file a cache key is kept in: readable, so that the tree is a plain static tree, and one to one.

Only what file systems cannot hold is escaped, as ``%XX``. A ``%`` of the key's own is left alone unless it
would read as an escape, so ``2019%2Fphoto.jpg`` keeps its name.
"""

import hashlib
import re

from ..errors import CacheError

HIDDEN = ".iiifkit"
"""The cache's own folder inside its root, out of the way of keys."""

LONGEST = 255
"""Bytes that file systems allow in one name."""

_DIGEST_BYTES = 16
_MARK = "%~"
_ALWAYS = r"\x00-\x1f\x7f\\"
_STRICT = _ALWAYS + r"<>:\"|?*"
# What an escape looks like: any ASCII character but a slash, with hex digits of either case, because some file
# systems do not tell them apart.
_READS_AS_ESCAPE = r"%(?=[013-7][0-9A-Fa-f]|2[0-9A-Ea-e]|[uU~])"
_ESCAPED = re.compile(f"[{_ALWAYS}\ud800-\udfff]|{_READS_AS_ESCAPE}")
_ESCAPED_STRICTLY = re.compile(f"[{_STRICT}\ud800-\udfff]|{_READS_AS_ESCAPE}")
_RESERVED = re.compile(r"(?:con|conin\$|conout\$|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|\Z| )", re.IGNORECASE)
_PLAIN = re.compile(r"[0-9A-Za-z_,!(+-][0-9A-Za-z_,!()+.-]{0,254}(?:/[0-9A-Za-z_,!(+-][0-9A-Za-z_,!()+.-]{0,254})*")


def relative_path(key: str, strict: bool = False) -> str:
    """Return the path below the cache's root that keeps ``key``, with ``/`` between its segments.

    Two different keys have two different paths. ``strict`` also escapes what Windows and its file systems refuse:
    ``<>:"|?*``, reserved names such as ``con``, and dots and blanks at the end of a name. Raises `CacheError` if
    the key has no segment, or one that is empty, ``.`` or ``..``.
    """
    if not strict and _PLAIN.fullmatch(key):
        return key
    return "/".join(_name(segment, strict) for segment in key.split("/"))


def _name(segment: str, strict: bool) -> str:
    if segment in ("", ".", ".."):
        raise CacheError("A cache key has segments between slashes, and none of them is empty, '.' or '..'.")
    name = (_ESCAPED_STRICTLY if strict else _ESCAPED).sub(lambda match: _escape(match[0]), segment)
    if name.casefold().startswith(HIDDEN):
        name = _escape(name[0]) + name[1:]
    if strict and _RESERVED.match(name):
        name = _escape(name[0]) + name[1:]
    if strict and name[-1] in ". ":
        name = name[:-1] + _escape(name[-1])
    encoded = name.encode()
    return name if len(encoded) <= LONGEST else _shortened(encoded, segment)


def _escape(character: str) -> str:
    code = ord(character)
    return f"%{code:02X}" if code < 0x80 else f"%u{code:04X}"


def _shortened(encoded: bytes, segment: str) -> str:
    digest = hashlib.blake2b(segment.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
    kept = encoded[: LONGEST - len(_MARK) - len(digest)].decode("utf-8", "ignore")
    return f"{kept}{_MARK}{digest}"
