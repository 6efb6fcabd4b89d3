"""Tile arithmetic: which tiles and sizes an image has (implementation notes of 2.1 and 3.0; integers only)."""

from collections.abc import Callable, Iterator

from .image import ImageInfo
from .plan import Box, Plan

Allow = Callable[[int, int], bool]

_USUAL_SIDES = range(128, 1025, 16)


def ceil_div(number: int, divisor: int) -> int:
    """Divide and round up, as viewers do at the right and lower edges."""
    return -(-number // divisor)


def scale_factors(width: int, height: int, tile_width: int, tile_height: int) -> list[int]:
    """Return the powers of two from 1 to the first at which the whole image fits into one tile."""
    factors = [1]
    while ceil_div(width, factors[-1]) > tile_width or ceil_div(height, factors[-1]) > tile_height:
        factors.append(factors[-1] * 2)
    return factors


def sizes(width: int, height: int, factors: list[int]) -> list[tuple[int, int]]:
    """Return the size of the whole image at each factor, smallest first; sides are rounded up."""
    return [(ceil_div(width, factor), ceil_div(height, factor)) for factor in reversed(factors)]


def tile_side(image: ImageInfo, prepared: int) -> int:
    """Return the side of the tiles that an image is best cut into.

    That is its stored tiles' if they are square and of 128 to 1024 pixels (TIFF has multiples of 16), else
    ``prepared``.
    """
    side, height = image.tile or (0, 0)
    return side if side == height and side in _USUAL_SIDES else prepared


def tile_size(image: ImageInfo, prepared: int, allow: Allow) -> tuple[int, int]:
    """Return the tile size that an image advertises: that of its stored tiles, or what it will be ``prepared`` with.

    It is halved until it lies within the limits.
    """
    side = tile_side(image, prepared)
    while side > 1 and not allow(side, side):
        side //= 2
    return side, side


def grid(width: int, height: int, tile_width: int, tile_height: int, factor: int) -> Iterator[tuple[Box, int, int]]:
    """Yield ``(region, width, height)`` of every tile at one scale factor, row by row."""
    for y in range(0, height, tile_height * factor):
        for x in range(0, width, tile_width * factor):
            region = Box(x, y, min(tile_width * factor, width - x), min(tile_height * factor, height - y))
            yield region, ceil_div(region.width, factor), ceil_div(region.height, factor)


def is_listed(plan: Plan, image: ImageInfo, allow: Allow, prepared: int) -> bool:
    """Return whether a plan is one of the tiles or sizes that info.json lists; they are served at any level (S-1).

    A side may be one pixel off what is listed, because the form ``w,h`` rounds in many ways at the edges; the height
    may be what the form ``w,`` makes of the width, which is another one for strips of a few pixels.
    """
    if not plan.upright:
        return False
    tile_width, tile_height = tile_size(image, prepared, allow)
    factors = scale_factors(image.width, image.height, tile_width, tile_height)
    region = plan.region
    if (region.width, region.height) == (image.width, image.height):
        listed = sizes(image.width, image.height, factors)
        if any(abs(plan.width - width) <= 1 and abs(plan.height - height) <= 1 for width, height in listed):
            return True
    return any(
        region.x % (tile_width * factor) == 0
        and region.y % (tile_height * factor) == 0
        and region.width == min(tile_width * factor, image.width - region.x)
        and region.height == min(tile_height * factor, image.height - region.y)
        and abs(plan.width - ceil_div(region.width, factor)) <= 1
        and (abs(plan.height - ceil_div(region.height, factor)) <= 1 or follows_width(plan))
        for factor in factors
    )


def follows_width(plan: Plan) -> bool:
    """Return whether the form ``w,`` means this plan's size: its height is the region's, to the nearest pixel."""
    doubled = 2 * plan.width * plan.region.height
    return max(1, (doubled + plan.region.width) // (2 * plan.region.width)) == plan.height
