"""How pictures are stored: the encoder settings of each format, as the config's ``encode`` block gives them."""

from typing import Annotated, Literal

import msgspec

Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class JpegOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``quality`` 1 to 100. ``progressive`` is smaller, but slower to make.

    ``subsampling`` ``auto`` halves the color resolution below quality 90; ``4:4:4`` never, ``4:2:0`` always.
    """

    quality: Percent = 80
    progressive: bool = False
    subsampling: Literal["auto", "4:4:4", "4:2:0"] = "auto"


class PngOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``compression`` 0 (none, fast) to 9 (small, slow)."""

    compression: Annotated[int, msgspec.Meta(ge=0, le=9)] = 6


class TifOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``compression`` of the strips; ``jpeg`` and ``webp`` lose detail.

    What cannot be stored so is deflated: bitonal pictures, transparent ones as ``jpeg``, gray ones as ``webp``, and
    all as ``webp`` by the engine Pillow.
    """

    compression: Literal["none", "deflate", "lzw", "jpeg", "webp"] = "deflate"

    def compression_of(self, bands: int, bitonal: bool) -> str:
        """Return the compression of a picture: what cannot be stored as asked for is deflated."""
        impossible = bitonal or bands not in {"jpeg": (1, 3), "webp": (3, 4)}.get(self.compression, (bands,))
        return "deflate" if impossible and self.compression in ("jpeg", "webp") else self.compression


class GifOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``effort`` 1 (fast) to 10 (better palettes)."""

    effort: Annotated[int, msgspec.Meta(ge=1, le=10)] = 7


class WebpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``quality`` 1 to 100, ``effort`` 0 (fast) to 6 (small). ``lossless`` keeps every pixel."""

    quality: Percent = 80
    effort: Annotated[int, msgspec.Meta(ge=0, le=6)] = 2
    lossless: bool = False


class AvifOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``quality`` 1 to 100, ``effort`` 0 (fast) to 9 (small, very slow). ``lossless`` keeps nearly every pixel."""

    quality: Percent = 60
    effort: Annotated[int, msgspec.Meta(ge=0, le=9)] = 1
    lossless: bool = False


class Jp2Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``quality`` 1 to 99 asks for a signal-to-noise ratio of 20 + 0.3 * quality decibels; 100 is lossless."""

    quality: Percent = 80

    @property
    def decibels(self) -> int | None:
        """The signal-to-noise ratio to reach; None if every pixel is kept."""
        return None if self.quality == 100 else round(20 + 0.3 * self.quality)


class PdfOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``quality`` 1 to 100 of the JPEG on the page."""

    quality: Percent = 80


class EncodeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of every format that is written."""

    jpg: JpegOptions = JpegOptions()
    png: PngOptions = PngOptions()
    tif: TifOptions = TifOptions()
    gif: GifOptions = GifOptions()
    webp: WebpOptions = WebpOptions()
    avif: AvifOptions = AvifOptions()
    jp2: Jp2Options = Jp2Options()
    pdf: PdfOptions = PdfOptions()
