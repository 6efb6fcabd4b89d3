"""Which smaller copy of a picture is good enough: stored pyramid levels, and decoders that shrink."""

import math
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from ..image_api.image import ImageInfo, Level
from ..image_api.plan import Box
from ..tiff import scale_factor
from .orientation import StoredPlan, upright


class Copy(msgspec.Struct, frozen=True):
    """A copy of the picture, ``factor`` times smaller, with ``width`` x ``height`` stored pixels.

    ``level`` is where it is stored; None if the decoder makes it. ``slack`` is how many of its pixels a pixel of the
    result needs at least, on each side: the copies inside of JPEG 2000 are too sharp, and not centered.
    """

    factor: int
    width: int
    height: int
    level: Level | None = None
    slack: int = 1


class Choice(msgspec.Struct, frozen=True):
    """A copy, and the ``region`` of it that a plan means.

    The region may be one pixel wider or higher than the copy; that pixel repeats its neighbor.
    """

    copy: Copy
    region: Box


def choose(plan: StoredPlan, copies: Iterable[Copy]) -> Choice:
    """Return the smallest copy from which the plan's picture can be made without losing or moving anything.

    The picture itself is the copy of factor 1. A copy serves a plan if it has at least as many pixels as the
    result. What begins or ends off the copy's grid would move by up to half a pixel of the copy, so that is only
    allowed where it is an eighth of a pixel of the result, and a last pixel that the copy lacks (sides that were
    rounded down) only where it is less than half of one.
    """
    best = Choice(Copy(1, plan.full_width, plan.full_height), plan.region)
    for copy in copies:
        if copy.factor > best.copy.factor and (region := _region(plan, copy)):
            best = Choice(copy, region)
    return best


def _region(plan: StoredPlan, copy: Copy) -> Box | None:
    region = plan.region
    across = _span(region.x, region.width, plan.full_width, plan.width * copy.slack, copy.factor, copy.width)
    down = _span(region.y, region.height, plan.full_height, plan.height * copy.slack, copy.factor, copy.height)
    return Box(across[0], down[0], across[1], down[1]) if across and down else None


def _span(start: int, length: int, full: int, wanted: int, factor: int, stored: int) -> tuple[int, int] | None:
    """Return start and length of one side in the copy's pixels; None if the copy does not serve."""
    end = start + length
    if start % factor or (end % factor and end != full):
        first, last = (start + factor // 2) // factor, (end + factor // 2) // factor
        moved = max(abs(first * factor - start), abs(last * factor - end))
        near = 8 * moved * wanted <= length and last - first >= wanted
        return (first, last - first) if near and last <= stored else None
    first, last = start // factor, math.ceil(end / factor)
    if last - first < wanted or first >= stored:
        return None
    if last > stored and (last > stored + 1 or last - first < 2 * wanted):
        return None
    return first, last - first


@lru_cache(maxsize=256)
def stored_levels(info: ImageInfo) -> tuple[Copy, ...]:
    """Return the levels that are whole-number copies: both sides the floor or ceiling of ``side / factor``."""
    lie_down = upright(info.orientation).inverse
    return tuple(
        Copy(factor, *lie_down.size(level.width, level.height), level)
        for level in info.levels
        if (factor := scale_factor((info.width, info.height), (level.width, level.height)))
    )
