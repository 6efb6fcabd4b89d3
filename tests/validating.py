"""The two official validators, side by side under one Python, with what is broken in them mended in memory.

Both distributions install a package of the same name, so neither is imported from where pip would put it: each goes
into a folder of its own, once, and is loaded under a name of its own.
"""

import importlib
import importlib.util
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

CLASSIC = "iiif-validator==1.0.5"
NEXT_GENERATION = "iiif-validator-ng==0.1.0"
IDENTIFIER = "67352ccc-d1b0-11e1-89ae-279075081939"
"""Under which both look for their picture."""


def installed(requirement: str, folder: Path) -> Path:
    """The folder of a validator's package; pip fetches it if it is not there. Its dependencies are this project's."""
    target = folder / requirement.replace("==", "-")
    if not (target / "iiif_validator").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), requirement]
        subprocess.run(command, check=True)
    return target / "iiif_validator"


def loaded(name: str, package: Path) -> ModuleType:
    """Import a package from a folder under another name."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Classic:
    """iiif-validator 1.0.5."""

    def __init__(self, folder: Path) -> None:
        loaded("classic_validator", installed(CLASSIC, folder))
        self._module = importlib.import_module("classic_validator.validator")
        self._info = self._module.ValidationInfo()
        self._suite = self._module.TestSuite(self._info)
        for name in ("format_jp2", "format_pdf", "format_webp"):
            _mend_format(importlib.import_module(f"classic_validator.tests.{name}"))
        _exclude_disputed_box(self._suite.all_tests["size_noup"])
        # It says 2.1 where the runner says 2.0, so that it never ran.
        square = self._suite.all_tests["region_square"]
        square.versions, square.level = [*square.versions, "2.0"], {**square.level, "2.0": 3}

    def picture(self) -> np.ndarray:
        """The picture that must be served: ten by ten flat squares of 100 pixels."""
        columns = np.array(self._info.colorInfo, np.uint8)
        return columns.swapaxes(0, 1).repeat(100, 0).repeat(100, 1)

    def names(self, version: str) -> list[str]:
        """The tests of a version, of all levels."""
        return sorted(self._suite.list_tests(version))

    def run(self, name: str, netloc: str, prefix: str, version: str) -> list[str]:
        """Run a test; return what it asked. Raises what the test raises."""
        random.seed(name)
        result = self._module.ImageAPI(IDENTIFIER, netloc, prefix, "http", "", version, debug=False)
        self._suite.run_test(name, result)
        if result.exception is not None:
            raise result.exception
        return list(result.urls)


def _mend_format(module: ModuleType) -> None:
    """``urllib.urlopen`` is Python 2's, ``magic.Magic().id_buffer`` another library's, and bytes are no text."""
    magic = module.__dict__.get("magic")

    class Magic:
        def __enter__(self) -> "Magic":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def id_buffer(self, data: bytes) -> str:
            return str(magic.from_buffer(data))

    def urlopen(url: str) -> Any:
        response = urllib.request.urlopen(url, timeout=5)
        if magic is not None:
            return response
        return SimpleNamespace(read=lambda: response.read().decode("latin-1"), close=response.close)

    module.urllib = SimpleNamespace(urlopen=urlopen)
    module.magic = SimpleNamespace(Magic=Magic)


def _exclude_disputed_box(test: Any) -> None:
    """Leave out the last request of `size_noup`, ``full/!2000,3000`` on 1000x1000 pixels, which must not be 200.

    The test is of 2019; the text of 3.0, of 2020, has it that a box larger than the region is no error: the answer
    is the region's own size (4.2).
    """
    check = test.checkSize
    test.checkSize = lambda self, result, size: None if size == "!2000,3000" else check(self, result, size)


CORNERS = 255
"""What lies behind the corners of a turned picture where the format has no transparency: white."""


class Turnable:
    """A picture as the tests of free rotation use it; they leave libvips' black behind the corners.

    The specification leaves the color to the server (4.3), and the tests' own area reaches into the corners.
    """

    def __init__(self, image: Any) -> None:
        self._image = image

    def extract_area(self, *box: int) -> "Turnable":
        return Turnable(self._image.extract_area(*box))

    def rotate(self, degrees: float) -> Any:
        return self._image.rotate(degrees, background=[CORNERS])


class NextGeneration:
    """iiif-validator-ng 0.1.0. Of its code only its own runner needs Python 3.12, and that is not imported here."""

    def __init__(self, folder: Path) -> None:
        package = installed(NEXT_GENERATION, folder)
        loaded("next_validator", package)
        self._base = importlib.import_module("next_validator.tests.test")
        self._mend(self._base, package / "validation_image.png")

    @staticmethod
    def _mend(base: ModuleType, picture: Path) -> None:
        import magic
        import pyvips

        image_format = base.get_image_format

        def get_image_format(server: Any, request: Any) -> str:
            """libvips' wheel opens neither JPEG 2000 nor PDF."""
            if request.format not in ("jp2", "pdf"):
                return str(image_format(server, request))
            seen = magic.from_buffer(base.make_request(request.url(server)).body)
            return {"JPEG 2000": "jp2k", "PDF document": "pdf"}.get(" ".join(seen.split(",")[0].split()[:2]), seen)

        # The package of the original name is not there to look for the picture in.
        base.get_expected_image = lambda: pyvips.Image.new_from_file(str(picture))
        for name in ("rot_full_non90", "rot_region_non90"):
            module = importlib.import_module(f"next_validator.tests.{name}")
            module.get_expected_image = lambda: Turnable(base.get_expected_image())
        base.get_image_format = get_image_format

    def tests(self, version: str) -> Iterator[tuple[str, Any]]:
        """The tests of a version, of all levels, by name."""
        for test in self._base.get_tests(self._base.IIIFVersion(version)):
            yield test.__module__.rpartition(".")[2], test

    def run(self, test: Any, base_url: str, version: str) -> tuple[list[Any], list[Any]]:
        """Run a test; return its checks that passed, and those that failed."""
        random.seed(test.__module__)
        target = self._base.TargetServer(base_url, IDENTIFIER, self._base.IIIFVersion(version))
        outcome = test.run(target)
        checks = outcome if isinstance(outcome, list) else [outcome]
        return [check for check in checks if check.success], [check for check in checks if not check.success]
