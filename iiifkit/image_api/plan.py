"""What to make of an image: a request that has been resolved against the image's real size."""

from fractions import Fraction

import msgspec


class Box(msgspec.Struct, frozen=True):
    """A rectangle in pixels of the full upright image; ``x`` and ``y`` are its top left corner."""

    x: int
    y: int
    width: int
    height: int


class Plan(msgspec.Struct, frozen=True):
    """One picture to be made, in the order of the specification (Image API 4.6, 4.7).

    Cut ``region``, scale it to ``width`` x ``height``, reflect it left to right if ``mirror``, turn it
    ``degrees`` clockwise (0 <= degrees < 360, exact), then apply ``quality`` and store it as ``format``.
    ``quality`` is never ``default``: it is the quality's own name, with its parameters if it has any.
    Two requests with equal plans get the same bytes, whatever their spelling and API version.
    """

    region: Box
    width: int
    height: int
    mirror: bool
    degrees: Fraction
    quality: str
    format: str

    @property
    def upright(self) -> bool:
        """True if the picture is neither mirrored nor turned."""
        return not self.mirror and not self.degrees


def whole(width: int, height: int) -> Plan:
    """Return the plan of a whole picture as it is, in its own size and colors, to be stored without loss."""
    return Plan(Box(0, 0, width, height), width, height, False, Fraction(0), "color", "tif")
