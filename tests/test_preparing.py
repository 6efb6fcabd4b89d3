"""Pyramids as a service uses them: which plans are sliced, which start a build, and that every picture is right."""

import io
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
import pyvips
from PIL import Image

from iiifkit.assembly import assemble
from iiifkit.blob import FileBlob
from iiifkit.errors import BrokenImage
from iiifkit.image_api.image import ImageInfo, Level
from iiifkit.image_api.plan import Box, Plan
from iiifkit.preparing import Preparing
from iiifkit.pyramid import read_index
from iiifkit.service import Service
from iiifkit.tiff import Tiff

Made = Callable[..., Service]
COMPRESSION = 259


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    return made


@pytest.fixture
def service(folder: Path, tmp_path: Path) -> Made:
    """``service(**prepare)`` serves the folder, keeps pyramids, prepares all images, and keeps no derivatives."""

    def opened(**prepare: Any) -> Service:
        config: dict[str, Any] = {
            "images": {
                "source": {"name": "Disk", "path": str(folder)},
                "cache": {"name": "Disk", "path": str(tmp_path / "images")},
            },
            "derivatives": {"cache": {"name": "Null"}},
            "prepare": {"min_pixels": 0, **prepare},
        }
        return assemble(config).service

    return opened


def photograph(width: int, height: int) -> np.ndarray:
    return pictures.photograph("coffee.png", width, height)


def own(array: np.ndarray, side: int, levels: bool = True) -> bytes:
    """A tiled TIFF of JPEG tiles, as the user may have it."""
    picture = pyvips.Image.new_from_array(array).copy(interpretation="srgb")
    options = {"tile": True, "tile_width": side, "tile_height": side, "compression": "jpeg", "Q": 85}
    return picture.tiffsave_buffer(pyramid=levels, **options)


def pixels(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), float)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def built(tmp_path: Path) -> list[Path]:
    """The pyramids in the image cache."""
    return [path for path in (tmp_path / "images").rglob("*") if path.is_file() and "%pyramids" in str(path)]


# Which tiles are sliced


@pytest.mark.parametrize("side", [128, 384, 512])
def test_every_whole_tile_of_an_own_pyramid_is_sliced(folder: Path, service: Made, side: int) -> None:
    (folder / "own.tif").write_bytes(own(photograph(1600, 1100), side))
    serving = service()
    document = serving.document("own.tif", "http://x", 3)
    assert document["tiles"][0]["width"] == side
    for factor in (1, 2):
        span = side * factor
        for x in range(0, 1600 - span + 1, span):
            for y in range(0, 1100 - span + 1, span):
                path = f"own.tif/{x},{y},{span},{span}/{side},{side}/0/default.jpg"
                assert serving.answer(path, 3).how == "slice", path


def test_other_formats_are_made_of_an_own_pyramid_that_is_open(folder: Path, service: Made) -> None:
    array = photograph(1600, 1100)
    (folder / "own.tif").write_bytes(own(array, 256))
    serving = service()
    tile = serving.answer("own.tif/256,256,256,256/256,256/0/default.jpg", 3)
    known = serving.look("own.tif")
    serving.originals.open = None  # type: ignore[assignment,method-assign]
    png = serving.answer("own.tif/256,256,256,256/256,256/0/default.png", 3)
    assert (tile.how, png.how) == ("slice", "render")
    assert np.array_equal(pixels(png.body), pixels(tile.body))
    odd = serving.answer("own.tif/301,17,200,100/200,100/0/default.png", 3)
    assert difference(pixels(odd.body), array[17:117, 301:501]) < 4
    assert serving.pyramids.ready(known) is not None


