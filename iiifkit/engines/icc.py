"""ICC profiles, just enough to see whether one is sRGB, so that such pictures need no conversion."""

import struct
from functools import lru_cache

_COLORANTS = {
    b"rXYZ": (0.4360, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7139),
}
_NEAR = 0.004
_MOST_TAGS = 100


@lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """Return whether an RGB profile has sRGB's primaries and a tone curve within half an 8-bit step of its own."""
    try:
        if profile[16:20] != b"RGB " or len(profile) > 1 << 20:
            return False
        tags = _tags(profile)
        if b"A2B0" in tags or not all(_colorant(profile, tags[name], want) for name, want in _COLORANTS.items()):
            return False
        return all(_curve(profile, tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    except (struct.error, KeyError, IndexError, ValueError, OverflowError, ZeroDivisionError, TypeError):
        return False


def _tags(profile: bytes) -> dict[bytes, int]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * n) for n in range(min(count, _MOST_TAGS)))
    return {name: offset for name, offset, _ in entries}


def _colorant(profile: bytes, offset: int, want: tuple[float, float, float]) -> bool:
    values = struct.unpack_from(">3i", profile, offset + 8)
    return all(abs(value / 65536 - wanted) < _NEAR for value, wanted in zip(values, want, strict=True))


def _curve(profile: bytes, offset: int) -> bool:
    """Compare a tone curve with sRGB's at three gray levels, measured in linear light."""
    return all(abs(_linear(profile, offset, level) - _srgb(level)) < _NEAR for level in (0.1, 0.5, 0.8))


def _srgb(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else float(((level + 0.055) / 1.055) ** 2.4)


def _linear(profile: bytes, offset: int, level: float) -> float:
    kind = profile[offset : offset + 4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", profile, offset + 8)
        if count < 2:
            return float(level ** (struct.unpack_from(">H", profile, offset + 12)[0] / 256)) if count else level
        (value,) = struct.unpack_from(">H", profile, offset + 12 + 2 * round(level * (count - 1)))
        return float(value / 65535)
    (function,) = struct.unpack_from(">H", profile, offset + 8)
    if kind != b"para" or function != 3:
        raise ValueError("not a curve that sRGB is written with")
    gamma, a, b, c, d = (value / 65536 for value in struct.unpack_from(">5i", profile, offset + 12))
    return float((a * level + b) ** gamma if level >= d else c * level)
