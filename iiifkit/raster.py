"""The neutral 8-bit picture that engines and qualities exchange, and sequences of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Raster(msgspec.Struct, frozen=True):
    """A picture in memory: 8 bits a sample, rows from the top, samples of a pixel side by side.

    ``bands`` is 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha); colors are sRGB, alpha is
    not premultiplied. ``data`` holds ``width * height * bands`` bytes. NumPy reads it without a copy:
    ``numpy.asarray(raster)`` has the shape ``(height, width, bands)``, or ``(height, width)`` for gray.
    """

    width: int
    height: int
    bands: int
    data: bytes

    def __post_init__(self) -> None:
        """Refuse a picture whose parts do not fit together. Raises `ValueError`."""
        if self.bands not in MODES or self.width < 1 or self.height < 1:
            raise ValueError(f"a Raster of {self.width}x{self.height} pixels, {self.bands} bands is not possible")
        if len(self.data) != self.width * self.height * self.bands:
            raise ValueError(
                f"a Raster of {self.width}x{self.height} pixels, {self.bands} bands needs "
                f"{self.width * self.height * self.bands} bytes, not {len(self.data)}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array that NumPy sees."""
        return (self.height, self.width) if self.bands == 1 else (self.height, self.width, self.bands)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """NumPy's protocol, so that ``numpy.asarray(raster)`` works without a copy."""
        return {"version": 3, "shape": self.shape, "typestr": "|u1", "data": self.data}

    @classmethod
    def from_array(cls, array: Any) -> "Raster":
        """Take an array of unsigned bytes, of shape ``(height, width)`` or ``(height, width, bands)``.

        Raises `ValueError` for another shape or type.
        """
        shape = tuple(array.shape)
        if str(array.dtype) != "uint8" or len(shape) not in (2, 3):
            raise ValueError(f"an array of uint8 and 2 or 3 dimensions is needed, not {array.dtype} {shape}")
        return cls(shape[1], shape[0], shape[2] if len(shape) == 3 else 1, array.tobytes())

    @classmethod
    def from_pillow(cls, image: "Image") -> "Raster":
        """Take a Pillow image of mode L, LA, RGB or RGBA; another mode is converted to RGB or RGBA."""
        if image.mode not in MODES.values():
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        return cls(image.width, image.height, len(image.getbands()), image.tobytes())

    def to_pillow(self) -> "Image":
        """Return the same picture as a Pillow image."""
        from PIL import Image

        return Image.frombytes(MODES[self.bands], (self.width, self.height), self.data)


class Frame(msgspec.Struct, frozen=True):
    """One picture of an animation and how long it is shown, in milliseconds."""

    raster: Raster
    milliseconds: int


class Animation(msgspec.Struct, frozen=True):
    """Frames of one size, shown one after the other; ``loop`` 0 repeats for ever.

    Formats that carry animations (gif, webp) store all of it, the others its last frame.
    """

    frames: Sequence[Frame]
    loop: int = 0

    def __post_init__(self) -> None:
        """Refuse an animation without frames, or with frames of several shapes. Raises `ValueError`."""
        if len({frame.raster.shape for frame in self.frames}) != 1:
            raise ValueError("an Animation needs at least one frame, and all frames of one shape")

    @property
    def last(self) -> Raster:
        """The last frame's picture."""
        return self.frames[-1].raster
