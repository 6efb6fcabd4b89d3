"""What is known of one image before a pixel of it is decoded."""

import msgspec

LARGEST_TILE = 2048
"""The longest side of stored tiles, in pixels, that are worth reading one by one."""


class Level(msgspec.Struct, frozen=True):
    """A smaller copy of the picture that is stored inside the same file.

    ``width`` and ``height`` are in pixels, upright. ``locator`` is the engine's own: a page or a
    sub-directory number. ``subdirectory`` says which of the two it is.
    """

    width: int
    height: int
    locator: int
    subdirectory: bool = False


class ImageInfo(msgspec.Struct, frozen=True):
    """Size and nature of an image: what info.json publishes, and what a render needs to know.

    ``width`` and ``height`` are those of the upright picture, after the EXIF orientation (1 to 8).
    ``format`` is the name of the format it is stored in (``jpg``, ``png``, ``tif``, ``webp``, ``gif``,
    ``avif``, ``jp2``). ``color`` is False for pictures that are gray or bitonal. ``tile`` is the
    size of the stored tiles, if the file has any. ``levels`` lists stored smaller copies, largest
    first, without the full picture itself.
    """

    width: int
    height: int
    format: str
    color: bool = True
    alpha: bool = False
    bits: int = 8
    orientation: int = 1
    tile: tuple[int, int] | None = None
    levels: tuple[Level, ...] = ()
    progressive: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def is_pyramid(self) -> bool:
        """Whether the file is tiled and holds smaller copies, so that every part of it is cheap to cut.

        Tiles so large that a small part takes the decoding of millions of pixels do not make it cheap.
        """
        return self.tile is not None and max(self.tile) <= LARGEST_TILE and bool(self.levels)
