import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from iiifkit import Animation, BadRequest, QualityRequest, Raster, Stopped, Work

from iiifkit_primitive import drawing, search, small_copy
from iiifkit_primitive.frames import MOST_FRAMES
from iiifkit_primitive.options import PrimitiveOptions
from iiifkit_primitive.painting import rehearse
from iiifkit_primitive.quality import PrimitiveQuality
from samples import noise, photograph

QUALITY = PrimitiveQuality(PrimitiveOptions())


@pytest.fixture
def coffee():
    return Raster.from_array(photograph("coffee.png", 160))


def apply(raster, text="primitive:0,10,0", format="png", **options):
    quality = PrimitiveQuality(PrimitiveOptions(**options)) if options else QUALITY
    return quality.apply(raster, QualityRequest(text, format))


def distance(one, other):
    return float(((np.asarray(one).astype(float) - np.asarray(other)) ** 2).mean() ** 0.5)


@pytest.mark.parametrize("mode", range(9))
def test_it_is_like_the_picture(coffee, mode):
    few, many = apply(coffee, f"primitive:{mode},5,0"), apply(coffee, f"primitive:{mode},60,0")
    plain = np.full((coffee.height, coffee.width, 3), np.asarray(coffee).mean((0, 1)))
    assert (many.width, many.height, many.bands) == (coffee.width, coffee.height, 3)
    assert distance(coffee, many) < distance(coffee, few) < distance(coffee, plain)
    assert distance(coffee, many) < 0.55 * distance(coffee, plain)


