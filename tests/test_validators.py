"""The official validators against a real server: every test of every level, both versions, both engines."""

from pathlib import Path

import pytest
from conftest import Serve
from PIL import Image
from serving import Server
from validating import IDENTIFIER, Classic, NextGeneration

PREFIXES = {"2.0": "iiif/2", "3.0": "iiif/3"}

OPEN = {"limits": {"max_width": None, "max_height": None, "max_area": None}}
"""Without limits: `size_up` wants 1000x1000 pixels of ``^max``, which is the limits' size wherever there are any."""

DISPUTED = "size='!2000,3000'"
"""The check of NG's `size_noup` that the text of 3.0 contradicts: a box larger than the region is no error (4.2)."""

engines = pytest.mark.parametrize("engine", ["VIPS", pytest.param("Pillow", marks=pytest.mark.slow)])
versions = pytest.mark.parametrize("version", ["2.0", "3.0"])


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    return request.config.cache.mkdir("validators")


@pytest.fixture(scope="session")
def classic(packages: Path) -> Classic:
    return Classic(packages)


@pytest.fixture(scope="session")
def next_generation(packages: Path) -> NextGeneration:
    return NextGeneration(packages)


@pytest.fixture
def validated(serve: Serve, picture_folder: Path, classic: Classic, engine: str) -> Server:
    path = picture_folder / IDENTIFIER
    if not path.exists():
        Image.fromarray(classic.picture()).save(path, "PNG")
    return serve({**OPEN, "graphics": {"source": {"name": engine}}})


@engines
@versions
def test_classic(classic: Classic, validated: Server, version: str) -> None:
    names = classic.names(version)
    failed = {}
    for name in names:
        try:
            classic.run(name, validated.netloc, PREFIXES[version], version)
        except Exception as error:
            failed[name] = repr(error)
    assert len(names) == {"2.0": 43, "3.0": 45}[version]
    assert failed == {}


@engines
@versions
def test_next_generation(next_generation: NextGeneration, validated: Server, version: str) -> None:
    passed, failed = [], []
    tests = [test for _, test in next_generation.tests(version)]
    for test in tests:
        good, bad = next_generation.run(test, f"{validated.base}/{PREFIXES[version]}", version)
        passed += good
        failed += bad
    assert [tuple(check) for check in failed if DISPUTED not in check.details] == []
    assert (len(tests), len(failed)) == {"2.0": (44, 0), "3.0": (46, 1)}[version]
    assert len(passed) >= 110


@pytest.mark.parametrize("engine", ["VIPS"])
@versions
def test_a_wrong_picture_is_noticed(
    classic: Classic, next_generation: NextGeneration, validated: Server, start: Serve, tmp_path: Path, version: str
) -> None:
    """The mended validators still fail: here red and blue are swapped."""
    folder = tmp_path / "wrong"
    folder.mkdir()
    Image.fromarray(classic.picture()[:, :, ::-1]).save(folder / IDENTIFIER, "PNG")
    wrong = start(folder, OPEN)
    with pytest.raises(Exception, match="color"):
        classic.run("id_squares", wrong.netloc, PREFIXES[version], version)
    tests = dict(next_generation.tests(version))
    _, failed = next_generation.run(tests["region_pixels"], f"{wrong.base}/{PREFIXES[version]}", version)
    assert failed
