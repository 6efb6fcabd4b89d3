"""Tiled TIFF files whose planes lie apart: every kind shows what the same picture shows with its samples together."""

import io
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pictures
import pytest
import pyvips
import tifffile

from iiifkit.blob import Blob, BytesBlob
from iiifkit.engines.pillow import PillowEngine
from iiifkit.engines.vips import VipsEngine
from iiifkit.errors import IIIFKitError, UnsupportedImage
from iiifkit.image_api.plan import Box, Plan
from iiifkit.tiff import Plane, first_page

PHOTOGRAPH = pictures.photograph("coffee.png", 500, 400)
ENGINE = VipsEngine()


def apart(array: np.ndarray, byteorder: str = "<", big: bool = False, levels: int = 2, **options: Any) -> bytes:
    """A pyramid of ``array``, whose samples come last, in planes."""
    settings: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb", "planarconfig": "separate", "metadata": None}
    target = io.BytesIO()
    with tifffile.TiffWriter(target, byteorder=byteorder, bigtiff=big) as writer:
        for level in range(levels):
            planes = np.ascontiguousarray(np.moveaxis(array[:: 2**level, :: 2**level], 2, 0))
            writer.write(planes, subfiletype=int(level > 0), **(settings | options))
    return target.getvalue()


def seen(data: bytes, region: Box, width: int, height: int, engine: Any = ENGINE) -> np.ndarray:
    blob = BytesBlob(data, "1")
    plan = Plan(region, width, height, False, Fraction(0), "color", "png")
    return np.asarray(engine.transform(blob, engine.probe(blob, "tif"), plan).raster())


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "jpeg"])
def test_they_are_read_tile_by_tile(byteorder: str, big: bool, compression: str | None) -> None:
    data = apart(PHOTOGRAPH, byteorder, big, compression=compression)
    for region, size in ((Box(128, 128, 256, 200), (256, 200)), (Box(0, 0, 500, 400), (500, 400))):
        wanted = PHOTOGRAPH[region.y : region.y + region.height, region.x : region.x + region.width]
        assert np.abs(seen(data, region, *size).astype(int) - wanted).mean() < (2 if compression == "jpeg" else 1e-9)
    half = seen(data, Box(0, 0, 256, 256), 128, 128)
    assert np.abs(half.astype(int) - PHOTOGRAPH[:256:2, :256:2]).mean() < 2


@pytest.mark.parametrize("predictor", [False, True])
def test_sixteen_bits(predictor: bool) -> None:
    deep = PHOTOGRAPH.astype(np.uint16) * 257
    data = apart(deep, ">", compression="zlib", predictor=predictor)
    assert np.array_equal(seen(data, Box(100, 50, 300, 200), 300, 200), PHOTOGRAPH[50:250, 100:400])


def test_alpha_and_what_comes_after_it() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 500).astype(np.uint8), (400, 500))
    more = np.dstack([PHOTOGRAPH, ramp, 255 - ramp])
    data = apart(more, extrasamples=("unassalpha", "unspecified"))
    result = seen(data, Box(0, 0, 500, 400), 500, 400)
    assert np.array_equal(result, more[..., :4])


def test_inks_and_profiles() -> None:
    picture = pyvips.Image.new_from_array(PHOTOGRAPH).copy(interpretation="srgb")
    inks = picture.icc_transform("cmyk", input_profile="srgb")
    profile = bytes(inks.get("icc-profile-data"))
    together = inks.tiffsave_buffer(tile=True, tile_width=128, tile_height=128)
    data = apart(inks.numpy(), photometric="separated", iccprofile=profile)
    region = Box(0, 0, 500, 400)
    assert np.array_equal(seen(data, region, 500, 400), seen(together, region, 500, 400))
    wide = apart(PHOTOGRAPH, iccprofile=pictures.profile(pictures.DISPLAY_P3, None))
    wanted = pictures.seen_in_srgb(PHOTOGRAPH, pictures.DISPLAY_P3, None)
    assert np.abs(seen(wide, region, 500, 400).astype(int) - wanted).mean() < 2


def test_both_engines_agree() -> None:
    data = apart(PHOTOGRAPH, compression="jpeg")
    region = Box(30, 40, 300, 200)
    assert np.array_equal(seen(data, region, 300, 200), seen(data, region, 300, 200, PillowEngine()))


def test_a_picture_of_one_tile_keeps_its_lists_in_the_directory() -> None:
    small = np.ascontiguousarray(PHOTOGRAPH[:100, :120])
    for options in ({"byteorder": ">"}, {"big": True}, {"byteorder": ">", "big": True}):
        assert np.array_equal(seen(apart(small, levels=1, **options), Box(0, 0, 120, 100), 120, 100), small)


@pytest.mark.parametrize("kind", ["float", "cielab"])
def test_other_kinds_are_refused_by_name(kind: str) -> None:
    array = PHOTOGRAPH.astype(np.float32) if kind == "float" else PHOTOGRAPH
    data = apart(array, photometric="rgb" if kind == "float" else "cielab")
    with pytest.raises(UnsupportedImage, match="keeps its colors apart"):
        seen(data, Box(0, 0, 256, 256), 256, 256)


def test_a_plane_is_a_blob() -> None:
    data = apart(PHOTOGRAPH, ">", compression="zlib")
    blob = BytesBlob(data, "1")
    for number in range(3):
        plane: Blob = Plane(blob, first_page(blob), number)
        whole = plane.read_all()
        assert len(whole) == plane.size > len(data)
        assert whole[8 : len(data)] == data[8:]
        for start, length in ((0, 4), (2, 4), (4, 100), (7, 1), (8, 50), (len(data) - 3, 50), (len(data) + 2, 9)):
            assert plane.read(start, length) == whole[start : start + length]
        assert plane.read(plane.size, 5) == b""
        gray = tifffile.imread(io.BytesIO(whole))
        assert np.array_equal(gray, PHOTOGRAPH[..., number])


def test_damage_is_a_picture_or_an_error() -> None:
    data = apart(PHOTOGRAPH, compression="zlib")
    random = np.random.default_rng(7)
    (first,) = struct.unpack_from("<I", data, 4)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(int(random.integers(1, 4))):
            damaged[first + int(random.integers(0, 240))] = int(random.integers(0, 256))
        try:
            seen(bytes(damaged), Box(0, 0, 200, 200), 100, 100)
        except (IIIFKitError, ZeroDivisionError) as error:
            assert isinstance(error, IIIFKitError)
