"""The quality ``primitive``: checks what is asked for, and has it painted once the code is compiled."""

from iiifkit import Animation, BadRequest, QualityRequest, Raster

from .options import PrimitiveOptions
from .warming import Warming
from .wish import Wish

LONGEST_SIDE = 65_535


class PrimitiveQuality:
    """Makes a picture of geometric shapes out of another. Safe to use from several threads at once."""

    def __init__(self, options: PrimitiveOptions) -> None:
        """Keep the limits of the config block."""
        self._options = options
        self._warming = Warming()

    def check(self, text: str) -> None:
        """Raise `BadRequest` if the parameter is not of the form, or asks for more than the config allows."""
        Wish.parse(text, self._options.max_iterations)

    def apply(self, raster: Raster, request: QualityRequest) -> Raster | Animation:
        """Return the picture of shapes, of the same size and bands; an `Animation` of its making for gif.

        Raises `BadRequest` as `check` does and for a picture that is too large, or `Stopped`.
        """
        wish = Wish.parse(request.text, self._options.max_iterations)
        self._check_size(raster)
        self._warming.wait(request.work)
        from .painting import animate, paint

        animated = request.format == "gif" or (request.format == "webp" and self._options.animate_webp)
        return (animate if animated else paint)(raster, wish, request.work)

    def _check_size(self, raster: Raster) -> None:
        width, height, most = raster.width, raster.height, self._options.max_pixels
        if width * height > most:
            raise BadRequest(
                f"The quality primitive is limited to {most:,} pixels, and this picture would have {width * height:,}; "
                "ask for a smaller size."
            )
        if max(width, height) > LONGEST_SIDE:
            raise BadRequest(
                f"The quality primitive is limited to {LONGEST_SIDE:,} pixels a side, and this picture would have "
                f"{width:,} x {height:,}; ask for a smaller size."
            )
