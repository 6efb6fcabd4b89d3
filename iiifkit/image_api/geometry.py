"""From a request and an image's size to the plan of one picture: exact arithmetic, no floats (4.1, 4.2)."""

from collections.abc import Iterator
from fractions import Fraction
from math import isqrt

import msgspec

from ..errors import BadRequest, NotOffered, SizeOverLimit
from .feature_set import FeatureSet
from .formats import FORMATS
from .image import ImageInfo
from .plan import Box, Plan
from .request import ImageRequest, Number, Region, Size
from .tiles import is_listed

DISTORTED = "sizeByDistortedWh"


class Limits(msgspec.Struct, frozen=True):
    """The largest output, in pixels; None is no limit (5.2). One side's limit alone holds for the other too."""

    max_width: int | None = None
    max_height: int | None = None
    max_area: int | None = None

    @property
    def width(self) -> int | None:
        """The effective limit of the width."""
        return self.max_width if self.max_width is not None else self.max_height

    @property
    def height(self) -> int | None:
        """The effective limit of the height."""
        return self.max_height if self.max_height is not None else self.max_width

    def allow(self, width: int, height: int) -> bool:
        """Return whether an output of this size may be delivered."""
        return (
            (self.width is None or width <= self.width)
            and (self.height is None or height <= self.height)
            and (self.max_area is None or width * height <= self.max_area)
        )

    def text(self) -> str:
        """Return the limits in words, for error messages."""
        names = (("maxWidth", self.width), ("maxHeight", self.height), ("maxArea", self.max_area))
        return ", ".join(f"{name} {value}" for name, value in names if value is not None) or "none"


def half_up(number: Number) -> int:
    """Round to the nearest integer, halves up; ``round`` would go to the even one."""
    if isinstance(number, int):
        return number
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)


def resolve(
    request: ImageRequest, image: ImageInfo, limits: Limits, features: FeatureSet, prepared_tile: int = 256
) -> Plan:
    """Return the plan of a request that `FeatureSet.check` has let through.

    ``prepared_tile`` is the tile size that images without stored tiles advertise.

    Raises `BadRequest` for a region outside the image, a side of 0 or enlarging without ``^``, `NotOffered` for
    enlarging that is switched off, and `SizeOverLimit`.
    """
    region = crop(request.region, image.width, image.height)
    width, height = scaled(request.size, region, limits, request.version)
    enlarged = width > region.width or height > region.height
    if enlarged and request.version != 2 and not request.size.upscale:
        raise BadRequest(
            f"The size {request.size.text!r} is larger than the region of {region.width}x{region.height} pixels; "
            f"write ^{request.size.text} to enlarge."
        )
    if enlarged and not features.upscaling:
        raise NotOffered(
            f"The size {request.size.text!r} enlarges the region of {region.width}x{region.height} pixels, "
            "which this server does not offer."
        )
    if not limits.allow(width, height):
        raise SizeOverLimit(f"The result would be {width}x{height} pixels; this server's limits are: {limits.text()}.")
    _check_format(request.format, width, height)
    plan = Plan(
        region, width, height, request.rotation.mirror, request.rotation.degrees, request.quality, request.format
    )
    _check_offered(request, plan, image, limits, features, prepared_tile)
    return plan


def crop(region: Region, width: int, height: int) -> Box:
    """Return the part of a ``width`` x ``height`` image that a region means, cut at the edges (4.1)."""
    if region.kind == "full":
        return Box(0, 0, width, height)
    if region.kind == "regionSquare":
        return square(width, height)
    x, y, w, h = region.numbers
    if region.kind == "regionByPct":
        x, y = Fraction(x * width, 100), Fraction(y * height, 100)
        w, h = Fraction(w * width, 100), Fraction(h * height, 100)
    left, top = half_up(x), half_up(y)
    if left >= width or top >= height:
        raise BadRequest(f"The region {region.text!r} lies outside the image of {width}x{height} pixels.")
    return Box(left, top, min(max(1, half_up(w)), width - left), min(max(1, half_up(h)), height - top))


