"""Synthetic pictures of every kind that museums and phones make, and of the kinds that attackers make."""

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image

from iiifkit.testing.pictures import PILLOW_NAMES as PILLOW_NAMES

DATA = Path(skimage.__file__).parent / "data"
LOSSLESS: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 100, "subsampling": "4:4:4"},
    "png": {},
    "tif": {"compression": "tiff_adobe_deflate"},
    "gif": {},
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4", "speed": 9},
    "jp2": {},
}


@cache
def photograph(name: str = "astronaut.png", width: int | None = None, height: int | None = None) -> np.ndarray:
    """A real photograph as RGB, scaled if a size is given."""
    image = Image.open(DATA / name).convert("RGB")
    if width and height:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    array.setflags(write=False)
    return array


def encoded(array: np.ndarray, format: str, **options: Any) -> bytes:
    """A picture in a format, as nearly without loss as it can; ``options`` are Pillow's."""
    target = io.BytesIO()
    Image.fromarray(array).save(target, PILLOW_NAMES[format], **(LOSSLESS[format] | options))
    return target.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """What Pillow sees in an encoded picture; 1-bit pictures as 0 and 255, palettes as RGB or RGBA."""
    image = Image.open(io.BytesIO(data))
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image.convert("L") if image.mode == "1" else image)


# What the EXIF orientation says about the stored picture, as array operations that make it lie down again.
_LIE_DOWN = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def oriented(array: np.ndarray, orientation: int, format: str = "jpg") -> bytes:
    """A file whose upright picture is ``array``, stored as a camera held in another way stores it."""
    stored = np.ascontiguousarray(_LIE_DOWN[orientation](array))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, format, exif=exif)


def png(array: np.ndarray, color_type: int, bits: int = 8) -> bytes:
    """A PNG of any depth that Pillow cannot write: ``array`` holds 8- or 16-bit samples."""
    height, width = array.shape[:2]
    rows = array.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def sixteen_bit_png(array: np.ndarray) -> bytes:
    """A 16-bit PNG, RGB or gray, of an 8-bit picture; 255 becomes 65,535."""
    return png(array.astype(np.uint16) * 257, 2 if array.ndim == 3 else 0, bits=16)


def sixteen_bit_tiff(array: np.ndarray) -> bytes:
    """A 16-bit TIFF, RGB or gray."""
    return tiff(array.astype(np.uint16) * 257)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    """A TIFF as tifffile writes it, with ``options`` such as ``tile`` and ``planarconfig``."""
    import tifffile

    target = io.BytesIO()
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(target, array, **({"photometric": photometric, "compression": "zlib"} | options))
    return target.getvalue()


def planar_tiff(array: np.ndarray) -> bytes:
    """A TIFF with one plane for each color."""
    return tiff(np.moveaxis(array, 2, 0), planarconfig="separate", photometric="rgb", rowsperstrip=16)


def halved(array: np.ndarray, factor: int) -> np.ndarray:
    """The mean of each square of ``factor`` pixels; sides are rounded down, as libvips does."""
    height, width = array.shape[0] // factor, array.shape[1] // factor
    squares = array[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    return np.round(squares.mean(axis=(1, 3))).astype(np.uint8)


def pyramid(
    array: np.ndarray, subdirectories: bool = False, factors: tuple[int, ...] = (2, 4), **options: Any
) -> bytes:
    """A tiled TIFF with smaller copies of itself, as further pages or as sub-directories."""
    return stacked(array, [halved(array, factor) for factor in factors], subdirectories, **options)


def stacked(array: np.ndarray, copies: list[np.ndarray], subdirectories: bool = False, **options: Any) -> bytes:
    """A tiled TIFF that calls ``copies`` smaller copies of it, whether they are or not."""
    import tifffile

    common = {"photometric": "rgb", "compression": "zlib", "tile": (64, 64)} | options
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        writer.write(array, subifds=len(copies) if subdirectories else 0, **common)
        for copy in copies:
            writer.write(copy, subfiletype=1, **common)
    return target.getvalue()


def scan(arrays: list[np.ndarray]) -> bytes:
    """A TIFF of several pages that are pictures of their own."""
    import tifffile

    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        for array in arrays:
            writer.write(array, photometric="rgb", compression="zlib", tile=(64, 64))
    return target.getvalue()


SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_D65_TO_D50 = np.array(
    [[1.0478112, 0.0228866, -0.0501270], [0.0295424, 0.9904844, -0.0170491], [-0.0092345, 0.0150436, 0.7521316]]
)


def to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """The matrix from linear RGB with white D65 to XYZ with white D50."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return _D65_TO_D50 @ (columns * np.linalg.solve(columns, white))


def profile(primaries: tuple[tuple[float, float], ...], gamma: float | None) -> bytes:
    """An ICC profile of version 2 with these primaries; ``gamma`` None means sRGB's own tone curve."""

    def xyz(values: Any) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    if gamma is None:
        curve = b"curv\0\0\0\0" + struct.pack(
            ">I1024H", 1024, *(round(65535 * v) for v in linear(np.arange(1024) / 1023))
        )
    else:
        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"a test profile\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * (11 + 68 + 2)
    matrix = to_xyz(primaries)
    tags = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        b"rXYZ": xyz(matrix[:, 0]),
        b"gXYZ": xyz(matrix[:, 1]),
        b"bXYZ": xyz(matrix[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def linear(values: np.ndarray) -> np.ndarray:
    """sRGB's tone curve: stored values to light, both 0 to 1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def stored(light: np.ndarray) -> np.ndarray:
    """The inverse of `linear`."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def seen_in_srgb(array: np.ndarray, primaries: tuple[tuple[float, float], ...], gamma: float | None) -> np.ndarray:
    """What a picture with that profile looks like in sRGB, by the textbook's matrices."""
    values = array / 255
    light = linear(values) if gamma is None else values**gamma
    converted = light @ to_xyz(primaries).T @ np.linalg.inv(to_xyz(SRGB)).T
    return np.round(stored(converted) * 255).astype(np.uint8)


def animation(format: str, arrays: list[np.ndarray], milliseconds: int = 100) -> bytes:
    """An animated GIF or WebP."""
    frames = [Image.fromarray(array) for array in arrays]
    return encoded(arrays[0], format, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)


def truncated(data: bytes, share: float = 0.5) -> bytes:
    """The first part of a file."""
    return data[: int(len(data) * share)]


def oversized_png() -> bytes:
    """A PNG of a hundred bytes that announces 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


def oversized_gif() -> bytes:
    """A GIF that announces 65,535 x 65,535 pixels and has one."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return screen + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;"


def tiff_in_a_circle() -> bytes:
    """A TIFF whose second directory is its first."""
    entry = struct.pack("<HHII", 256, 4, 1, 100) + struct.pack("<HHII", 257, 4, 1, 100)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + entry + struct.pack("<I", 8)
