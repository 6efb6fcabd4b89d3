"""Pictures that are joined from stored tiles: the same as libvips makes of the whole file, from a few reads."""

import io
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pictures
import pytest
from msgspec.structs import replace
from PIL import Image
from test_pyramid import Counted, photograph, pyramid, read
from test_pyramid_strangers import edited

from iiifkit.blob import BytesBlob
from iiifkit.contracts import NO_LIMIT, Engine, Work
from iiifkit.encoding import EncodeOptions, JpegOptions
from iiifkit.engines import joining
from iiifkit.engines.joining import joined
from iiifkit.engines.pillow import PillowEngine
from iiifkit.engines.shrinking import Choice, Copy
from iiifkit.engines.vips import VipsEngine
from iiifkit.errors import BrokenImage, Stopped
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.plan import Box, Plan
from iiifkit.pyramid import Pyramid

WIDTH, HEIGHT = 1601, 1203
KINDS = {
    "4:2:0": pyramid(photograph(WIDTH, HEIGHT), tile_width=128, tile_height=128),
    "RGB": pyramid(photograph(WIDTH, HEIGHT), tile_width=128, tile_height=128, Q=95),
    "gray": pyramid(photograph(WIDTH, HEIGHT, bands=1), tile_width=128, tile_height=128),
    "sub-directories": pyramid(photograph(WIDTH, HEIGHT), tile_width=128, tile_height=128, subifd=True),
}
PLANS = [
    (Box(256, 256, 256, 256), (256, 256)),
    (Box(256, 256, 512, 512), (256, 256)),
    (Box(100, 37, 300, 200), (300, 200)),
    (Box(1536, 1024, 65, 179), (65, 179)),
    (Box(1536, 1024, 65, 179), (33, 90)),  # the half lacks a column and a row
    (Box(1024, 512, 577, 691), (100, 120)),
    (Box(0, 0, WIDTH, HEIGHT), (400, 301)),
    (Box(0, 0, 1, 1), (1, 1)),
    (Box(0, 0, 256, 256), (400, 300)),
]


@pytest.fixture(params=["VIPS", "Pillow"])
def engine(request: Any) -> Engine:
    return VipsEngine() if request.param == "VIPS" else PillowEngine()


def plan_of(region: Box, size: tuple[int, int], **other: Any) -> Plan:
    common = {"mirror": False, "degrees": Fraction(0), "quality": "color", "format": "jpg"}
    return Plan(region, *size, **(common | other))


def opened(data: bytes) -> tuple[Pyramid, ImageInfo]:
    return Pyramid(BytesBlob(data, "1"), read(data)), VipsEngine().probe(BytesBlob(data, "1"), "tif")


def difference(one: Any, other: Any) -> float:
    assert np.asarray(one).shape == np.asarray(other).shape
    return float(np.abs(np.asarray(one).astype(float) - np.asarray(other)).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("region", "size"), PLANS)
def test_they_are_what_libvips_reads_from_the_file(
    engine: Engine, kind: str, region: Box, size: tuple[int, int]
) -> None:
    whole, info = opened(KINDS[kind])
    for other in ({}, {"quality": "gray"}, {"mirror": True, "degrees": Fraction(90)}, {"degrees": Fraction(30)}):
        plan = plan_of(region, size, **other)
        wanted = VipsEngine().transform(whole.blob, info, plan).raster()
        assert difference(engine.transform(whole, info, plan).raster(), wanted) < 1.5
    plan = plan_of(region, size)
    assert (
        difference(
            pictures.decoded(engine.encode(engine.transform(whole, info, plan), plan)),
            pictures.decoded(VipsEngine().encode(VipsEngine().transform(whole.blob, info, plan), plan)),
        )
        < 2.5
    )


@pytest.mark.parametrize("quality", ["gray", "bitonal", "dither"])
def test_other_qualities(engine: Engine, quality: str) -> None:
    whole, info = opened(KINDS["4:2:0"])
    plan = plan_of(Box(128, 128, 256, 256), (256, 256), quality=quality)
    wanted = VipsEngine().transform(whole.blob, info, plan).raster()
    raster = engine.transform(whole, info, plan).raster()
    assert raster.bands == (3 if quality == "dither" else 1)
    assert difference(raster, wanted) < 1.5


@pytest.mark.parametrize("format", ["png", "tif", "webp", "gif"])
def test_other_formats(engine: Engine, format: str) -> None:
    whole, info = opened(KINDS["4:2:0"])
    plan = plan_of(Box(128, 128, 256, 256), (256, 256), format=format)
    data = engine.encode(engine.transform(whole, info, plan), plan)
    assert Image.open(io.BytesIO(data)).format == pictures.PILLOW_NAMES[format]
    wanted = np.asarray(VipsEngine().transform(whole.blob, info, plan).raster())
    assert difference(pictures.decoded(data)[..., :3], wanted) < 6


def test_the_encoder_is_set_as_the_config_says() -> None:
    whole, info = opened(KINDS["4:2:0"])
    plan = plan_of(Box(128, 128, 256, 256), (256, 256))
    options = JpegOptions(quality=30, progressive=True, subsampling="4:4:4")
    plain, other = (VipsEngine(encode) for encode in (None, EncodeOptions(jpg=options)))
    first, second = (each.encode(each.transform(whole, info, plan), plan) for each in (plain, other))
    assert len(second) < len(first)
    assert Image.open(io.BytesIO(second)).info["progressive"]


