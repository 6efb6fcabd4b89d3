"""The benchmarks in their shortest form: they work; what they say is for people."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def short(name: str) -> str:
    command = [sys.executable, str(BENCHMARKS / name), "--short"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "libvips 8" in done.stdout
    return done.stdout


def test_serving() -> None:
    table = short("serving.py")
    rows = re.findall(r"^\| (.+?) \| [\d,]+ \([\d,]+ to [\d,]+\) \| [\d.]+ .*\|$", table, re.M)
    for wanted in (
        "from the memory cache",
        "!400,400",
        "stored tiles of 256",
        "512 from 256",
        "visitors' mix",
        "visitor",
    ):
        assert any(wanted in row for row in rows), (wanted, table)


def test_seeding() -> None:
    lines = short("seeding.py")
    assert len(re.findall(r"^\| .+ \| dzsave.* \| [\d.]+ \| [\d.]+ \| [\d.]+ \| [\d.]+ \|$", lines, re.M)) == 5
    assert len(re.findall(r"^\| 4 \| (?:jpg|tif) \| [\d.]+ \| [\d.]+ \| [\d,]+ \|$", lines, re.M)) == 2
    assert re.search(r"^Resident memory of a run: .* at image 5 \([+-][\d.]+%\)$", lines, re.M)
