"""The text of an image request, taken apart into values (Image API 2.1 and 3.0, sections 2, 4 and 9)."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec.structs import replace

from ..errors import BadRequest, ImageNotFound
from .features import identify

Number = int | Fraction
"""An exact number."""

LONGEST_PARAMETER = 255
LONGEST_IDENTIFIER = 2048

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DEGREES = re.compile(r"(!?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)


class Region(msgspec.Struct, frozen=True):
    """``kind`` is the feature's name; ``numbers`` are x, y, w, h in pixels or percent, or empty (4.1)."""

    kind: str
    numbers: tuple[Number, ...]
    text: str


class Size(msgspec.Struct, frozen=True):
    """``kind`` is the feature's name; ``numbers`` are what the syntax names, in its order.

    ``upscale`` is True for 3.0's ``^`` forms (4.2).
    """

    kind: str
    numbers: tuple[Number, ...]
    upscale: bool
    text: str


class Rotation(msgspec.Struct, frozen=True):
    """Mirroring first, then ``degrees`` clockwise, 0 <= degrees < 360, exact (4.3)."""

    mirror: bool
    degrees: Fraction
    text: str


class ImageRequest(msgspec.Struct, frozen=True):
    """One image request, in API version 2 or 3. ``identifier`` is decoded, ``spelling`` is as it was received."""

    version: int
    identifier: str
    spelling: str
    region: Region
    size: Size
    rotation: Rotation
    quality: str
    format: str

    @classmethod
    def parse(cls, path: str, version: int) -> "ImageRequest":
        """Take apart ``{identifier}/{region}/{size}/{rotation}/{quality}.{format}``, percent-encoded, without a query.

        The identifier may hold raw slashes: the last four segments are the parameters. Raises `BadRequest`.
        """
        parts = path.rsplit("/", 4)
        if len(parts) != 5:
            raise BadRequest(
                "An image request has the form {identifier}/{region}/{size}/{rotation}/{quality}.{format}; "
                "a part is missing."
            )
        last = _bounded("last part", decode(parts[4]))
        quality, dot, format = last.rpartition(".")
        if not dot or not quality or not format:
            raise BadRequest(f"The last part {last!r} must be {{quality}}.{{format}}, such as default.jpg.")
        return cls(
            version=version,
            identifier=decode_identifier(parts[0]),
            spelling=parts[0],
            region=parse_region(decode(parts[1]), version),
            size=parse_size(decode(parts[2]), version),
            rotation=parse_rotation(decode(parts[3])),
            quality=quality,
            format=format,
        )

    def uses(self) -> Iterator[tuple[str, str, str]]:
        """Yield ``(parameter, feature name, text)`` for all that the syntax shows; what only sizes show comes later."""
        yield "region", self.region.kind, self.region.text
        yield "size", self.size.kind, self.size.text.removeprefix("^")
        text = self.rotation.text
        if self.rotation.mirror:
            yield "rotation", "mirroring", text
        degrees = decimal_text(self.rotation.degrees)
        yield "rotation", identify("rotation", degrees, self.version) or "rotationArbitrary", text.removeprefix("!")

    def named(self, quality: str, format: str) -> "ImageRequest":
        """Return the same request with quality and format under their own names."""
        return (
            self if (quality, format) == (self.quality, self.format) else replace(self, quality=quality, format=format)
        )


def decode(segment: str) -> str:
    """Return one percent-encoded path segment decoded, once (9). Raises `BadRequest` for what cannot be text."""
    if len(segment) > 3 * LONGEST_IDENTIFIER:
        raise BadRequest("A part of the address is too long.")
    if "%" in segment:
        if _ESCAPE.search(segment):
            raise BadRequest(f"{segment[:80]!r} holds a % that is not followed by two hexadecimal digits.")
        try:
            segment = unquote_to_bytes(segment).decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequest(f"{segment[:80]!r} is not UTF-8 when it is decoded.") from None
    if _CONTROL.search(segment):
        raise BadRequest("The address holds control characters.")
    return segment


def decode_identifier(spelling: str) -> str:
    """Return an identifier decoded; raw slashes stay. Raises `BadRequest` or, if it is too long, `ImageNotFound`."""
    if len(spelling) > LONGEST_IDENTIFIER:
        raise ImageNotFound(f"No image has an identifier of more than {LONGEST_IDENTIFIER} characters.")
    identifier = decode(spelling)
    if not identifier:
        raise BadRequest("The identifier is empty.")
    return identifier


def parse_region(text: str, version: int = 3) -> Region:
    """Read a region (4.1). Raises `BadRequest`."""
    kind = identify("region", _bounded("region", text), version)
    if kind is None:
        raise BadRequest(f"The region {text!r} is not full, square, x,y,w,h or pct:x,y,w,h.")
    numbers = _numbers(text)
    if numbers and 0 in numbers[2:]:
        raise BadRequest(f"The region {text!r} is empty: its width and height must be greater than 0.")
    return Region(kind, numbers, text)


@lru_cache(4096)
def parse_size(text: str, version: int = 3) -> Size:
    """Read a size (4.2); ``^`` is 3.0's. Raises `BadRequest`."""
    upscale = _bounded("size", text).startswith("^") and version != 2
    kind = identify("size", text[1:] if upscale else text, version)
    if kind is None or kind == "sizeUpscaling":
        forms = (
            "full, max, w, ,h pct:n w,h or !w,h" if version == 2 else "max, w, ,h pct:n w,h or !w,h, with or without ^"
        )
        hint = "; full belongs to version 2, write max" if version == 3 and text in ("full", "^full") else ""
        raise BadRequest(f"The size {text!r} is not {forms}{hint}.")
    numbers = _numbers(text)
    if 0 in numbers:
        raise BadRequest(f"The size {text!r} has a side of 0; sides must be greater than 0.")
    if kind == "sizeByPct" and version == 3 and not upscale and numbers[0] > 100:
        raise BadRequest(f"The size {text!r} is larger than the region; write ^{text} to enlarge.")
    return Size(kind, numbers, upscale, text)


@lru_cache(1024)
def parse_rotation(text: str) -> Rotation:
    """Read a rotation (4.3). Raises `BadRequest`."""
    match = _DEGREES.fullmatch(_bounded("rotation", text))
    degrees = Fraction(match[2]) if match else None
    if match is None or degrees is None or degrees > 360:
        raise BadRequest(
            f"The rotation {text!r} is not a number of degrees from 0 to 360, with or without a ! before it."
        )
    return Rotation(bool(match[1]), degrees % 360, text)


@lru_cache(1024)
def decimal_text(number: Fraction) -> str:
    """Write a terminating decimal as the specification wants it: no trailing zeros, 0 before the point (3.0, 4.7)."""
    if number.denominator == 1:
        return str(number.numerator)
    digits = 0
    scaled = number
    while scaled.denominator != 1:
        digits += 1
        scaled = number * 10**digits
    whole, part = divmod(scaled.numerator, 10**digits)
    return f"{whole}.{part:0{digits}d}"


def _numbers(text: str) -> tuple[Number, ...]:
    body = text.removeprefix("^").removeprefix("!").removeprefix("pct:")
    return tuple(_number(number) for number in body.split(",") if number and number[0] in ".0123456789")


def _number(text: str) -> Number:
    """Read whole numbers as integers: most are, and their arithmetic is ten times faster."""
    return int(text) if text.isdecimal() else Fraction(text)


def _bounded(parameter: str, text: str) -> str:
    if len(text) > LONGEST_PARAMETER:
        raise BadRequest(f"The {parameter} is longer than {LONGEST_PARAMETER} characters.")
    return text