def test_the_same_request_gives_the_same_picture_whatever_goes_on_beside(coffee):
    texts = [f"primitive:{mode},8,{alpha}" for mode in range(9) for alpha in (0, 128)]
    alone = [apply(coffee, text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        beside = list(pool.map(lambda text: apply(coffee, text), texts * 2))
    assert beside == alone * 2
    assert len({picture.data for picture in alone}) == len(texts)


@pytest.mark.parametrize(
    ("mode", "digest"),
    [
        (0, "8866a96f3743ec5b"),
        (1, "71e33955051ee973"),
        (2, "d7e87703c08f3695"),
        (3, "2c129ab2fbbb8cfc"),
        (4, "d300a43f6fd60482"),
        (5, "b24c04ec91f09129"),
        (6, "50ba3f5428e69a19"),
        (7, "d0646b852d8c6cb9"),
        (8, "18ff9f44daf4e516"),
    ],
)
def test_the_picture_is_this_one_on_every_machine(mode, digest):
    picture = apply(Raster.from_array(noise(90, 130)), f"primitive:{mode},20,0")
    assert hashlib.sha256(picture.data).hexdigest()[:16] == digest


def test_a_large_and_a_transparent_picture_are_these_on_every_machine():
    """Averaged down for the search, and drawn with scales that are no whole numbers."""
    large, clear = noise(613, 1025), np.concatenate([noise(60, 50), noise(60, 50, 3)[:, :, :1]], axis=2)
    digests = [
        hashlib.sha256(apply(Raster.from_array(picture), "primitive:0,20,0").data).hexdigest()[:16]
        for picture in (large, clear)
    ]
    assert digests == ["598fba7d39bcfcb7", "62a34eeb4f680f66"]


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("format", ["png", "gif"])
def test_bands_and_alpha_are_kept(bands, format):
    array = np.concatenate([photograph("coffee.png", 60), np.zeros((40, 60, 1), np.uint8)], axis=2)[:, :, :bands]
    if bands in (2, 4):
        array = array.copy()
        array[:, :, -1] = np.arange(60) * 4
    raster = Raster.from_array(array[:, :, 0] if bands == 1 else array)
    result = apply(raster, "primitive:1,5,0", format)
    for picture in [frame.raster for frame in result.frames] if format == "gif" else [result]:
        assert np.asarray(picture).shape == np.asarray(raster).shape
        if bands in (2, 4):
            assert (np.asarray(picture)[:, :, -1] == array[:, :, -1]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (70, 1), (2, 2), (3, 500)])
@pytest.mark.parametrize("mode", range(9))
def test_tiny_pictures(size, mode):
    raster = Raster.from_array(noise(*size))
    assert apply(raster, f"primitive:{mode},3,0").shape == raster.shape


def test_only_as_many_signatures_as_kernels():
    """A second signature would compile in the middle of a request."""
    rehearse()
    for raster in (noise(5, 6), noise(5, 6)[:, :, 0].copy(), noise(700, 600)):
        apply(Raster.from_array(raster), "primitive:2,2,9", "gif")
    for kernel in (small_copy.shrink, search.begin, search.find, search.lay, drawing.draw_shape):
        assert len(kernel.signatures) == 1


def test_gif_is_the_making_of_the_picture(coffee):
    animation = apply(coffee, "primitive:3,30,0", "gif")
    assert isinstance(animation, Animation)
    assert animation.loop == 0
    assert [frame.milliseconds for frame in animation.frames[:-1]] == [250] * (len(animation.frames) - 1)
    assert animation.frames[-1].milliseconds == 2500
    assert animation.last == apply(coffee, "primitive:3,30,0", "png")
    assert len(np.unique(np.asarray(animation.frames[0].raster).reshape(-1, 3), axis=0)) == 1
    distances = [distance(coffee, frame.raster) for frame in animation.frames]
    assert 8 < len(distances) <= 31
    assert distances == sorted(distances, reverse=True)


def test_an_animation_has_not_too_many_frames(coffee):
    assert len(apply(coffee, "primitive:1,300,0", "gif", max_iterations=300).frames) <= MOST_FRAMES


def test_webp_is_an_animation_if_the_config_says_so(coffee):
    for format in ("jpg", "png", "tif", "webp"):
        assert isinstance(apply(coffee, "primitive:1,3,0", format), Raster)
    assert isinstance(apply(coffee, "primitive:1,3,0", "webp", animate_webp=True), Animation)
    assert isinstance(apply(coffee, "primitive:1,3,0", "jpg", animate_webp=True), Raster)


def test_limits_of_the_config(coffee):
    with pytest.raises(BadRequest, match="allows 7"):
        PrimitiveQuality(PrimitiveOptions(max_iterations=7)).check("primitive:1,8,0")
    PrimitiveQuality(PrimitiveOptions(max_iterations=8)).check("primitive:1,8,0")
    with pytest.raises(BadRequest, match="allows 7"):
        apply(coffee, "primitive:1,8,0", max_iterations=7)
    with pytest.raises(BadRequest, match="limited to 1,000 pixels, and this picture would have 17,120"):
        apply(coffee, max_pixels=1000)
    with pytest.raises(BadRequest, match="65,535 pixels a side"):
        apply(Raster(65_536, 1, 1, bytes(65_536)))


def test_it_stops_soon_after_nobody_waits():
    raster, stopped = Raster.from_array(photograph("astronaut.png")), threading.Event()
    quality = PrimitiveQuality(PrimitiveOptions(max_iterations=10_000))
    quality.apply(raster, QualityRequest("primitive:1,1,0"))
    threading.Timer(0.3, stopped.set).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        quality.apply(raster, QualityRequest("primitive:1,10000,0", "gif", Work(stopped=stopped.is_set)))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("looks", [0, 1, 5, 13, 20])
def test_it_stops_wherever_it_is(coffee, looks):
    """Twenty-one looks: ten before shapes are searched, ten before they are drawn, one before the end."""
    seen = []
    work = Work(stopped=lambda: bool(seen.append(1)) or len(seen) > looks)
    QUALITY.apply(coffee, QualityRequest("primitive:0,10,0"))
    with pytest.raises(Stopped):
        QUALITY.apply(coffee, QualityRequest("primitive:0,10,0", "png", work))
    assert len(seen) == looks + 1


def test_the_interpreter_is_free_meanwhile():
    """Python code beside a search is not held up for longer than it takes to share a processor."""
    raster, pauses, over = Raster.from_array(photograph("astronaut.png")), [], threading.Event()
    apply(raster, "primitive:1,1,0")

    def watch():
        while not over.is_set():
            before = time.monotonic()
            time.sleep(0.001)
            pauses.append(time.monotonic() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    apply(raster, "primitive:1,60,0")
    over.set()
    watcher.join()
    assert len(pauses) > 50
    assert sorted(pauses)[len(pauses) // 2] < 0.02
