"""What every engine must do, as tests that an engine's own tests inherit.

::

    class TestMyEngine(EngineContract):
        def make_engine(self):
            return MyEngine()

Needs pytest and Pillow, which makes the pictures and looks at the results.
"""

import io
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..blob import Blob, BytesBlob, FileBlob
from ..contracts import Engine, Work
from ..errors import BrokenImage, ImageError, SourceError, Stopped
from ..image_api.formats import FORMATS
from ..image_api.image import ImageInfo
from ..image_api.plan import Box, Plan
from ..raster import Animation, Frame, Raster
from .pictures import (
    HEIGHT,
    NEARLY,
    PILLOW_NAMES,
    WHOLE,
    WIDTH,
    FailingBlob,
    chart,
    difference,
    looked_at,
    lying,
    pixel,
    plan_of,
    stored,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class EngineContract(ABC):
    """Inherit, write `make_engine`, and run with pytest."""

    @abstractmethod
    def make_engine(self) -> Engine:
        """Return an engine with its default settings."""

    @pytest.fixture
    def engine(self) -> Engine:
        """Return the engine under test."""
        return self.make_engine()

    def render(self, engine: Engine, blob: Blob, plan: Plan, format: str = "png") -> "Image":
        """Probe, transform, encode, and look at the result."""
        return looked_at(engine.encode(engine.transform(blob, engine.probe(blob, format), plan), plan))

    # What it says of itself

    def test_names_are_the_specifications(self, engine: Engine) -> None:
        """It reads and writes at least jpg and png, and no format by a name of its own."""
        assert {"jpg", "png"} <= engine.reads & engine.writes
        assert engine.reads | engine.writes <= FORMATS.keys()

    def test_fingerprint_is_stable(self, engine: Engine) -> None:
        """Two engines with the same settings make the same pictures, and say so."""
        assert engine.fingerprint
        assert engine.fingerprint == self.make_engine().fingerprint

    def test_estimate_covers_the_result(self, engine: Engine) -> None:
        """The estimate is a number of bytes, at least those of the result, and grows with it."""
        blob = stored(chart())
        info = engine.probe(blob, "png")
        for format in sorted(engine.writes):
            plan, small = plan_of(width=1200, height=800, format=format), plan_of(width=120, height=80, format=format)
            data = engine.encode(engine.transform(blob, info, plan), plan)
            assert engine.estimate(info, plan) >= len(data), format
            assert engine.estimate(info, plan) > engine.estimate(info, small), format

    # Reading

    def test_reads_what_it_says(self, engine: Engine) -> None:
        """Each format that it declares is probed and decoded."""
        for format in sorted(engine.reads & PILLOW_NAMES.keys()):
            blob = stored(chart(), format)
            info = engine.probe(blob, format)
            assert (info.width, info.height, info.format) == (WIDTH, HEIGHT, format)
            seen = engine.transform(blob, info, plan_of()).raster().to_pillow()
            assert difference(seen, chart()) < NEARLY, format

    def test_probe_tells_the_nature(self, engine: Engine) -> None:
        """Color and alpha are told from the header."""
        for mode, color, alpha in (
            ("RGB", True, False),
            ("L", False, False),
            ("LA", False, True),
            ("RGBA", True, True),
        ):
            info = engine.probe(stored(chart().convert(mode)), "png")
            assert (info.color, info.alpha) == (color, alpha), mode

    def test_a_file_and_its_bytes_look_the_same(self, engine: Engine, tmp_path: Path) -> None:
        """It makes no difference whether the Blob has a local path."""
        for format in sorted(engine.reads & PILLOW_NAMES.keys()):
            blob = stored(chart(), format)
            path = tmp_path / "picture"
            path.write_bytes(blob.data)
            with FileBlob(path) as file:
                on_disk = engine.transform(file, engine.probe(file, format), plan_of()).raster()
            assert on_disk == engine.transform(blob, engine.probe(blob, format), plan_of()).raster()

    def test_orientations(self, engine: Engine) -> None:
        """The EXIF orientation is applied before anything else."""
        for orientation in range(1, 9):
            blob = lying(orientation)
            info = engine.probe(blob, "jpg")
            assert (info.width, info.height) == (WIDTH, HEIGHT), orientation
            seen = self.render(engine, blob, plan_of(Box(10, 20, 40, 30), 20, 15), "jpg")
            wanted = chart().crop((10, 20, 50, 50)).resize((20, 15))
            assert difference(seen, wanted) < NEARLY, orientation

    # Region and size

    def test_regions_are_exact(self, engine: Engine) -> None:
        """A region that is not scaled has exactly its own pixels."""
        blob = stored(chart())
        for region in (WHOLE, Box(0, 0, 1, 1), Box(95, 63, 1, 1), Box(7, 11, 50, 29), Box(95, 0, 1, 64)):
            seen = self.render(engine, blob, plan_of(region))
            corners = (region.x, region.y, region.x + region.width, region.y + region.height)
            assert list(seen.convert("RGB").tobytes()) == list(chart().crop(corners).tobytes()), region

    def test_sizes_are_exact(self, engine: Engine) -> None:
        """The result has the plan's size, smaller, larger, distorted or a single pixel."""
        blob = stored(chart())
        for width, height in ((48, 32), (96, 1), (1, 64), (1, 1), (33, 17), (200, 10), (10, 200), (300, 200)):
            assert self.render(engine, blob, plan_of(width=width, height=height)).size == (width, height)

    def test_scaling_keeps_the_picture_in_place(self, engine: Engine) -> None:
        """A scaled region looks like the region, and nothing of it moves."""
        blob = stored(chart())
        region = Box(16, 8, 64, 48)
        part = chart().crop((16, 8, 80, 56))
        for width, height in ((32, 24), (16, 12), (128, 96), (37, 19)):
            seen = self.render(engine, blob, plan_of(region, width, height))
            assert difference(seen, part.resize((width, height))) < 3, (width, height)

    def test_large_jpeg_shrinks_in_place(self, engine: Engine) -> None:
        """Tiles at all scale factors come from the right place, also at the edges of odd sizes."""
        width, height = 517, 389
        whole = chart(width, height)
        blob = stored(whole, "jpg")
        for factor in (2, 4, 8):
            for x, y in ((0, 0), (64 * factor, 0), (0, 32 * factor)):
                w, h = min(64 * factor, width - x), min(64 * factor, height - y)
                if w <= 0 or h <= 0:
                    continue
                size = (-(-w // factor), -(-h // factor))
                seen = self.render(engine, blob, plan_of(Box(x, y, w, h), *size), "jpg")
                wanted = whole.crop((x, y, x + w, y + h)).resize(size)
                assert difference(seen, wanted) < NEARLY, (factor, x, y)

    # Mirroring and rotation

    def test_quarter_turns_are_exact_and_clockwise(self, engine: Engine) -> None:
        """The picture is mirrored first, then turned clockwise; every pixel is an original one."""
        from PIL.Image import Transpose

        turns = {0: None, 90: Transpose.ROTATE_270, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_90}
        for mirror in (False, True):
            for degrees, turn in turns.items():
                wanted = chart().transpose(Transpose.FLIP_LEFT_RIGHT) if mirror else chart()
                wanted = wanted if turn is None else wanted.transpose(turn)
                seen = self.render(engine, stored(chart()), plan_of(mirror=mirror, degrees=Fraction(degrees)))
                assert seen.size == wanted.size
                assert seen.convert("RGB").tobytes() == wanted.tobytes(), (mirror, degrees)

    def test_any_angle(self, engine: Engine) -> None:
        """The canvas grows to hold the turned picture, clockwise; nothing is scaled, the corners are transparent."""
        from PIL.Image import Resampling

        for degrees in (Fraction(30), Fraction(45, 2), Fraction(241, 2), Fraction(300)):
            seen = self.render(engine, stored(chart()), plan_of(degrees=degrees))
            wanted = chart().convert("RGBA").rotate(-float(degrees), expand=True, resample=Resampling.BICUBIC)
            assert abs(seen.width - wanted.width) <= 2
            assert abs(seen.height - wanted.height) <= 2
            assert seen.mode == "RGBA"
            for x, y in ((0, 0), (seen.width - 1, 0), (0, seen.height - 1), (seen.width - 1, seen.height - 1)):
                assert pixel(seen, x, y)[3] == 0, (degrees, x, y)
            middle = (seen.width // 2, seen.height // 2)
            for x, y in ((0, 0), (20, 5), (-20, 10), (5, -15)):
                mine = pixel(seen, middle[0] + x, middle[1] + y)
                theirs = pixel(wanted, wanted.width // 2 + x, wanted.height // 2 + y)
                assert max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) < 12, (degrees, x, y)

    def test_turned_corners_are_white_in_jpg(self, engine: Engine) -> None:
        """A format without transparency shows white paper in the corners."""
        seen = self.render(engine, stored(chart()), plan_of(degrees=Fraction(45), format="jpg"))
        assert min(pixel(seen.convert("RGB"), 0, 0)) > 245
        assert min(pixel(seen.convert("RGB"), seen.width - 1, seen.height - 1)) > 245

    # Quality

    def test_gray(self, engine: Engine) -> None:
        """Gray is one sample a pixel, of the picture's light."""
        for format in sorted(engine.writes & {"jpg", "png", "tif"}):
            seen = self.render(engine, stored(chart()), plan_of(quality="gray", format=format))
            assert seen.mode == "L", format
            assert difference(seen, chart().convert("L")) < 12, format

    def test_gray_sources_stay_gray(self, engine: Engine) -> None:
        """A gray source gives one sample a pixel, even for color."""
        seen = self.render(engine, stored(chart().convert("L")), plan_of(quality="color"))
        assert seen.mode == "L"
        assert difference(seen, chart().convert("L")) < 1

    def test_bitonal(self, engine: Engine) -> None:
        """Bitonal is black from gray 0 to 127 and white from 128; png and tif store one bit a pixel."""
        from PIL import Image

        gray = Image.frombytes("L", (256, 1), bytes(range(256)))
        for format in sorted(engine.writes & {"png", "tif"}):
            plan = plan_of(Box(0, 0, 256, 1), quality="bitonal", format=format)
            blob = stored(gray)
            picture = engine.transform(blob, engine.probe(blob, "png"), plan)
            image = Image.open(io.BytesIO(engine.encode(picture, plan)))
            assert image.mode == "1", format
            assert image.convert("L").tobytes() == bytes(128) + b"\xff" * 128, format
        raster = engine.transform(blob, engine.probe(blob, "png"), plan).raster()
        assert raster == Raster(256, 1, 1, bytes(128) + b"\xff" * 128)

    def test_bitonal_jpg_has_one_component(self, engine: Engine) -> None:
        """A viewer counts the colors of a bitonal jpg."""
        plan = plan_of(quality="bitonal", format="jpg")
        assert self.render(engine, stored(chart()), plan).mode == "L"

    def test_other_qualities_get_color(self, engine: Engine) -> None:
        """For a quality that is not the engine's own the picture is as for color."""
        blob = stored(chart())
        info = engine.probe(blob, "png")
        other = engine.transform(blob, info, plan_of(quality="dither")).raster()
        assert other == engine.transform(blob, info, plan_of(quality="color")).raster()

    # Transparency

    def test_transparency_becomes_white_in_jpg(self, engine: Engine) -> None:
        """What is transparent shows white paper, whatever color hides in it."""
        from PIL import Image

        image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
        image.paste((200, 30, 40, 255), (0, 0, 16, 32))
        seen = self.render(engine, stored(image), plan_of(Box(0, 0, 32, 32), format="jpg"))
        assert min(pixel(seen, 28, 16)) > 245
        assert abs(pixel(seen, 4, 16)[0] - 200) < 12

    def test_transparency_is_kept_without_halos(self, engine: Engine) -> None:
        """Scaling mixes no color of transparent pixels into the others."""
        from PIL import Image

        image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        image.paste((250, 240, 230, 255), (0, 0, 32, 64))
        seen = self.render(engine, stored(image), plan_of(Box(0, 0, 64, 64), 19, 19))
        assert seen.mode == "RGBA"
        for x in range(19):
            red, _, _, alpha = pixel(seen, x, 9)
            assert alpha < 32 or red > 235, x
        assert pixel(seen, 18, 9)[3] == 0
        assert pixel(seen, 0, 9)[3] == 255

    # Encoding

    def test_writes_what_it_says(self, engine: Engine) -> None:
        """Each format that it declares is written, and others read it."""
        from PIL import Image

        for format in sorted(engine.writes):
            plan = plan_of(width=48, height=32, format=format)
            blob = stored(chart())
            data = engine.encode(engine.transform(blob, engine.probe(blob, "png"), plan), plan)
            if format == "pdf":
                assert data.startswith(b"%PDF-")
                continue
            assert Image.open(io.BytesIO(data)).format == PILLOW_NAMES[format]
            assert difference(looked_at(data), chart().resize((48, 32))) < NEARLY, format

    def test_one_picture_has_one_encoding(self, engine: Engine) -> None:
        """The same plan gives the same bytes, so that caches and ETags can rely on it."""
        for format in sorted(engine.writes):
            plan, blob = plan_of(format=format), stored(chart())
            one, other = (engine.encode(engine.transform(blob, engine.probe(blob, "png"), plan), plan) for _ in "12")
            assert one == other, format

    def test_metadata_is_dropped(self, engine: Engine) -> None:
        """EXIF, with its places and names, stays with the original."""
        from PIL import Image

        exif = Image.Exif()
        exif[0x010E] = "a secret place"
        blob = stored(chart(), "jpg", exif=exif)
        for format in sorted(engine.writes):
            plan = plan_of(format=format)
            assert b"secret" not in engine.encode(engine.transform(blob, engine.probe(blob, "jpg"), plan), plan), format

    def test_neutral_pictures_are_encoded(self, engine: Engine) -> None:
        """A Raster of any number of bands is stored like a picture of the engine's own."""
        for mode in ("L", "LA", "RGB", "RGBA"):
            raster = Raster.from_pillow(chart().convert(mode))
            for format in sorted(engine.writes):
                data = engine.encode(raster, plan_of(format=format))
                if format != "pdf":
                    assert difference(looked_at(data), chart().convert(mode)) < NEARLY * 2, (mode, format)

    def test_animations(self, engine: Engine) -> None:
        """In gif and webp all frames, their durations and the loop are kept; other formats show the last frame."""
        from PIL import Image

        colors = ("red", "lime", "blue")
        frames = [Frame(Raster.from_pillow(Image.new("RGB", (20, 10), color)), 200) for color in colors]
        for format in sorted(engine.writes - {"pdf"}):
            image = Image.open(io.BytesIO(engine.encode(Animation(frames), plan_of(format=format))))
            if not FORMATS[format].animated:
                assert pixel(image.convert("RGB"), 5, 5)[2] > 240, format
                continue
            assert getattr(image, "n_frames", 1) == 3, format
            assert image.info.get("loop") == 0, format
            for number, color in enumerate(colors):
                image.seek(number)
                image.load()
                assert image.info["duration"] == 200, format
                assert difference(image.convert("RGB"), Image.new("RGB", (20, 10), color)) < NEARLY, (format, number)

    def test_rasters_are_neutral(self, engine: Engine) -> None:
        """The pixels can be taken out, with the bands that the picture has."""
        for mode, bands in (("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)):
            blob = stored(chart().convert(mode))
            raster = engine.transform(blob, engine.probe(blob, "png"), plan_of()).raster()
            assert raster == Raster(WIDTH, HEIGHT, bands, chart().convert(mode).tobytes())

    # Failure

    def test_truncated_files_are_broken(self, engine: Engine, tmp_path: Path) -> None:
        """A file that ends early is an error, never half a picture."""
        for format in sorted(engine.reads & PILLOW_NAMES.keys()):
            whole = stored(chart(400, 300), format)
            info = engine.probe(whole, format)
            path = tmp_path / "truncated"
            path.write_bytes(whole.data[: len(whole.data) * 2 // 3])
            with FileBlob(path) as file:
                for half in (BytesBlob(whole.data[: len(whole.data) // 2], "2"), file):
                    self.assert_broken(engine, half, info)

    def assert_broken(self, engine: Engine, blob: Blob, info: ImageInfo) -> None:
        """Assert that no picture is made, neither as pixels nor encoded."""
        plan = plan_of(Box(0, 0, info.width, info.height), format="jpg")
        with pytest.raises(BrokenImage):
            engine.transform(blob, info, plan).raster()
        with pytest.raises(BrokenImage):
            engine.encode(engine.transform(blob, info, plan), plan)

    def test_nonsense_is_an_image_error(self, engine: Engine) -> None:
        """Bytes that are no picture raise an `ImageError` whose sentence is not a library's."""
        for format in sorted(engine.reads & PILLOW_NAMES.keys()):
            head = stored(chart(), format).data[:24]
            for data in (b"", head[:4], head, head + b"\xff" * 3000, b"\0" * 100):
                with pytest.raises(ImageError) as caught:
                    engine.probe(BytesBlob(data, "1"), format)
                assert str(caught.value).endswith("."), format

    def test_errors_of_the_source_come_through(self, engine: Engine) -> None:
        """What reading the Blob raises is what the caller sees."""
        for format in sorted(engine.reads & {"jpg", "png", "tif"}):
            blob = stored(chart(900, 700), format, **({"compress_level": 0} if format == "png" else {}))
            info = engine.probe(blob, format)
            plan = plan_of(Box(0, 0, 900, 700))
            with pytest.raises(SourceError):
                engine.encode(engine.transform(FailingBlob(blob.data, 3000), info, plan), plan)

    def test_stopped_work_stops(self, engine: Engine) -> None:
        """Work that nobody waits for any more raises `Stopped`."""
        blob = stored(chart())
        info = engine.probe(blob, "png")
        with pytest.raises(Stopped):
            work = Work(stopped=lambda: True, on_stop=lambda stop: stop())
            engine.encode(engine.transform(blob, info, plan_of(), work), plan_of(), work)