def square(width: int, height: int) -> Box:
    """Return the largest square in the middle of a ``width`` x ``height`` image (4.1)."""
    side = min(width, height)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def scaled(size: Size, region: Box, limits: Limits, version: int = 3) -> tuple[int, int]:
    """Return the width and height that a size means for a region (4.2), before any check against limits.

    ``max`` and ``!w,h`` are bounded by the limits. A computed side is at least 1 pixel, but not for ``pct:``.
    """
    width, height = region.width, region.height
    numbers = size.numbers
    if size.kind == "full":
        return width, height
    if size.kind == "max":
        return largest(region, limits, size.upscale)
    if size.kind == "sizeByW":
        return int(numbers[0]), max(1, half_up(Fraction(numbers[0] * height, width)))
    if size.kind == "sizeByH":
        return max(1, half_up(Fraction(numbers[0] * width, height))), int(numbers[0])
    if size.kind == "sizeByPct":
        sides = half_up(Fraction(width * numbers[0], 100)), half_up(Fraction(height * numbers[0], 100))
        if 0 in sides:
            raise BadRequest(f"The size {size.text!r} of a {width}x{height} region is less than one pixel.")
        return sides
    if size.kind == "sizeByConfinedWh":
        box = Fraction(numbers[0], width), Fraction(numbers[1], height)
        return _fit(region, min(box) if size.upscale else min(*box, Fraction(1)), limits)
    return int(numbers[0]), int(numbers[1])


def largest(region: Box, limits: Limits, upscale: bool = False) -> tuple[int, int]:
    """Return the size of ``max``, or of ``^max``: the largest that the limits permit, aspect kept (4.2).

    Without limits ``^max`` is ``max``.
    """
    if not upscale or (limits.width is None and limits.max_area is None):
        return _fit(region, Fraction(1), limits)
    return _fit(region, None, limits)


def _fit(region: Box, scale: Fraction | None, limits: Limits) -> tuple[int, int]:
    """Scale from the original sides, never from rounded ones, so that small limits keep the aspect (3.0 notes, 4)."""
    width, height = region.width, region.height
    if scale == 1 and limits.allow(width, height):
        return width, height
    scales = [] if scale is None else [scale]
    if limits.width is not None:
        scales.append(Fraction(limits.width, width))
    if limits.height is not None:
        scales.append(Fraction(limits.height, height))
    if scales:
        smallest = min(scales)
        sides = max(1, half_up(width * smallest)), max(1, half_up(height * smallest))
        if limits.max_area is None or sides[0] * sides[1] <= limits.max_area:
            return sides
    area = limits.max_area or width * height
    long, short = max(width, height), min(width, height)
    longer = max(1, min(isqrt(area * long // short), area))
    shorter = max(1, min(half_up(Fraction(longer * short, long)), area // longer))
    return (longer, shorter) if width >= height else (shorter, longer)


def keeps_aspect(region: Box, width: int, height: int) -> bool:
    """Return whether a size is within a pixel of the region's own aspect ratio (2.1 ``sizeByWh``)."""
    return (
        abs(Fraction(width * region.height, region.width) - height) <= 1
        or abs(Fraction(height * region.width, region.height) - width) <= 1
    )


def _check_format(format: str, width: int, height: int) -> None:
    longest = FORMATS[format].max_side
    if max(width, height) > longest:
        raise BadRequest(f"A {format} picture has at most {longest} pixels a side here; more were asked for.")


def _check_offered(
    request: ImageRequest, plan: Plan, image: ImageInfo, limits: Limits, features: FeatureSet, prepared_tile: int
) -> None:
    refused = next((use for use in _uses(request, plan, features) if not features.offers(*use[:2])), None)
    if refused is None or is_listed(plan, image, limits.allow, prepared_tile):
        return
    parameter, name, text = refused
    offered = features.syntaxes(parameter, request.version)
    raise BadRequest(
        f"The {parameter} {text!r} cannot be served: this server does not offer {name}. Offered: {offered}; and the "
        "tiles and sizes that info.json lists."
    )


def _uses(request: ImageRequest, plan: Plan, features: FeatureSet) -> Iterator[tuple[str, str, str]]:
    """Yield what the request uses; in 2.1 ``w,h`` is one feature, or another that distorts: either will do."""
    for parameter, name, text in request.uses():
        distorts = not keeps_aspect(plan.region, plan.width, plan.height)
        either = request.version == 2 and name == "sizeByWh" and (distorts or features.offers("size", DISTORTED))
        yield parameter, DISTORTED if either else name, text
