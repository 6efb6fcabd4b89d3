"""The config block ``primitive``."""

from typing import Annotated

from msgspec import Meta, Struct


class PrimitiveOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What requests may ask for.

    ``max_iterations`` bounds the shapes of a picture, ``max_pixels`` its width times height. ``animate_webp`` makes
    webp an animation, as gif is.
    """

    max_iterations: Annotated[int, Meta(ge=1, le=10_000)] = 100
    max_pixels: Annotated[int, Meta(ge=1, le=100_000_000)] = 25_000_000
    animate_webp: bool = False
