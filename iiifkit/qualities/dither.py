"""The quality ``dither``: black and white halftones by Atkinson's error diffusion, as go-iiif makes them."""

from ..contracts import QualityRequest
from ..errors import BadRequest
from ..raster import Raster

LUMINANCE = (19595, 38470, 7471)
"""Weights of red, green and blue in 65536ths: Rec. 601, as go-iiif has it."""


class Dither:
    """Atkinson dithering of the picture's gray; every sample is 0 or 255. Transparency is flattened on white."""

    def check(self, text: str) -> None:
        """Accept ``dither`` alone: it has no parameters."""
        if text != "dither":
            raise BadRequest(f"The quality {text!r} has no parameters; write dither.")

    def apply(self, raster: Raster, request: QualityRequest) -> Raster:
        """Return a one-band picture of the same size."""
        import dithering
        import numpy

        samples = numpy.asarray(raster)
        if raster.bands in (2, 4):
            alpha = samples[..., -1:].astype(numpy.uint16)
            colors = samples[..., :-1].astype(numpy.uint16)
            samples = ((colors * alpha + 255 * (255 - alpha) + 127) // 255).astype(numpy.uint8)
        if raster.bands in (3, 4):
            red, green, blue = (samples[..., band].astype(numpy.uint32) * LUMINANCE[band] for band in range(3))
            gray = ((red + green + blue + 32768) >> 16).astype(numpy.uint8)
        else:
            gray = samples.reshape(raster.height, raster.width)
        return Raster.from_array(dithering.error_diffusion(numpy.ascontiguousarray(gray), "atkinson"))
