"""How often a JPEG 2000 picture can be halved while it is decoded, from its codestream's header."""

import struct

from ..blob import Blob

_HEAD = 64 * 1024
_START = b"\xff\x4f\xff\x51"
_CODING_STYLE = b"\xff\x52"
_LEVELS_AT = 9
_MOST_MARKERS = 64


def halvings(blob: Blob) -> int:
    """Return the number of stored resolutions below the full one; 0 if the header does not say."""
    head = blob.read(0, _HEAD)
    position = head.find(_START) + 2
    for _ in range(_MOST_MARKERS if position >= 2 else 0):
        marker, length = head[position : position + 2], head[position + 2 : position + 4]
        if marker == _CODING_STYLE and len(head) > position + _LEVELS_AT:
            return min(head[position + _LEVELS_AT], 32)
        if len(length) < 2:
            break
        position += 2 + struct.unpack(">H", length)[0]
    return 0
