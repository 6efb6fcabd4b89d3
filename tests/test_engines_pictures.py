"""What the engines make of real photographs in every dress, measured against arithmetic of our own."""

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pictures
import pytest
from PIL import Image

from iiifkit.blob import BytesBlob
from iiifkit.contracts import Engine
from iiifkit.encoding import AvifOptions, EncodeOptions, Jp2Options, JpegOptions, PngOptions, TifOptions, WebpOptions
from iiifkit.engines import pillow_pixels
from iiifkit.engines.pillow import PillowEngine
from iiifkit.engines.vips import VipsEngine
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.plan import Box, Plan

PHOTOGRAPH = pictures.photograph("astronaut.png")
GRAY = np.asarray(Image.fromarray(PHOTOGRAPH).convert("L"))
ALPHA = np.clip(np.indices(GRAY.shape)[1] - 100, 0, 255).astype(np.uint8)
RGBA = np.dstack([PHOTOGRAPH, ALPHA])


@pytest.fixture(params=["VIPS", "Pillow"])
def engine(request: Any) -> Engine:
    return VipsEngine() if request.param == "VIPS" else PillowEngine()


def plan_of(info: ImageInfo, region: Box | None = None, width: int = 0, height: int = 0, **other: Any) -> Plan:
    region = region or Box(0, 0, info.width, info.height)
    common = {"mirror": False, "degrees": Fraction(0), "quality": "color", "format": "png"}
    return Plan(region, width or region.width, height or region.height, **(common | other))


def seen(engine: Engine, data: bytes, format: str, *size: Any, **other: Any) -> np.ndarray:
    blob = BytesBlob(data, "1")
    info = engine.probe(blob, format)
    return np.asarray(engine.transform(blob, info, plan_of(info, *size, **other)).raster())


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def on_white(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 2 or picture.shape[2] in (1, 3):
        return picture
    share = picture[..., -1:] / 255
    return picture[..., :-1] * share + 255 * (1 - share)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, pictures.PILLOW_NAMES[format], **options)
    return target.getvalue()


# Scaling


