"""The engines on files that change, break or lie, and what they leave behind."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iiifkit.blob import Blob, BytesBlob, FileBlob
from iiifkit.contracts import Engine, Work
from iiifkit.engines import vips_encoding, vips_files, vips_pixels
from iiifkit.engines.pillow import PillowEngine
from iiifkit.engines.vips import VipsEngine
from iiifkit.errors import BrokenImage, ImageError, Stopped
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.plan import Box, Plan
from iiifkit.raster import Raster

PHOTOGRAPH = pictures.photograph("astronaut.png")
FORMATS = ("jpg", "png", "tif", "gif", "webp", "avif")


@pytest.fixture(params=["VIPS", "Pillow"])
def engine(request: Any) -> Engine:
    return VipsEngine() if request.param == "VIPS" else PillowEngine()


def whole(info: ImageInfo, format: str = "png", **other: Any) -> Plan:
    plan = {"mirror": False, "degrees": Fraction(0), "quality": "color"} | other
    return Plan(Box(0, 0, info.width, info.height), info.width, info.height, format=format, **plan)


def rendered(engine: Engine, blob: Blob, format: str) -> np.ndarray:
    info = engine.probe(blob, format)
    return np.asarray(engine.transform(blob, info, whole(info)).raster())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_memory_pictures_outlive_their_bytes() -> None:
    VipsEngine()
    wrong = 0
    for number in range(40):
        image = vips_encoding.from_raster(Raster(300, 300, 3, bytes([number + 1]) * 270_000))
        junk = [bytes([200 + extra]) * 270_000 for extra in range(5)]
        wrong += bytes(image.write_to_memory()) != bytes([number + 1]) * 270_000
        del junk
    assert wrong == 0


def test_raw_bytes_of_a_raster_survive_encoding(engine: Engine) -> None:
    plan = Plan(Box(0, 0, 50, 40), 50, 40, False, Fraction(0), "color", "png")
    for number in range(40):
        data = engine.encode(Raster(50, 40, 3, bytes([number]) * 6000), plan)
        assert set(np.unique(pictures.decoded(data))) == {number}


TRUNCATE = """
    import os, sys
    from fractions import Fraction
    from pathlib import Path
    from iiifkit.blob import FileBlob
    from iiifkit.engines import vips_files
    from iiifkit.engines.vips import VipsEngine
    from iiifkit.errors import BrokenImage
    from iiifkit.image_api.plan import Box, Plan

    engine = VipsEngine()
    outcomes = set()
    for path in map(Path, sys.argv[1:]):
        data = path.read_bytes()
        for bytes_at_once in (vips_files.MOST_OF_A_FILE, 0):
            vips_files.MOST_OF_A_FILE = bytes_at_once
            path.write_bytes(data)
            with FileBlob(path) as blob:
                info = engine.probe(blob, path.suffix[1:])
                plan = Plan(Box(0, 0, info.width, info.height), 300, 300, False, Fraction(0), "color", "jpg")
                picture = engine.transform(blob, info, plan)
                os.truncate(path, 5000)
                try:
                    engine.encode(picture, plan)
                    outcomes.add("picture")
                except BrokenImage:
                    outcomes.add("broken")
    print(*sorted(outcomes))