@pytest.mark.parametrize(
    ("stored", "side", "factors"), [(512, 512, [1, 2, 4, 8]), (1024, 1024, [1, 2, 4]), (64, 256, [1, 2, 4, 8, 16])]
)
def test_what_is_prepared_has_the_tiles_that_were_advertised(
    folder: Path, service: Made, stored: int, side: int, factors: list[int]
) -> None:
    (folder / "single.tif").write_bytes(own(photograph(2300, 1200), stored, levels=False))
    serving = service()
    assert serving.document("single.tif", "http://x", 3)["tiles"] == [{"width": side, "scaleFactors": factors}]
    for factor in (1, 2) if side < 1024 else (1,):
        path = f"single.tif/{side * factor},0,{side * factor},{side * factor}/{side},{side}/0/default.jpg"
        assert serving.answer(path, 3).how == "slice"


# What starts a build


@pytest.mark.parametrize(
    "path",
    ["full/max/0/default.jpg", "full/!400,400/0/default.jpg", "full/100,/0/gray.jpg", "square/150,/0/default.jpg"],
)
def test_thumbnails_and_whole_images_start_no_build_but_use_what_is_there(
    folder: Path, service: Made, tmp_path: Path, path: str
) -> None:
    array = photograph(1500, 1100)
    Image.fromarray(array).save(folder / "a.jpg", quality=95)
    first = service().answer(f"a.jpg/{path}", 3)
    assert first.how == "render"
    assert built(tmp_path) == []
    assert service().answer("a.jpg/0,0,512,512/256,256/0/default.jpg", 3).how == "slice"
    assert len(built(tmp_path)) == 1
    serving = service()
    again = serving.answer(f"a.jpg/{path}", 3)
    assert serving.pyramids.ready(serving.look("a.jpg")) is not None
    assert difference(pixels(first.body), pixels(again.body)) < 4


def test_lossless_formats_and_cuts_off_the_grid_read_the_original(folder: Path, service: Made, tmp_path: Path) -> None:
    array = photograph(1500, 1100)
    Image.fromarray(array).save(folder / "a.png")
    serving = service(quality=20)
    png = serving.answer("a.png/512,512,256,256/256,256/0/default.png", 3)
    assert np.array_equal(pixels(png.body), array[512:768, 512:768])
    cut = serving.answer("a.png/13,7,256,256/256,256/0/default.jpg", 3)
    assert difference(pixels(cut.body), array[7:263, 13:269]) < 3
    assert built(tmp_path) == []


def test_small_images_are_left_alone(folder: Path, service: Made, tmp_path: Path) -> None:
    Image.fromarray(photograph(1000, 1000)).save(folder / "a.jpg")
    path = "a.jpg/0,0,256,256/256,256/0/default.jpg"
    assert service(min_pixels=1_000_001).answer(path, 3).how == "render"
    assert service(enabled=False).answer(path, 3).how == "render"
    assert built(tmp_path) == []
    assert service(min_pixels=1_000_000).answer(path, 3).how == "slice"


def test_a_pyramid_that_is_too_large_is_not_kept(folder: Path, service: Made, tmp_path: Path) -> None:
    Image.fromarray(photograph(1000, 1000)).save(folder / "a.jpg")
    serving = service(max_bytes=20_000)
    assert serving.answer("a.jpg/0,0,256,256/256,256/0/default.jpg", 3).how == "render"
    assert not serving.pyramids.wanted(
        serving.resolve(serving.parse("a.jpg/0,0,256,256/256,256/0/default.jpg", 3), serving.look("a.jpg")).plan,
        serving.look("a.jpg"),
    ), "the next tile must not build it again"
    assert [path for path in (tmp_path / "images").rglob("*") if path.is_file()] == []


