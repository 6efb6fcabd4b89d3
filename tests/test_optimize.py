"""optimize: pyramids that are upright, in sRGB, cheap to cut, and there whole or not at all."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pictures
import pytest
import tifffile
from PIL import Image

from iiifkit.assembly import open_service
from iiifkit.blob import FileBlob
from iiifkit.errors import BadRequest
from iiifkit.new_file import new_file
from iiifkit.optimizing import targets
from iiifkit.pyramid import read_index

COMMAND = [sys.executable, "-m", "iiifkit.cli", "optimize"]


def optimize(folder: Path, *arguments: str, status: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done  # type: ignore[no-any-return]


def photograph(folder: Path, name: str, width: int = 1101, height: int = 803, **options: object) -> np.ndarray:
    array = pictures.photograph("coffee.png", width, height)
    Image.fromarray(array).save(folder / name, **options)
    return array


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".iiifkit" in path.name]


def test_a_pyramid_is_cheap_to_cut(tmp_path: Path) -> None:
    array = photograph(tmp_path, "a.jpg", quality=95)
    done = optimize(tmp_path, "a.jpg", "a.tif")
    assert done.stdout.startswith("1 pyramid written (")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert [page.shape[:2] for page in file.pages] == [(803, 1101), (401, 550), (200, 275), (100, 137)]
        assert all(page.is_tiled and page.tile == (256, 256) for page in file.pages)
        assert file.pages[0].compression.name == "JPEG"
    index = read_index(FileBlob(tmp_path / "a.tif"))
    assert index is not None
    assert index.qualities == {"color"}
    service = open_service(folder=tmp_path)
    answer = service.answer("a.tif/256,256,256,256/256,/0/default.jpg", 2)
    assert answer.how == "slice"
    difference = np.abs(pictures.decoded(answer.body).astype(int) - array[256:512, 256:512])
    assert difference.mean() < 3
    assert service.document("a.tif", "http://x")["tiles"] == [{"width": 256, "scaleFactors": [1, 2, 4, 8]}]
    service.close()


@pytest.mark.parametrize("orientation", [3, 6])
def test_it_is_upright(tmp_path: Path, orientation: int) -> None:
    array = pictures.photograph("coffee.png", 600, 400)
    (tmp_path / "turned.jpg").write_bytes(pictures.oriented(array, orientation))
    optimize(tmp_path, "turned.jpg", "up.tif")
    with tifffile.TiffFile(tmp_path / "up.tif") as file:
        assert 274 not in file.pages[0].tags or file.pages[0].tags[274].value == 1
        assert np.abs(file.pages[0].asarray().astype(int) - array).mean() < 4


def test_it_is_in_srgb(tmp_path: Path) -> None:
    array = pictures.photograph("coffee.png", 600, 400)
    profile = pictures.profile(pictures.DISPLAY_P3, None)
    Image.fromarray(array).save(tmp_path / "p3.png", icc_profile=profile)
    optimize(tmp_path, "p3.png", "p3.tif")
    with tifffile.TiffFile(tmp_path / "p3.tif") as file:
        assert 34675 not in file.pages[0].tags
        wanted = pictures.seen_in_srgb(array, pictures.DISPLAY_P3, None)
        assert np.abs(file.pages[0].asarray().astype(int) - wanted).mean() < 5


def test_transparent_and_deep_pictures_lose_nothing(tmp_path: Path) -> None:
    array = np.dstack([pictures.photograph("coffee.png", 600, 400), np.tile(np.arange(600) % 256, (400, 1))])
    Image.fromarray(array.astype(np.uint8)).save(tmp_path / "alpha.png")
    (tmp_path / "deep.tif").write_bytes(pictures.sixteen_bit_tiff(pictures.photograph("coffee.png", 600, 400)))
    optimize(tmp_path, "alpha.png", "deep.tif", "out")
    with tifffile.TiffFile(tmp_path / "out" / "alpha.tif") as file:
        assert np.array_equal(file.pages[0].asarray(), array)
        assert len(file.pages) == 3
    with tifffile.TiffFile(tmp_path / "out" / "deep.tif") as file:
        assert np.array_equal(file.pages[0].asarray(), array[..., :3])


def test_a_folder_of_several(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "c d é.webp"):
        photograph(tmp_path, name, 300, 200)
    (tmp_path / "half.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:5000])
    arguments = ["a.jpg", "half.jpg", "b.png", "none.jpg", "c d é.webp", "out", "--report", "report.jsonl"]
    done = optimize(tmp_path, *arguments, status=1)
    rows = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [bool(row["failed"]) for row in rows] == [False, True, False, True, False]
    assert done.stderr.count("\n") == 2
    assert "iiifkit: none.jpg: 'none.jpg' does not exist.\n" in done.stderr
    assert "iiifkit: half.jpg: The image file is damaged" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "b.tif", "c d é.tif"]
    assert rows[0] | {"seconds": 0} == {
        "source": "a.jpg",
        "target": "out/a.tif",
        "width": 300,
        "height": 200,
        "seconds": 0,
        "bytes": (tmp_path / "out" / "a.tif").stat().st_size,
        "skipped": False,
        "failed": None,
    }


def test_what_is_newer_is_left_alone(tmp_path: Path) -> None:
    photograph(tmp_path, "a.jpg", 300, 200)
    assert "1 pyramid written" in optimize(tmp_path, "a.jpg", "a.tif").stdout
    before = (tmp_path / "a.tif").stat().st_mtime_ns
    assert "0 pyramids written (0.0 MB), 1 skipped" in optimize(tmp_path, "a.jpg", "a.tif").stdout
    assert (tmp_path / "a.tif").stat().st_mtime_ns == before
    assert "1 pyramid written" in optimize(tmp_path, "--refresh", "a.jpg", "a.tif").stdout
    photograph(tmp_path, "a.jpg", 500, 200)
    later = time.time() + 10
    os.utime(tmp_path / "a.jpg", (later, later))
    optimize(tmp_path, "a.jpg", "a.tif")
    assert Image.open(tmp_path / "a.tif").size == (500, 200)


def test_settings(tmp_path: Path) -> None:
    photograph(tmp_path, "a.jpg", 600, 400)
    (tmp_path / "config.json").write_text('{"prepare": {"tile": 128, "quality": 30}}')
    optimize(tmp_path, "--config", "config.json", "a.jpg", "small.tif")
    optimize(tmp_path, "--config", "config.json", "--tile-size", "512", "--quality", "85", "a.jpg", "large.tif")
    with tifffile.TiffFile(tmp_path / "small.tif") as small, tifffile.TiffFile(tmp_path / "large.tif") as large:
        assert (small.pages[0].tile, large.pages[0].tile) == ((128, 128), (512, 512))
    assert (tmp_path / "large.tif").stat().st_size > (tmp_path / "small.tif").stat().st_size
    assert "prepare.tile" in optimize(tmp_path, "--tile-size", "100", "a.jpg", "x.tif", status=3).stderr
    assert "prepare.quality" in optimize(tmp_path, "--quality", "95", "a.jpg", "x.tif", status=3).stderr


def test_an_image_is_never_written_over(tmp_path: Path) -> None:
    photograph(tmp_path, "a.tif", 300, 200)
    before = (tmp_path / "a.tif").read_bytes()
    for target in ("a.tif", ".", "./a.tif"):
        done = optimize(tmp_path, "--refresh", "a.tif", target, status=1)
        assert "would take the place of the image itself" in done.stderr
    assert (tmp_path / "a.tif").read_bytes() == before


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"'a.jpg' and 'x/a.png' would both become"):
        targets(["a.jpg", "x/a.png"], "out")


def test_where_pyramids_go(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert targets(["a.jpg"], str(out)) == [("a.jpg", out)]
    assert targets(["a.jpg"], f"{out}/") == [("a.jpg", out / "a.tif")]
    assert targets(["a.jpg", "a.jpg", "b.x.png"], str(out)) == [("a.jpg", out / "a.tif"), ("b.x.png", out / "b.x.tif")]
    out.mkdir()
    assert targets(["a.jpg"], str(out)) == [("a.jpg", out / "a.tif")]


def test_a_target_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    photograph(tmp_path, "a.jpg", 300, 200)
    (tmp_path / "file").touch()
    done = optimize(tmp_path, "a.jpg", "file/a.tif", status=1)
    assert "'file/a.tif' cannot be written: " in done.stderr


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    photograph(tmp_path, "a.jpg")
    optimize(tmp_path, "a.jpg", "a.tif")
    before = (tmp_path / "a.tif").read_bytes()
    done = optimize(
        tmp_path,
        *("--refresh", "a.jpg", "a.tif"),
        status=1,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.stderr == "iiifkit: a.jpg: There is no room left on the disk.\n"
    assert (tmp_path / "a.tif").read_bytes() == before
    assert leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_end_in_the_middle_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    photograph(tmp_path, "a.jpg", 16_000, 12_000)
    process = subprocess.Popen([*COMMAND, "a.jpg", "a.tif"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    for _ in range(1000):
        links = (link for link in Path(f"/proc/{process.pid}/fd").glob("*"))
        if any(_size(link) > 100_000 and str(tmp_path) in os.path.realpath(link) for link in links):
            break
        time.sleep(0.01)
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def _size(link: Path) -> int:
    try:
        return link.stat().st_size if os.path.realpath(link).find("(deleted)") > 0 else 0
    except OSError:
        return 0


def test_a_new_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.tif"
    for nameless in (True, False):
        if not nameless:
            monkeypatch.delattr(os, "O_TMPFILE")
        with new_file(target) as path:
            path.write_bytes(b"new")
            assert not target.exists()
        assert target.read_bytes() == b"new"
        with pytest.raises(ValueError, match="broken"), new_file(target) as path:
            path.write_bytes(b"half")
            raise ValueError("broken")
        assert target.read_bytes() == b"new"
        assert [entry.name for entry in tmp_path.iterdir()] == ["x.tif"]
        target.unlink()