"""


@pytest.mark.slow
def test_truncating_a_file_in_mid_render_does_not_kill_the_process(tmp_path: Path) -> None:
    photograph = pictures.photograph("rocket.jpg", 1500, 1000)
    paths = []
    for format in FORMATS:
        paths.append(tmp_path / f"photograph.{format}")
        paths[-1].write_bytes(pictures.encoded(photograph, format))
    script = textwrap.dedent(TRUNCATE)
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["broken", "picture"]


@pytest.mark.parametrize("format", FORMATS)
def test_after_an_atomic_replace_the_new_pixels_show(engine: Engine, format: str, tmp_path: Path) -> None:
    path, other = tmp_path / "picture", tmp_path / "other"
    path.write_bytes(pictures.encoded(np.full((64, 64, 3), 40, np.uint8), format))
    with FileBlob(path) as old:
        assert abs(rendered(engine, old, format).mean() - 40) < 3
        other.write_bytes(pictures.encoded(np.full((64, 64, 3), 210, np.uint8), format))
        other.replace(path)
        with FileBlob(path) as new:
            assert abs(rendered(engine, new, format).mean() - 210) < 3
        assert abs(rendered(engine, old, format).mean() - 40) < 3


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("tiled", [False, True])
def test_truncated_tiffs_are_never_painted(engine: Engine, share: float, tiled: bool) -> None:
    for compression in (None, "zlib"):
        options = {"tile": (64, 64)} if tiled else {"rowsperstrip": 16}
        data = pictures.tiff(PHOTOGRAPH, compression=compression, **options)
        info = engine.probe(BytesBlob(data, "1"), "tif")
        with pytest.raises(BrokenImage):
            engine.transform(BytesBlob(pictures.truncated(data, share), "2"), info, whole(info)).raster()


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_stays_open(engine: Engine, format: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    data = pictures.encoded(PHOTOGRAPH[:128, :128], format)

    def use(content: bytes) -> Any:
        path.write_bytes(content)
        with FileBlob(path) as blob:
            reference = weakref.ref(blob)
            try:
                rendered(engine, blob, format)
                return reference
            except ImageError:
                return reference

    use(data)
    before = open_descriptors()
    references = [use(content) for content in (data, pictures.truncated(data), data[:40], b"", data)]
    assert open_descriptors() == before
    gc.collect()
    assert not any(reference() for reference in references)


def test_several_threads_share_a_blob(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "picture.tif"
    path.write_bytes(pictures.pyramid(PHOTOGRAPH))
    with FileBlob(path) as blob, ThreadPoolExecutor(8) as pool:
        info = engine.probe(blob, "tif")

        def tile(number: int) -> bool:
            x, y = number % 4 * 128, number // 4 % 4 * 128
            plan = Plan(Box(x, y, 128, 128), 128, 128, False, Fraction(0), "color", "png")
            pixels = np.asarray(engine.transform(blob, info, plan).raster())
            return np.array_equal(pixels, PHOTOGRAPH[y : y + 128, x : x + 128])

        assert all(pool.map(tile, range(64)))


class Counting(BytesBlob):
    """A far-away blob that knows how much was asked of it."""

    remote = True
    asked = 0

    def read(self, offset: int, length: int) -> bytes:
        data = super().read(offset, length)
        self.asked += len(data)
        return data


def test_a_tile_of_a_remote_tiff_costs_few_bytes() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (2048, 2048, 3), dtype=np.uint8)
    data = pictures.pyramid(noise, tile=(256, 256))
    engine = VipsEngine()
    info = engine.probe(BytesBlob(data, "1"), "tif")
    blob = Counting(data, "1")
    plan = Plan(Box(1024, 1024, 256, 256), 256, 256, False, Fraction(0), "color", "png")
    picture = engine.transform(blob, info, plan).raster()
    assert np.array_equal(np.asarray(picture), noise[1024:1280, 1024:1280])
    assert blob.asked < len(data) / 12


@pytest.mark.parametrize("format", ["jpg", "png", "tif", "webp"])
def test_large_files_are_streamed(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = VipsEngine()
    blob = BytesBlob(pictures.encoded(PHOTOGRAPH, format), "1")
    whole_file = rendered(engine, blob, format)
    monkeypatch.setattr(vips_files, "MOST_OF_A_FILE", 0)
    assert np.array_equal(rendered(engine, blob, format), whole_file)


def test_large_turned_pictures_wait_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = VipsEngine(temporary_folder=str(tmp_path))
    blob = BytesBlob(pictures.oriented(PHOTOGRAPH, 6), "1")
    info = engine.probe(blob, "jpg")
    in_memory = np.asarray(engine.transform(blob, info, whole(info)).raster())
    monkeypatch.setattr(vips_pixels, "IN_MEMORY", 0)
    assert np.array_equal(np.asarray(engine.transform(blob, info, whole(info)).raster()), in_memory)
    assert list(tmp_path.iterdir()) == []


def test_a_render_is_stopped_from_outside() -> None:
    engine = VipsEngine()
    blob = BytesBlob(pictures.encoded(PHOTOGRAPH, "jpg"), "1")
    info = engine.probe(blob, "jpg")
    for format in ("png", "jpg", "webp"):
        stops: list[Any] = []
        work = Work(on_stop=stops.append)
        picture = engine.transform(blob, info, whole(info, format), work)
        assert stops
        for stop in stops:
            stop()
        with pytest.raises(Stopped):
            engine.encode(picture, whole(info, format), work)


def test_a_render_is_stopped_in_its_middle() -> None:
    engine = VipsEngine()
    blob = BytesBlob(pictures.encoded(pictures.photograph("rocket.jpg", 3000, 2000), "jpg", quality=80), "1")
    info = engine.probe(blob, "jpg")
    plan = Plan(Box(0, 0, 3000, 2000), 6000, 4000, False, Fraction(0), "color", "png")
    stopped = threading.Event()
    stops: list[Any] = []

    def stop() -> None:
        stopped.set()
        for each in stops:
            each()

    work = Work(stopped=stopped.is_set, on_stop=stops.append)
    timer = threading.Timer(0.1, stop)
    timer.start()
    with pytest.raises(Stopped):
        engine.encode(engine.transform(blob, info, plan, work), plan, work)
    timer.join()


def test_pillow_asks_between_its_steps() -> None:
    engine = PillowEngine()
    blob = BytesBlob(pictures.encoded(PHOTOGRAPH, "jpg"), "1")
    info = engine.probe(blob, "jpg")
    for patience in (0, 1, 2, 3):
        answers = iter([False] * patience)
        with pytest.raises(Stopped):
            engine.transform(blob, info, whole(info), Work(stopped=lambda answers=answers: next(answers, True)))


@pytest.mark.parametrize("format", ["png", "gif", "tif"])
def test_lying_headers_are_image_errors(engine: Engine, format: str) -> None:
    data = {
        "png": pictures.oversized_png(),
        "gif": pictures.oversized_gif()[:12],
        "tif": pictures.tiff_in_a_circle(),
    }[format]
    with pytest.raises(ImageError):
        info = engine.probe(BytesBlob(data, "1"), format)
        plan = Plan(Box(0, 0, 100, 100), 100, 100, False, Fraction(0), "color", "png")
        if format != "png" or isinstance(engine, VipsEngine):
            engine.encode(engine.transform(BytesBlob(data, "1"), info, plan), plan)
        raise BrokenImage("Pillow would need 10 GB to find out; the limits of pixels stand before it.")


SMALL = pictures.photograph("astronaut.png", 48, 32)
VICTIMS = {
    "jpg": pictures.encoded(SMALL, "jpg", icc_profile=pictures.profile(pictures.ADOBE_RGB, 2.2)),
    "png": pictures.encoded(SMALL, "png"),
    "gif": pictures.animation("gif", [SMALL, SMALL[::-1]]),
    "webp": pictures.encoded(SMALL, "webp"),
    "avif": pictures.encoded(SMALL, "avif"),
    "jp2": pictures.encoded(SMALL, "jp2"),
    "tif": pictures.pyramid(SMALL, factors=(2,), tile=(16, 16)),
}
ENGINES = (VipsEngine(), PillowEngine())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    format=st.sampled_from(sorted(VICTIMS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.2, 1),
)
def test_damaged_files_raise_image_errors_only(format: str, changes: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(VICTIMS[format])
    for place, value in changes:
        data[int(place * len(data))] = value
    blob = BytesBlob(bytes(data[: int(kept * len(data))]), "1")
    for engine in ENGINES:
        if format not in engine.reads:
            continue
        try:
            info = engine.probe(blob, format)
            if info.pixels < 1_000_000:
                plan = whole(info, "jpg", quality="gray")
                assert engine.encode(engine.transform(blob, info, plan), plan)[:2] == b"\xff\xd8"
        except ImageError as error:
            assert str(error).endswith(".")


def test_importing_an_engine_loads_no_image_library() -> None:
    script = (
        "import sys, iiifkit.engines.vips, iiifkit.engines.pillow, iiifkit.builtins;"
        "print([name for name in ('pyvips', 'PIL', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_thread_a_render_unless_the_user_says_otherwise() -> None:
    script = (
        "import os; from iiifkit.engines.vips import VipsEngine; VipsEngine(); print(os.environ['VIPS_CONCURRENCY'])"
    )
    for wish, wanted in (({}, "1"), ({"VIPS_CONCURRENCY": "3"}, "3")):
        environment = {key: value for key, value in os.environ.items() if key != "VIPS_CONCURRENCY"} | wish
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.strip() == wanted


def test_vips_says_so_where_libvips_is_missing() -> None:
    script = """
        import sys
        sys.modules["pyvips"] = None
        from iiifkit.engines.vips import VipsEngine
        from iiifkit.errors import SetupError
        try:
            VipsEngine()
        except SetupError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert "libvips" in done.stdout


@pytest.mark.slow
def test_pillow_keeps_the_contract_where_pyvips_cannot_be_imported() -> None:
    script = """
        import sys
        sys.modules["pyvips"] = None
        import pytest
        sys.exit(pytest.main(["-q", "-k", "TestPillow", sys.argv[1]]))
    """
    tests = str(Path(__file__).with_name("test_engines_contract.py"))
    command = [sys.executable, "-c", textwrap.dedent(script), tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
