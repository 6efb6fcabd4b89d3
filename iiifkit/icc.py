"""ICC profiles, as far as to tell with certainty that one of them means sRGB, so that nothing has to be converted."""

import math
import struct
from functools import lru_cache

_COLORANTS = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_SAMPLES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
_TOLERANCE = 0.0025
_MOST_TAGS = 100
_MOST_BYTES = 64 * 1024
_SIMPLE = frozenset(
    {b"desc", b"cprt", b"wtpt", b"bkpt", b"chad", b"chrm", b"lumi", b"meas", b"tech", b"view", b"vued", b"dmnd"}
    | {b"dmdd", b"mmod", b"vcgt", b"ndin", b"dscm", b"targ", b"calt", b"gamt"}
    | _COLORANTS.keys()
    | set(_CURVES)
)


def is_srgb(profile: bytes) -> bool:
    """Return whether a profile is a plain description of sRGB: its primaries and its curve, and no look-up tables.

    Never raises; a profile that is malformed, longer than 64 KB or of another make is not sRGB.
    """
    return len(profile) <= _MOST_BYTES and _is_srgb(profile)


@lru_cache(maxsize=64)
def _is_srgb(profile: bytes) -> bool:
    try:
        if profile[16:24] != b"RGB XYZ " or profile[36:40] != b"acsp":
            return False
        tags = _tags(profile)
        return (
            tags.keys() <= _SIMPLE
            and all(_near(_xyz(tags[name]), color) for name, color in _COLORANTS.items())
            and all(_follows_srgb(tags[name]) for name in _CURVES)
        )
    except (KeyError, struct.error, ArithmeticError, ValueError):
        return False


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > _MOST_TAGS:
        raise ValueError
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(count))
    return {name: profile[offset : offset + length] for name, offset, length in entries}


def _near(numbers: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    return all(abs(number - other) <= _TOLERANCE for number, other in zip(numbers, wanted, strict=True))


def _xyz(tag: bytes) -> tuple[float, ...]:
    if tag[:4] != b"XYZ ":
        raise ValueError
    return tuple(number / 65536 for number in struct.unpack_from(">3i", tag, 8))


def _follows_srgb(tag: bytes) -> bool:
    return _near(tuple(_linear(tag, sample) for sample in _SAMPLES), tuple(_srgb(sample) for sample in _SAMPLES))


def _srgb(sample: float) -> float:
    return sample / 12.92 if sample <= 0.04045 else math.pow((sample + 0.055) / 1.055, 2.4)


def _linear(tag: bytes, sample: float) -> float:
    """Return the light, 0 to 1, that a curve gives a sample. Raises `ValueError` for curves that are never sRGB's."""
    if tag[:4] == b"para" and tag[8:10] in (b"\0\x03", b"\0\x04"):
        numbers: list[float] = [
            number / 65536 for number in struct.unpack_from(">7i" if tag[9] == 4 else ">5i", tag, 12)
        ]
        power, a, b, c, d, e, f = [*numbers, 0.0, 0.0][:7]
        return math.pow(a * sample + b, power) + e if sample >= d else c * sample + f
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if 2 <= count <= 4096:
            position = sample * (count - 1)
            index = min(int(position), count - 2)
            low, high = struct.unpack_from(">2H", tag, 12 + 2 * index)
            return float(low + (high - low) * (position - index)) / 65535
    raise ValueError
