"""The spellings of a plan: its canonical URI and its cache key (2.1 4.7, 3.0 4.8)."""

from urllib.parse import quote

from .geometry import Limits, largest
from .plan import Plan
from .request import decimal_text
from .tiles import follows_width

_SAFE = "!$&'()*+,:;=@"
"""What a quality's name may hold unencoded in a URI."""


def canonical_path(plan: Plan, image_size: tuple[int, int], limits: Limits, version: int, default_quality: str) -> str:
    """Return ``{region}/{size}/{rotation}/{quality}.{format}`` as the specification's canonical form has it."""
    size = _canonical_size_2(plan) if version == 2 else _canonical_size_3(plan, limits)
    return f"{_region(plan, image_size)}/{size}/{_ending(plan, quote(_quality(plan, default_quality), safe=_SAFE))}"


def key_path(plan: Plan, image_size: tuple[int, int], version: int, default_quality: str) -> str:
    """Return the same plan as viewers' tile arithmetic spells it, so that a seeded cache is a static level-0 site.

    Sizes are always numbers: ``w,h`` for version 3; for version 2 ``w,`` where that means the same.
    """
    size = f"{plan.width},"
    if version != 2 or not follows_width(plan):
        size += str(plan.height)
    return f"{_region(plan, image_size)}/{size}/{_ending(plan, _quality(plan, default_quality))}"


def key_identifier(identifier: str) -> str:
    """Return an identifier as the leading segments of a cache key: none of them is empty, ``.`` or ``..``."""
    return "/".join(
        f"%{segment}" if segment in ("", ".", "..") or segment.startswith("%") else segment
        for segment in identifier.split("/")
    )


def _region(plan: Plan, image_size: tuple[int, int]) -> str:
    region = plan.region
    if (region.width, region.height) == image_size:
        return "full"
    return f"{region.x},{region.y},{region.width},{region.height}"


def _quality(plan: Plan, default_quality: str) -> str:
    return "default" if plan.quality == default_quality else plan.quality


def _ending(plan: Plan, quality: str) -> str:
    return f"{'!' if plan.mirror else ''}{decimal_text(plan.degrees)}/{quality}.{plan.format}"


def _canonical_size_2(plan: Plan) -> str:
    if (plan.width, plan.height) == (plan.region.width, plan.region.height):
        return "full"
    return f"{plan.width}," if follows_width(plan) else f"{plan.width},{plan.height}"


def _canonical_size_3(plan: Plan, limits: Limits) -> str:
    sides = (plan.width, plan.height)
    if sides == largest(plan.region, limits):
        return "max"
    if plan.width <= plan.region.width and plan.height <= plan.region.height:
        return f"{plan.width},{plan.height}"
    return "^max" if sides == largest(plan.region, limits, upscale=True) else f"^{plan.width},{plan.height}"