def test_only_the_tiles_are_read(engine: Engine) -> None:
    for kind in KINDS:
        counted = Counted(BytesBlob(KINDS[kind], "1"))
        index = read(KINDS[kind])
        info = engine.probe(counted, "tif")
        counted.reads.clear()
        plan = plan_of(Box(256, 128, 256, 384), (256, 384))
        engine.encode(engine.transform(Pyramid(counted, index), info, plan), plan)
        full = index.levels[0]
        tiles = [row * full.columns + column for row in (1, 2, 3) for column in (2, 3)]
        assert counted.reads == [(full.offsets[tile], full.lengths[tile]) for tile in tiles]


class Far(Counted):
    remote = True


def test_tiles_far_away_are_read_in_few_pieces(engine: Engine) -> None:
    far = Far(BytesBlob(KINDS["RGB"], "1"))
    whole = Pyramid(far, read(KINDS["RGB"]))
    info = engine.probe(far, "tif")
    far.reads.clear()
    plan = plan_of(Box(0, 128, 1024, 256), (1024, 256))
    engine.transform(whole, info, plan).raster()
    assert len(far.reads) <= 4


def test_what_is_not_a_few_jpeg_tiles_is_left_to_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = opened(KINDS["4:2:0"])
    choice = Choice(Copy(1, WIDTH, HEIGHT), Box(0, 0, 512, 512))
    assert joined(whole, choice, False, NO_LIMIT) is not None
    assert joined(whole.blob, choice, False, NO_LIMIT) is None
    assert joined(opened(pyramid(photograph(700, 700), compression="deflate"))[0], choice, False, NO_LIMIT) is None
    monkeypatch.setattr(joining, "MOST_PIXELS", 512 * 512 - 1)
    assert joined(whole, choice, False, NO_LIMIT) is None


def test_an_empty_tile_and_one_that_only_libtiff_reads_are_left_to_libraries() -> None:
    data = pyramid(photograph(256, 256, bands=1))
    choice = Choice(Copy(1, 256, 256), Box(0, 0, 200, 200))
    assert joined(opened(data)[0], choice, False, NO_LIMIT) is not None
    assert joined(opened(edited(data, 0, 325, "<I", 8, 0))[0], choice, False, NO_LIMIT) is None
    assert joined(opened(data.replace(b"\xff\xc0\0\x0b", b"\xff\xc9\0\x0b"))[0], choice, False, NO_LIMIT) is None


def test_a_damaged_tile_is_an_error(engine: Engine) -> None:
    data, info = KINDS["4:2:0"], opened(KINDS["4:2:0"])[1]
    index = read(data)
    place, length = index.levels[0].offsets[0], index.levels[0].lengths[0]
    plan = plan_of(Box(0, 0, 256, 256), (256, 256))
    for damaged in (
        data[: place + length // 2],
        data[: place + length - 2] + b"\0\0" + data[place + length :],
        data[:place] + bytes(length) + data[place + length :],
    ):
        with pytest.raises(BrokenImage):
            engine.encode(engine.transform(Pyramid(BytesBlob(damaged, "2"), index), info, plan), plan)


def test_random_damage_is_a_picture_or_an_error(engine: Engine) -> None:
    data, info = KINDS["4:2:0"], opened(KINDS["4:2:0"])[1]
    index, random = read(data), np.random.default_rng(3)
    level = index.levels[0]
    plan = plan_of(Box(0, 0, 256, 256), (256, 256))
    outcomes = set()
    for _ in range(60):
        changed = bytearray(data)
        for number in (0, 1, level.columns, level.columns + 1):
            for _ in range(3):
                place = level.offsets[number] + int(random.integers(0, level.lengths[number]))
                changed[place] = int(random.integers(0, 256))
        try:
            body = engine.encode(engine.transform(Pyramid(BytesBlob(bytes(changed), "2"), index), info, plan), plan)
            outcomes.add(pictures.decoded(body).shape)
        except BrokenImage as error:
            outcomes.add(str(error)[-1:])
    assert outcomes <= {(256, 256, 3), "."}


def test_it_stops_between_tiles(engine: Engine) -> None:
    counted = Counted(BytesBlob(KINDS["4:2:0"], "1"))
    info = engine.probe(counted, "tif")
    whole = Pyramid(counted, read(KINDS["4:2:0"]))
    counted.reads.clear()
    work = Work(stopped=lambda: len(counted.reads) >= 3)
    with pytest.raises(Stopped):
        engine.transform(whole, info, plan_of(Box(0, 0, 512, 512), (512, 512)), work)
    assert len(counted.reads) == 3


def test_several_threads_share_a_pyramid(engine: Engine) -> None:
    whole, info = opened(KINDS["4:2:0"])
    plan = plan_of(Box(0, 0, 256, 256), (256, 256))

    def tile(number: int) -> bytes:
        there = replace(plan, region=Box(number % 4 * 256, number // 4 % 4 * 256, 256, 256))
        return engine.encode(engine.transform(whole, info, there), there)

    wanted = [tile(number) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tile, range(64))) == wanted * 4


def test_a_pyramid_is_a_blob() -> None:
    blob = BytesBlob(KINDS["gray"], "7", 5.0)
    whole = Pyramid(blob, read(KINDS["gray"]))
    assert (whole.size, whole.version, whole.modified, whole.path, whole.remote) == (blob.size, "7", 5.0, None, False)
    assert whole.read(4, 9) == blob.read(4, 9) and whole.read_all() == blob.data and whole.unchanged()
