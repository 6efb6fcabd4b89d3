"""Stored tiles in a real browser: it shows what Pillow and libvips decode, whatever the file says of its colors."""

import base64
import io
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from browsing import chromium
from PIL import Image
from playwright.sync_api import Page
from test_pyramid import photograph, pyramid, read
from test_pyramid_strangers import pixels, without_adobe, written

from iiifkit.blob import BytesBlob
from iiifkit.image_api.plan import Box, Plan
from iiifkit.pyramid import slice_tile

SECOND = Plan(Box(256, 256, 256, 256), 256, 256, False, Fraction(0), "color", "jpg")

SHOWN = """async data => {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${data}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    let text = "";
    for (const byte of context.getImageData(0, 0, canvas.width, canvas.height).data) text += String.fromCharCode(byte);
    return btoa(text);
}"""

FILES = {
    "libvips, YCbCr": lambda: pyramid(photograph(700, 700)),
    "libvips, RGB": lambda: pyramid(photograph(700, 700), Q=95),
    "libvips, gray": lambda: pyramid(photograph(700, 700, bands=1)),
    "RGB that does not say so": lambda: without_adobe(pyramid(photograph(700, 700), Q=95)),
    "tifffile, YCbCr 4:2:2": lambda: written(pixels(), subdirectories=True, photometric="ycbcr", subsampling=(2, 1)),
    "tifffile, YCbCr 4:4:4": lambda: written(pixels(), subdirectories=False, photometric="ycbcr", subsampling=(1, 1)),
    "tifffile, RGB": lambda: written(
        pixels(), subdirectories=True, byteorder=">", photometric="rgb", compressionargs={"outcolorspace": "rgb"}
    ),
}


@pytest.fixture(scope="module")
def tiles() -> dict[str, bytes]:
    found = {}
    for name, make in FILES.items():
        data = make()
        index = read(data)
        tile = index.find(SECOND)
        assert tile is not None, name
        found[name] = slice_tile(index, tile, BytesBlob(data, "1"))
    return found


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


@pytest.mark.parametrize("name", FILES)
def test_a_browser_sees_what_libraries_decode(page: Page, tiles: dict[str, bytes], name: str) -> None:
    shown = base64.b64decode(page.evaluate(SHOWN, base64.b64encode(tiles[name]).decode()))
    seen = np.frombuffer(shown, np.uint8).reshape(256, 256, 4)
    decoded = np.asarray(Image.open(io.BytesIO(tiles[name])).convert("RGB"))
    assert (seen[..., 3] == 255).all()
    assert np.abs(seen[..., :3].astype(int) - decoded).max() <= 3
    photo = photograph(700, 700).numpy()[256:512, 256:512].mean(axis=(0, 1))
    if "libvips, gray" not in name and "tifffile" not in name:
        assert np.abs(seen[..., :3].mean(axis=(0, 1)) - photo).max() < 3