def test_a_failed_build_harms_no_other_image(folder: Path, service: Made, tmp_path: Path) -> None:
    Image.fromarray(photograph(1500, 1100)).save(folder / "a.jpg")
    data = (folder / "a.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(data[: len(data) // 2])
    serving = service()
    for _ in range(2):
        with pytest.raises(BrokenImage):
            serving.answer("half.jpg/0,0,256,256/256,256/0/default.jpg", 3)
        assert serving.answer("a.jpg/0,0,256,256/256,256/0/default.jpg", 3).how == "slice"
    assert len(built(tmp_path)) == 1
    left = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert left == built(tmp_path)


def test_a_changed_image_gets_a_new_pyramid(folder: Path, service: Made) -> None:
    tile = "a.jpg/0,0,512,512/256,256/0/default.jpg"
    serving = service()
    for color in ((250, 0, 0), (0, 0, 250)):
        Image.new("RGB", (1200, 1100), color).save(folder / "a.jpg")
        answer = serving.answer(tile, 3)
        assert answer.how == "slice"
        assert difference(pixels(answer.body).mean(axis=(0, 1)), np.array(color)) < 4


@pytest.mark.parametrize("part", [(0, 4), (4, 8), (0.2, 0.9), (0.99, 1.0)])
def test_a_damaged_pyramid_is_not_used_and_goes(
    folder: Path, service: Made, tmp_path: Path, part: tuple[float, float], caplog: pytest.LogCaptureFixture
) -> None:
    array = photograph(1500, 1100)
    Image.fromarray(array).save(folder / "a.jpg", quality=95)
    paths = ["a.jpg/512,0,512,512/256,256/0/default.jpg", "a.jpg/1024,512,476,512/238,256/0/default.jpg"]
    serving = service()
    wanted = [pixels(serving.answer(path, 3).body) for path in paths]
    (kept,) = built(tmp_path)
    status, size, sound = kept.stat(), kept.stat().st_size, kept.read_bytes()
    first, last = (number if part[1] > 1 else int(number * size) for number in part)
    with kept.open("r+b") as file:
        file.seek(int(first))
        file.write(b"\x07" * (int(last) - int(first)))
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    for serving in (service(), service()):
        for path, expected in zip(paths, wanted, strict=True):
            assert difference(pixels(serving.answer(path, 3).body), expected) < 4
    assert [path.read_bytes() for path in built(tmp_path)] in ([], [sound]), "removed, or built anew"
    assert "a pyramid could not be read, so the original is" in caplog.text or "the image cache failed" in caplog.text


@pytest.mark.parametrize(("region", "wanted"), [(Box(9_000, 0, 2_000, 2_000), False), (Box(0, 0, 2_000, 2_000), True)])
def test_a_square_thumbnail_of_a_panorama_starts_no_build(region: Box, wanted: bool) -> None:
    info = ImageInfo(20_000, 2_000, "jpg")
    assert Preparing().starts_build(Plan(region, 150, 150, False, Fraction(0), "color", "jpg"), info) is wanted


@pytest.mark.parametrize(("tile", "wanted"), [(2048, False), (4096, True)])
def test_a_pyramid_of_huge_tiles_is_prepared(tile: int, wanted: bool) -> None:
    info = ImageInfo(20_000, 20_000, "tif", tile=(tile, tile), levels=(Level(10_000, 10_000, 1),))
    plan = Plan(Box(0, 0, 512, 512), 256, 256, False, Fraction(0), "color", "jpg")
    assert Preparing().starts_build(plan, info) is wanted


# What a prepared pyramid holds


def stored_compressions(path: Path) -> set[int]:
    with FileBlob(path) as blob:
        tiff = Tiff.open(blob)
        assert tiff is not None
        return {tiff.directory(tiff.first).number(COMPRESSION)}


SOURCES: dict[str, Callable[[np.ndarray], bytes]] = {
    "alpha.png": lambda array: pictures.encoded(np.dstack([array, np.full(array.shape[:2], 255, np.uint8)]), "png"),
    "deep.png": pictures.sixteen_bit_png,
    "deep.tif": pictures.sixteen_bit_tiff,
    "turned.jpg": lambda array: pictures.oriented(array, 6),
    "planar.tif": pictures.planar_tiff,
    "lossless.webp": lambda array: pictures.encoded(array, "webp"),
    "strips.tif": lambda array: pictures.encoded(array, "tif"),
    "a.jp2": lambda array: pictures.encoded(array, "jp2"),
    "a.avif": lambda array: pictures.encoded(array, "avif"),
}
LOSSLESS = ("alpha.png", "deep.png", "deep.tif")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_becomes_an_upright_pyramid(folder: Path, service: Made, tmp_path: Path, name: str) -> None:
    array = photograph(1100, 800)
    (folder / name).write_bytes(SOURCES[name](array))
    serving = service(quality=40)
    answer = serving.answer(f"{name}/512,0,512,512/256,256/0/default.jpg", 3)
    (path,) = built(tmp_path)
    lossless = name in LOSSLESS
    assert answer.how == ("render" if lossless else "slice")
    assert stored_compressions(path) == ({8} if lossless else {7})
    assert difference(pixels(answer.body), pictures.halved(array[:512, 512:1024], 2)) < 6
    if lossless:
        kept = np.asarray(Image.open(path))[..., :3]
        assert np.array_equal(kept, array)
    with FileBlob(path) as blob:
        index = read_index(blob)
        assert index is not None and (index.width, index.height, index.orientation) == (1100, 800, 1)


def test_other_color_spaces_become_srgb(folder: Path, service: Made) -> None:
    array = photograph(1100, 800)
    wanted = pictures.seen_in_srgb(array, pictures.DISPLAY_P3, None)
    Image.fromarray(array).save(folder / "p3.jpg", quality=95, icc_profile=pictures.profile(pictures.DISPLAY_P3, None))
    picture = pyvips.Image.new_from_array(array).copy(interpretation="srgb")
    picture.icc_transform("cmyk", input_profile="srgb").jpegsave(str(folder / "cmyk.jpg"), Q=95)
    serving = service()
    for name, expected in (("p3.jpg", wanted), ("cmyk.jpg", array)):
        answer = serving.answer(f"{name}/512,0,512,512/256,256/0/default.jpg", 3)
        assert answer.how == "slice"
        image = Image.open(io.BytesIO(answer.body))
        assert (image.mode, image.info.get("icc_profile")) == ("RGB", None)
        assert difference(pixels(answer.body), pictures.halved(expected[:512, 512:1024], 2)) < 8, name


# A stranger's pyramids that must not be sliced


def strange(name: str, array: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A pyramid of the user's that only rendering shows rightly, and what it looks like."""
    picture = pyvips.Image.new_from_array(array).copy(interpretation="srgb")
    options = {"compression": "jpeg", "Q": 95, "tile": True, "pyramid": True, "tile_width": 256, "tile_height": 256}
    if name == "p3":
        picture = picture.copy()
        picture.set_type(pyvips.GValue.blob_type, "icc-profile-data", pictures.profile(pictures.DISPLAY_P3, None))
        return picture.tiffsave_buffer(**options), pictures.seen_in_srgb(array, pictures.DISPLAY_P3, None)
    if name == "turned":
        stored = picture.rot270().copy()
        stored.set_type(pyvips.GValue.gint_type, "orientation", 6)
        return stored.tiffsave_buffer(**options), array
    if name == "cmyk":
        return picture.icc_transform("cmyk", input_profile="srgb").tiffsave_buffer(**options), array
    planes = [np.moveaxis(level, 2, 0) for level in (array, pictures.halved(array, 2), pictures.halved(array, 4))]
    separate = {"tile": (256, 256), "compression": "jpeg", "planarconfig": "separate", "photometric": "rgb"}
    return pictures.stacked(planes[0], planes[1:], **separate), array


@pytest.mark.parametrize("name", ["p3", "turned", "cmyk", "planar"])
def test_a_strangers_pyramid_comes_out_right(folder: Path, service: Made, tmp_path: Path, name: str) -> None:
    data, wanted = strange(name, photograph(1100, 800))
    (folder / "a.tif").write_bytes(data)
    serving = service()
    info = serving.look("a.tif").info
    assert (info.width, info.height, info.is_pyramid) == (1100, 800, True)
    for factor in (1, 2):
        span = 256 * factor
        answer = serving.answer(f"a.tif/{span},0,{span},{span}/256,256/0/default.jpg", 3)
        assert answer.how == "render"
        expected = wanted[:span, span : 2 * span]
        expected = pictures.halved(expected, factor) if factor > 1 else expected
        assert difference(pixels(answer.body), expected) < 8, (name, factor)
    assert built(tmp_path) == []


# Neighbors


def at_borders(joined: np.ndarray, whole: np.ndarray, side: int) -> float:
    """The mean difference of two pictures in the two pixels on either side of where tiles meet."""
    columns, rows = (
        [place + offset for place in range(side, length, side) for offset in (-2, -1, 0, 1) if place + 1 < length]
        for length in (joined.shape[1], joined.shape[0])
    )
    return max(difference(joined[:, columns], whole[:, columns]), difference(joined[rows], whole[rows]))


@pytest.mark.parametrize(
    ("name", "side", "scale", "format"),
    [
        ("a.jpg", 256, 1.5, "jpg"),
        ("a.jpg", 256, 3.0, "png"),
        ("a.jpg", 200, 2.0, "jpg"),
        ("deep.png", 256, 2.0, "jpg"),
        ("deep.png", 256, 1.5, "png"),
    ],
)
def test_rendered_neighbors_are_seamless(
    folder: Path, service: Made, name: str, side: int, scale: float, format: str
) -> None:
    """Where tiles meet they show what one large picture shows there, but for what JPEG does to single blocks."""
    array = photograph(2400, 1600)
    (folder / "a.jpg").write_bytes(pictures.encoded(array, "jpg"))
    (folder / "deep.png").write_bytes(pictures.sixteen_bit_png(array))
    serving = service()
    span = int(side * scale)
    columns, rows = 2400 // span, 1600 // span
    lines = []
    for row in range(rows):
        tiles = []
        for column in range(columns):
            path = f"{name}/{column * span},{row * span},{span},{span}/{side},{side}/0/default.{format}"
            answer = serving.answer(path, 3)
            assert answer.how == "render"
            tiles.append(pixels(answer.body))
        lines.append(np.hstack(tiles))
    joined = np.vstack(lines)
    width, height = columns * side, rows * side
    path = f"{name}/0,0,{columns * span},{rows * span}/{width},{height}/0/default.{format}"
    whole = pixels(serving.answer(path, 3).body)
    assert at_borders(joined, whole, side) < (1.5 if format == "jpg" else 0.2)
    moved = np.roll(joined, 1, axis=1)
    assert at_borders(moved, whole, side) > 3, "a shift by one pixel would be seen"


def test_slices_and_what_is_rendered_beside_them_are_seamless(folder: Path, service: Made) -> None:
    """The tiles at the right and lower edge are rendered, the others stored."""
    array = photograph(1400, 900)
    (folder / "a.jpg").write_bytes(pictures.encoded(array, "jpg"))
    serving, hows = service(), set()
    for factor in (1, 2):
        span, lines = 256 * factor, []
        for y in range(0, 900, span):
            tiles = []
            for x in range(0, 1400, span):
                w, h = min(span, 1400 - x), min(span, 900 - y)
                size = -(-w // factor), -(-h // factor)
                answer = serving.answer(f"a.jpg/{x},{y},{w},{h}/{size[0]},{size[1]}/0/default.jpg", 3)
                hows.add(answer.how)
                tiles.append(pixels(answer.body))
            lines.append(np.hstack(tiles))
        joined = np.vstack(lines)
        width, height = 1400 // factor, 900 // factor
        wanted = pictures.halved(array, factor) if factor > 1 else array
        everywhere = difference(joined[:height, :width], wanted)
        assert at_borders(joined[:height, :width], wanted, 256) < 1.2 * everywhere
        assert at_borders(np.roll(joined, 1, axis=1)[:height, :width], wanted, 256) > 1.3 * everywhere
    assert hows == {"slice", "render"}
