"""What a render is said to need is about what it needs, measured in processes of their own."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pictures
import pytest
from PIL import Image

MEASURE = """
    import json, sys
    from fractions import Fraction
    from pathlib import Path
    from iiifkit.blob import FileBlob
    from iiifkit.builtins import iiifkit_engines
    from iiifkit.hookspecs import Environment, NoOptions
    from iiifkit.image_api.plan import Box, Plan
    from iiifkit.raster import Raster

    def memory(field):
        return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0]) * 1024

    name, path, *plans = sys.argv[1:]
    engine = iiifkit_engines()[name].build(NoOptions(), Environment("engine"))
    with FileBlob(Path(path)) as blob:
        info = engine.probe(blob, Path(path).suffix[1:])
        region, size = json.loads(plans[0])
        plan = Plan(Box(*region), *size, False, Fraction(0), "color", "jpg")
        engine.encode(Raster(64, 64, 3, bytes(64 * 64 * 3)), plan)
        before = memory("VmRSS")
        engine.encode(engine.transform(blob, info, plan), plan)
        print(json.dumps([memory("VmHWM") - before, engine.estimate(info, plan)]))
"""
WIDTH, HEIGHT = 6000, 4000
WHOLE, CORNER = ((0, 0, WIDTH, HEIGHT), (600, 400)), ((4500, 2500, 1024, 1024), (1024, 1024))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 24 megapixels, stored in several ways."""
    folder = tmp_path_factory.mktemp("large")
    image = Image.fromarray(pictures.photograph("retina.jpg")).resize((WIDTH, HEIGHT))
    for name, options in {"plain.jpg": {}, "progressive.jpg": {"progressive": True}}.items():
        image.save(folder / name, quality=85, **options)
    image.save(folder / "plain.png", compress_level=1)
    image.save(folder / "plain.webp", quality=80, method=0)
    return folder


def measured(engine: str, path: Path, plan: object) -> tuple[float, float]:
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), engine, str(path), json.dumps(plan)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    needed, estimated = json.loads(done.stdout)
    return needed / 1e6, estimated / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured through /proc")
@pytest.mark.parametrize("engine", ["VIPS", "Pillow"])
@pytest.mark.parametrize("name", ["plain.jpg", "progressive.jpg", "plain.png", "plain.webp"])
@pytest.mark.parametrize("plan", [WHOLE, CORNER], ids=["whole", "corner"])
def test_estimates_are_near_what_is_needed(engine: str, name: str, plan: object, folder: Path) -> None:
    needed, estimated = measured(engine, folder / name, plan)
    assert needed / 1.6 - 8 < estimated < 1.6 * needed + 8


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured through /proc")
def test_a_large_jpeg_or_png_streams_through(folder: Path) -> None:
    for name in ("plain.jpg", "plain.png"):
        needed, _ = measured("VIPS", folder / name, ((0, 0, WIDTH, HEIGHT), (WIDTH, HEIGHT)))
        assert needed < WIDTH * HEIGHT * 3 / 2 / 1e6