@pytest.mark.parametrize("name", ["astronaut.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg"])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_smaller_photograph_is_the_mean_of_its_squares(engine: Engine, name: str, factor: int) -> None:
    photograph = pictures.photograph(name)
    height, width = (min(side, 640) // factor * factor for side in photograph.shape[:2])
    part = photograph[:height, :width]
    size = (Box(0, 0, width, height), width // factor, height // factor)
    for data, format in ((pictures.encoded(part, "png"), "png"), (pictures.encoded(part, "jpg"), "jpg")):
        assert difference(seen(engine, data, format, *size), pictures.halved(part, factor)) < 4


def test_the_engines_agree_on_every_plan() -> None:
    one, other = VipsEngine(), PillowEngine()
    data = pictures.encoded(PHOTOGRAPH, "jpg")
    for region in (Box(0, 0, 512, 512), Box(101, 57, 301, 200)):
        for width, height in ((128, 96), (37, 200), (320, 300)):
            for mirror, degrees, most in ((False, 0, 1.0), (True, 90, 1.0), (False, 180, 1.0), (True, 30, 3.0)):
                for quality in ("color", "gray"):
                    plan = {"mirror": mirror, "degrees": Fraction(degrees), "quality": quality}
                    pair = (seen(e, data, "jpg", region, width, height, **plan) for e in (one, other))
                    assert difference(*pair) < most, (region, width, height, plan)


def test_enlarging_keeps_the_picture_in_place(engine: Engine) -> None:
    part = np.ascontiguousarray(PHOTOGRAPH[100:160, 200:280])
    large = seen(engine, pictures.encoded(part, "png"), "png", None, 400, 300)
    assert difference(pictures.halved(large, 5), part) < 3


def test_nothing_from_outside_of_the_region_shows(engine: Engine) -> None:
    picture = np.full((200, 200, 3), 255, np.uint8)
    picture[50:150, 50:150] = 10
    inside = seen(engine, pictures.encoded(picture, "png"), "png", Box(50, 50, 100, 100), 40, 40)
    assert inside.max() == 10


# Color


@pytest.mark.parametrize(("primaries", "gamma"), [(pictures.ADOBE_RGB, 2.2), (pictures.DISPLAY_P3, None)])
@pytest.mark.parametrize("format", ["jpg", "png", "tif", "webp"])
def test_profiles_are_converted_to_srgb(engine: Engine, primaries: Any, gamma: float | None, format: str) -> None:
    data = pictures.encoded(PHOTOGRAPH, format, icc_profile=pictures.profile(primaries, gamma))
    wanted = pictures.seen_in_srgb(PHOTOGRAPH, primaries, gamma)
    assert difference(PHOTOGRAPH, wanted) > 1.5
    assert difference(seen(engine, data, format), wanted) < 1


def test_an_srgb_profile_changes_nothing(engine: Engine) -> None:
    from PIL import ImageCms

    built_in = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (pictures.profile(pictures.SRGB, None), built_in):
        data = pictures.encoded(PHOTOGRAPH, "png", icc_profile=profile)
        assert np.array_equal(seen(engine, data, "png"), PHOTOGRAPH)


def test_a_profile_that_is_nonsense_is_ignored(engine: Engine) -> None:
    for profile in (b"nonsense" * 40, pictures.profile(pictures.SRGB, None)[:200], b"\0" * 132):
        data = pictures.encoded(PHOTOGRAPH, "png", icc_profile=profile)
        assert np.array_equal(seen(engine, data, "png"), PHOTOGRAPH)


def test_results_carry_no_profile(engine: Engine) -> None:
    data = pictures.encoded(PHOTOGRAPH, "png", icc_profile=pictures.profile(pictures.ADOBE_RGB, 2.2))
    blob = BytesBlob(data, "1")
    info = engine.probe(blob, "png")
    for format in sorted(engine.writes - {"pdf"}):
        plan = plan_of(info, None, 64, 64, format=format)
        result = Image.open(io.BytesIO(engine.encode(engine.transform(blob, info, plan), plan)))
        assert not result.info.get("icc_profile"), format


def test_cmyk_without_a_profile_looks_like_print(engine: Engine) -> None:
    inks = {
        (0, 0, 0, 0): (255, 255, 255),
        (255, 0, 0, 0): (0, 158, 224),
        (0, 255, 0, 0): (226, 0, 122),
        (0, 0, 255, 0): (255, 237, 0),
        (0, 0, 0, 255): (29, 29, 27),
    }
    for ink, color in inks.items():
        for format in ("jpg", "tif"):
            picture = seen(engine, saved(Image.new("CMYK", (32, 32), ink), format), format)
            assert picture.shape == (32, 32, 3)
            assert np.abs(picture[16, 16].astype(int) - color).max() < 32, (ink, format)


def test_the_engines_agree_on_cmyk() -> None:
    data = saved(Image.fromarray(PHOTOGRAPH).convert("CMYK"), "jpg", quality=95)
    for size in ((), (None, 200, 200)):
        assert difference(seen(VipsEngine(), data, "jpg", *size), seen(PillowEngine(), data, "jpg", *size)) < 1


def test_cmyk_looks_like_print_where_libvips_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(PHOTOGRAPH).convert("CMYK"), "jpg", quality=95)
    wanted = seen(VipsEngine(), data, "jpg")
    monkeypatch.setattr(pillow_pixels, "_press_profile", lambda: None)
    assert 1 < difference(wanted, seen(PillowEngine(), data, "jpg")) < 15


def test_cmyk_with_a_profile_comes_back(engine: Engine) -> None:
    import pyvips

    soft = np.round(PHOTOGRAPH * 0.5 + 80).astype(np.uint8)
    printed = pyvips.Image.new_from_array(soft).icc_transform("cmyk", intent="relative", input_profile="srgb")
    data = printed.tiffsave_buffer(compression="deflate")
    assert difference(seen(engine, data, "tif"), soft) < 8


def test_sixteen_bits_become_eight(engine: Engine) -> None:
    for picture in (PHOTOGRAPH, GRAY):
        for data, format in ((pictures.sixteen_bit_png(picture), "png"), (pictures.sixteen_bit_tiff(picture), "tif")):
            assert engine.probe(BytesBlob(data, "1"), format).bits == 16
            assert difference(seen(engine, data, format), picture) < 0.01


def test_sixteen_bits_with_alpha_become_eight(engine: Engine) -> None:
    for picture, color_type in ((np.dstack([GRAY, ALPHA]), 4), (RGBA, 6)):
        data = pictures.png(picture.astype(np.uint16) * 257, color_type, 16)
        info = engine.probe(BytesBlob(data, "1"), "png")
        assert (info.bits, info.color, info.alpha) == (16, color_type == 6, True)
        assert difference(seen(engine, data, "png"), picture) < 0.01


def test_samples_that_are_neither_color_nor_alpha_are_dropped(engine: Engine) -> None:
    for picture, photometric in (
        (np.dstack([PHOTOGRAPH, GRAY, ALPHA]), "rgb"),
        (np.dstack([GRAY, ALPHA]), "minisblack"),
    ):
        data = pictures.tiff(
            picture,
            photometric=photometric,
            planarconfig="contig",
            extrasamples=["unspecified"] * (picture.shape[2] - (3 if photometric == "rgb" else 1)),
        )
        wanted = PHOTOGRAPH if photometric == "rgb" else GRAY
        assert not engine.probe(BytesBlob(data, "1"), "tif").alpha
        assert np.array_equal(seen(engine, data, "tif"), wanted)


def test_one_bit_becomes_gray(engine: Engine) -> None:
    bitonal = Image.fromarray(GRAY).convert("1")
    wanted = np.asarray(bitonal.convert("L"))
    for data, format in ((saved(bitonal, "png"), "png"), (saved(bitonal, "tif", compression="group4"), "tif")):
        info = engine.probe(BytesBlob(data, "1"), format)
        assert (info.bits, info.color) == (1, False)
        assert np.array_equal(seen(engine, data, format), wanted)


def test_gray_with_alpha_and_color_with_alpha(engine: Engine) -> None:
    for picture in (np.dstack([GRAY, ALPHA]), RGBA):
        data = pictures.encoded(picture, "png")
        assert np.array_equal(seen(engine, data, "png"), picture)
        opaque = seen(engine, data, "png", quality="bitonal")
        assert opaque.shape == GRAY.shape
        assert set(np.unique(opaque)) == {0, 255}
        assert opaque[:, :90].min() == 255


def test_flattening_is_on_white(engine: Engine) -> None:
    blob = BytesBlob(pictures.encoded(RGBA, "png"), "1")
    info = engine.probe(blob, "png")
    plan = plan_of(info, format="jpg")
    share = ALPHA[..., None] / 255
    wanted = PHOTOGRAPH * share + 255 * (1 - share)
    assert difference(pictures.decoded(engine.encode(engine.transform(blob, info, plan), plan)), wanted) < 3


def test_palettes_with_transparency(engine: Engine) -> None:
    palette = Image.fromarray(PHOTOGRAPH).quantize(200)
    data = saved(palette, "png", transparency=7)
    picture = seen(engine, data, "png")
    indices = np.asarray(palette)
    assert np.array_equal(picture[..., 3] == 0, indices == 7)
    assert np.array_equal(picture[indices != 7][:, :3], np.asarray(palette.convert("RGB"))[indices != 7])
    assert seen(engine, data, "png", None, 64, 64).shape == (64, 64, 4)


def test_a_transparent_color_key(engine: Engine) -> None:
    picture = PHOTOGRAPH.copy()
    picture[:100] = (1, 2, 3)
    result = seen(engine, saved(Image.fromarray(picture), "png", transparency=(1, 2, 3)), "png")
    assert result.shape[2] == 4
    assert result[:100, :, 3].max() == 0
    assert result[200:, :, 3].min() == 255


def test_planes_and_progressive_scans(engine: Engine) -> None:
    assert np.array_equal(seen(engine, pictures.planar_tiff(PHOTOGRAPH), "tif"), PHOTOGRAPH)
    progressive = pictures.encoded(PHOTOGRAPH, "jpg", progressive=True)
    assert engine.probe(BytesBlob(progressive, "1"), "jpg").progressive
    baseline = seen(engine, pictures.encoded(PHOTOGRAPH, "jpg"), "jpg", None, 128, 128)
    assert np.array_equal(seen(engine, progressive, "jpg", None, 128, 128), baseline)


def test_animations_show_their_first_frame(engine: Engine) -> None:
    first = np.zeros((40, 60, 3), np.uint8) + np.array([200, 30, 30], np.uint8)
    for format in ("gif", "webp"):
        data = pictures.animation(format, [first, first[..., ::-1].copy(), first // 2])
        assert difference(seen(engine, data, format)[..., :3], first) < 4


@pytest.mark.parametrize("format", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_of_every_format(engine: Engine, format: str, orientation: int) -> None:
    picture = pictures.photograph("rocket.jpg")[:200, :300]
    data = pictures.oriented(picture, orientation, format)
    info = engine.probe(BytesBlob(data, "1"), format)
    assert (info.width, info.height) == (300, 200)
    region = seen(engine, data, format, Box(40, 20, 160, 120), 40, 30)
    assert difference(region, pictures.halved(picture[20:140, 40:200], 4)) < 5


def test_either_engine_understands_what_the_other_found() -> None:
    engines = (VipsEngine(), PillowEngine())
    for format in ("jpg", "png", "tif", "webp", "avif", "gif"):
        data = pictures.oriented(PHOTOGRAPH[:200, :300], 6, format) if format != "gif" else None
        blob = BytesBlob(data or pictures.encoded(PHOTOGRAPH[:200, :300], "gif"), "1")
        infos = [engine.probe(blob, format) for engine in engines]
        assert infos[0] == infos[1]
        plan = plan_of(infos[0], Box(40, 20, 160, 120), 80, 60)
        rasters = [np.asarray(engine.transform(blob, info, plan).raster()) for engine in engines for info in infos]
        assert all(difference(rasters[0], raster) < 1 for raster in rasters)


# Copies inside of files


def painted(subdirectories: bool, orientation: int = 1) -> bytes:
    """A pyramid whose full picture is red, whose half is green and whose quarter is blue."""

    def solid(width: int, height: int, color: int) -> np.ndarray:
        picture = np.zeros((height, width, 3), np.uint8)
        picture[..., color] = 255
        return picture

    tags = [(274, 3, 1, orientation, True)] if orientation != 1 else []
    copies = [solid(258, 150, 1), solid(129, 75, 2)]
    return pictures.stacked(solid(517, 301, 0), copies, subdirectories, extratags=tags)


COLORS = {0: "full", 1: "half", 2: "quarter"}


@pytest.mark.parametrize("subdirectories", [False, True])
@pytest.mark.parametrize(
    ("region", "size", "level"),
    [
        (Box(0, 0, 512, 256), (512, 256), "full"),
        (Box(0, 0, 512, 256), (400, 200), "full"),
        (Box(0, 0, 512, 256), (256, 128), "half"),
        (Box(0, 0, 512, 256), (128, 64), "quarter"),
        (Box(0, 0, 512, 256), (1, 1), "quarter"),
        (Box(256, 128, 256, 128), (64, 32), "quarter"),
        (Box(512, 0, 5, 256), (3, 128), "full"),  # the half lacks the last column
        (Box(512, 0, 5, 256), (2, 64), "full"),  # and so does the quarter
        (Box(0, 0, 517, 301), (60, 35), "quarter"),
        (
            Box(0, 0, 517, 301),
            (100, 58),
            "half",
        ),  # the quarter lacks a column, and more than half a pixel of the result
        (Box(2, 2, 256, 256), (64, 64), "half"),  # not on the quarter's grid
        (Box(1, 1, 256, 256), (64, 64), "full"),
        (Box(1, 1, 512, 256), (32, 16), "quarter"),  # off the grid, but by less than an eighth of a pixel
    ],
)
def test_the_smallest_sufficient_level_is_read(
    engine: Engine, subdirectories: bool, region: Box, size: tuple[int, int], level: str
) -> None:
    picture = seen(engine, painted(subdirectories), "tif", region, *size)
    assert COLORS[int(picture.mean(axis=(0, 1)).argmax())] == level


def test_levels_of_a_turned_pyramid(engine: Engine) -> None:
    data = painted(subdirectories=False, orientation=6)
    info = engine.probe(BytesBlob(data, "1"), "tif")
    assert (info.width, info.height, info.orientation) == (301, 517, 6)
    assert [(level.width, level.height) for level in info.levels] == [(150, 258), (75, 129)]
    assert seen(engine, data, "tif", Box(45, 0, 256, 512), 64, 128).shape == (128, 64, 3)


def test_tiles_of_a_pyramid_are_its_own_pixels(engine: Engine) -> None:
    for subdirectories in (False, True):
        data = pictures.pyramid(PHOTOGRAPH, subdirectories)
        for factor in (1, 2, 4):
            region = Box(64 * factor, 32 * factor, 64 * factor, 64 * factor)
            level = pictures.halved(PHOTOGRAPH, factor) if factor > 1 else PHOTOGRAPH
            assert np.array_equal(seen(engine, data, "tif", region, 64, 64), level[32:96, 64:128])


def test_pages_of_a_scan_are_no_levels(engine: Engine) -> None:
    half, quarter = pictures.halved(PHOTOGRAPH, 2), pictures.halved(PHOTOGRAPH, 4)
    info = engine.probe(BytesBlob(pictures.scan([PHOTOGRAPH, half, quarter]), "1"), "tif")
    assert info.levels == ()
    assert info.tile == (64, 64)
    misshapen = pictures.stacked(PHOTOGRAPH, [half[:200], quarter[:, :100]])
    assert engine.probe(BytesBlob(misshapen, "1"), "tif").levels == ()


def test_jpeg_2000_is_read_at_lower_resolution() -> None:
    engine = PillowEngine()
    data = pictures.encoded(PHOTOGRAPH, "jp2")
    for factor in (2, 4, 8):
        small = seen(engine, data, "jp2", None, 512 // factor, 512 // factor)
        wanted = pictures.halved(PHOTOGRAPH, factor)
        moved_by_a_pixel = difference(wanted[:, 1:], wanted[:, :-1])
        assert difference(small, wanted) < min(9, moved_by_a_pixel / 2)
        whole = seen(engine, data, "jp2", Box(0, 0, 512 - factor, 512), 512 // factor - 1, 512 // factor)
        assert difference(whole, small[:, :-1]) < 4


# Headers and settings


def test_headers_that_announce_too_much_are_read_as_they_are(engine: Engine) -> None:
    info = engine.probe(BytesBlob(pictures.oversized_png(), "1"), "png")
    assert (info.width, info.height) == (60_000, 60_000)


def test_encoder_settings_are_used() -> None:
    plain = EncodeOptions()
    other = EncodeOptions(
        jpg=JpegOptions(quality=30, progressive=True, subsampling="4:4:4"),
        png=PngOptions(compression=0),
        tif=TifOptions(compression="none"),
        webp=WebpOptions(lossless=True),
        avif=AvifOptions(quality=10),
        jp2=Jp2Options(quality=100),
    )
    blob = BytesBlob(pictures.encoded(PHOTOGRAPH, "png"), "1")
    for kind in (VipsEngine, PillowEngine):
        one, two = kind(plain), kind(other)
        info = one.probe(blob, "png")
        for format in sorted(one.writes & {"jpg", "png", "tif", "webp", "avif", "jp2"}):
            plan = plan_of(info, None, 128, 128, format=format)
            first, second = (e.encode(e.transform(blob, info, plan), plan) for e in (one, two))
            assert (len(first) > len(second)) == (format in ("jpg", "avif")), (kind, format)
            if format in ("png", "tif", "webp") or (format == "jp2"):
                assert difference(pictures.decoded(second), pictures.halved(PHOTOGRAPH, 4)) < 4
            if format == "jpg":
                assert Image.open(io.BytesIO(second)).info.get("progressive")


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "jpeg", "webp"])
@pytest.mark.parametrize("quality", ["color", "gray", "bitonal"])
@pytest.mark.parametrize("degrees", [0, 30])
def test_every_tif_can_be_stored(compression: Any, quality: str, degrees: int) -> None:
    blob = BytesBlob(pictures.encoded(PHOTOGRAPH, "png"), "1")
    for kind in (VipsEngine, PillowEngine):
        engine = kind(EncodeOptions(tif=TifOptions(compression=compression)))
        info = engine.probe(blob, "png")
        plan = plan_of(info, None, 100, 80, format="tif", quality=quality, degrees=Fraction(degrees))
        data = engine.encode(engine.transform(blob, info, plan), plan)
        assert (
            Image.open(io.BytesIO(data)).mode
            in {"color": ("RGB", "RGBA"), "gray": ("L", "LA"), "bitonal": "1"}[quality]
        )
        wanted = seen(engine, blob.data, "png", None, 100, 80, quality=quality, degrees=Fraction(degrees))
        assert difference(on_white(seen(VipsEngine(), data, "tif")), on_white(wanted)) < 8
