"""The door: the quality ``primitive``, offered to iiifkit."""

from collections.abc import Mapping

from iiifkit import Environment, Offer, Quality, hookimpl

from .options import PrimitiveOptions


@hookimpl
def iiifkit_qualities() -> Mapping[str, Offer[Quality]]:
    """Primitive."""
    return {"primitive": Offer(_build, block="primitive", block_options=PrimitiveOptions, summary="geometric shapes")}


def _build(_: object, environment: Environment) -> Quality:
    from .quality import PrimitiveQuality

    return PrimitiveQuality(environment.block or PrimitiveOptions())
