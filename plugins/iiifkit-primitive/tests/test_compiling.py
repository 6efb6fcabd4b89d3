import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import iiifkit_primitive

PACKAGE = Path(iiifkit_primitive.__file__).parent

PICTURE = """
import hashlib, logging
logging.basicConfig(format="%(message)s", level=logging.INFO)
from iiifkit import QualityRequest, Raster
from iiifkit_primitive.options import PrimitiveOptions
from iiifkit_primitive.quality import PrimitiveQuality
raster = Raster(64, 48, 3, bytes(n * n // 7 % 256 for n in range(64 * 48 * 3)))
quality = PrimitiveQuality(PrimitiveOptions())
wishes = ["primitive:0,30,0", *(f"primitive:{mode},8,0" for mode in (6, 7, 8))]
results = [quality.apply(raster, QualityRequest(wish)) for wish in wishes]
print(hashlib.sha256(b"".join(result.data for result in results)).hexdigest())
from iiifkit_primitive import compiling
print(compiling.cache_folder())
"""


FLOATS = """
for kernel in compiling._kernels:
    for text in kernel.inspect_llvm().values():
        assert text.startswith("; ModuleID"), "there is nothing to inspect"
        for line in text.splitlines():
            if ("double" in line or "float" in line) and not line.startswith("declare"):
                print(line.strip())
"""
"""Prints every instruction that has to do with floating-point numbers, of code that was compiled just now."""

WHOLE = re.compile(
    r"%[^ ]+ = ([us]itofp (nneg )?(i64|<[0-9]+ x i64>) [^ ]+ to (double|<[0-9]+ x double>)"
    r"|(tail )?call (double|<[0-9]+ x double>) @(llvm\.sqrt\.[a-z0-9]+|sqrt)\((double|<[0-9]+ x double>) [^ ]+\)"
    r"|fptosi (double|<[0-9]+ x double>) [^ ]+ to (i64|<[0-9]+ x i64>))"
)
"""A whole number with a fraction made of it, its root, and that cut to a whole one. IEEE 754 leaves no choice there."""


def run(code=PICTURE, path=None, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    clean["PYTHONPATH"] = os.pathsep.join([str(path), *sys.path] if path else sys.path)
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def kept(folder):
    return sorted(path.name for path in Path(folder).rglob("*.nbc"))


FOLDER = "from iiifkit_primitive import compiling; print(compiling.cache_folder())"


def test_code_is_kept_beside_the_package_or_where_numba_is_told(tmp_path):
    assert Path(run(FOLDER).stdout.strip()).parent == PACKAGE / "__pycache__"
    assert Path(run(FOLDER, NUMBA_CACHE_DIR=str(tmp_path)).stdout.strip()).parent == tmp_path


@pytest.fixture
def sealed(tmp_path):
    """A copy of the package in a place where nothing can be kept: a file stands where the folder would be."""
    shutil.copytree(PACKAGE, tmp_path / "site" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "site" / PACKAGE.name / "__pycache__").write_text("")
    return tmp_path / "site"


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache folder is elsewhere")
def test_a_sealed_package_keeps_its_code_in_the_users_cache(sealed, tmp_path):
    folder = run(FOLDER, sealed, XDG_CACHE_HOME=str(tmp_path / "mine")).stdout.strip()
    assert Path(folder).parent == tmp_path / "mine"


def test_other_sources_have_another_folder(sealed, tmp_path):
    before = run(FOLDER, sealed, NUMBA_CACHE_DIR=str(tmp_path)).stdout
    with (sealed / PACKAGE.name / "chance.py").open("a") as file:
        file.write("# changed\n")
    assert run(FOLDER, sealed, NUMBA_CACHE_DIR=str(tmp_path)).stdout != before


@pytest.mark.slow
def test_without_any_place_it_compiles_each_time_and_says_so(sealed, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(PICTURE + FLOATS, sealed, NUMBA_CACHE_DIR=str(tmp_path / "file"))
    kept = run()
    assert done.stdout.split()[:2] == [kept.stdout.split()[0], "None"]
    assert "set NUMBA_CACHE_DIR" in done.stderr
    assert "primitive: compiling" in done.stderr
    assert "primitive: compiling" not in kept.stderr
    only_roots(done)


@pytest.mark.slow
def test_another_processor_and_compiler_setting_give_the_same_picture(tmp_path):
    """Without vector instructions, fused multiply-add and most optimizations; and every index is checked."""
    simple = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_OPT": "1", "NUMBA_BOUNDSCHECK": "1"}
    plain = run(PICTURE + FLOATS, NUMBA_CACHE_DIR=str(tmp_path), **simple)
    assert plain.stdout.split()[0] == run().stdout.split()[0]
    only_roots(plain)


def only_roots(done):
    """No floating-point number is added, multiplied or compared: nothing can be fused, reordered or rounded twice."""
    lines = done.stdout.splitlines()[2:]
    assert any("sqrt" in line for line in lines)
    assert [line for line in lines if not WHOLE.match(line)] == []


def test_compiling_ahead():
    run()
    said = run("import runpy; runpy.run_module('iiifkit_primitive', run_name='__main__')").stdout
    assert "takes about a quarter of a minute" in said
    assert f"is compiled; its code is kept in {PACKAGE}" in said


@pytest.mark.slow
def test_damaged_code_is_compiled_anew(tmp_path):
    picture, folder = run().stdout.split()
    shutil.copytree(folder, tmp_path / Path(folder).name)
    files = list(tmp_path.rglob("*.nbc")) + list(tmp_path.rglob("*.nbi"))
    assert len(kept(tmp_path)) >= 5
    for file in files:
        file.write_bytes(file.read_bytes()[:-40])
    second = run(NUMBA_CACHE_DIR=str(tmp_path))
    assert second.stdout.split()[0] == picture
    assert "damaged" in second.stderr
    assert kept(tmp_path) == []
