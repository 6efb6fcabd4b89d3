"""Runs of seeding: several processes, interrupts, kills, full disks, and what they leave behind."""

import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import viewer_requests
from PIL import Image
from seeding import Project

from iiifkit.caches.hidden import JUST_MADE
from iiifkit.errors import Stopped
from iiifkit.runs.progress import Progress
from iiifkit.seeding.protocol import Orders
from iiifkit.seeding.settings import Settings
from iiifkit.seeding.threads import in_threads

IMAGES = [f"{number}.jpg" for number in range(6)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def large(project: Project, *names: str, width: int = 6000, height: int = 5000) -> None:
    """Pictures that take a second or so to seed; they are one file under several names."""
    first = project.picture(names[0], width, height)
    for name in names[1:]:
        (project.source / name).write_bytes(first.read_bytes())


def test_processes_report_in_order(project: Project) -> None:
    for number, name in enumerate(IMAGES):
        project.picture(name, 1500 - 200 * number, 900)
    rows = project.report("--processes", "3", *IMAGES, "none.jpg", status=1)
    assert [row["source"] for row in rows] == [*IMAGES, "none.jpg"]
    assert [row["width"] for row in rows[:-1]] == [1500, 1300, 1100, 900, 700, 500]
    assert [row["failed"] for row in rows[:-1]] == [None] * 6
    assert "There is no image" in rows[-1]["failed"]
    alone = project.report("--processes", "1", *IMAGES)
    assert [(row["made"], row["skipped"]) for row in alone] == [(0, row["made"]) for row in rows[:-1]]


def test_the_sum_is_told(project: Project) -> None:
    for name in IMAGES[:2]:
        project.picture(name, 600, 500)
    done = project.seed("--processes", "2", *IMAGES[:2], "none.jpg", status=1)
    found = re.fullmatch(
        r"3 images of 18 tiles: (\d+) pictures made \([\d.]+ MB\), 0 skipped, 1 image failed, [\d.]+ s\n", done.stdout
    )
    assert found
    assert int(found[1]) > 2 * 9
    said = [line for line in done.stderr.splitlines() if line.startswith("iiifkit")]  # without progress
    assert said == ["iiifkit: none.jpg: There is no image 'none.jpg'."]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_cache_that_removes_what_is_seeded_is_told_of_once(project: Project, processes: str) -> None:
    for name in IMAGES[:2]:
        project.picture(name, 300, 200)
    project.configure(derivatives__cache__limit=50, derivatives__cache__ttl=60)
    done = project.seed("--processes", processes, *IMAGES[:2])
    assert [line for line in done.stderr.splitlines() if line.startswith("iiifkit")] == [
        "iiifkit: derivatives.cache.limit is 50 MB: of more tiles than that the oldest are removed again",
        "iiifkit: derivatives.cache.ttl is 60 s: tiles that are older are removed again",
    ]


def worker_of(process: subprocess.Popen[str]) -> int:
    """The id of one worker process, once there is one."""
    for _ in range(400):
        for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
            if found := children.read_text().split():
                return int(found[0])
        time.sleep(0.05)
    raise AssertionError("no worker was started")


def begun(project: Project, identifier: str) -> None:
    """Wait until the first tile of an image is there."""
    for _ in range(600):
        if any((project.tiles / identifier).rglob("*.jpg")):
            return
        time.sleep(0.02)
    raise AssertionError("seeding did not begin")


def started(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        project.command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=project.home,
        env=project.environ,
    )


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_image_and_not_the_run(project: Project) -> None:
    large(project, *IMAGES[:4], width=4000, height=3000)
    report = project.home / "report.jsonl"
    process = started(project, "--processes", "2", "--report", str(report), *IMAGES[:4])
    begun(project, IMAGES[0])
    os.kill(worker_of(process), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert [row["source"] for row in rows] == IMAGES[:4]
    (failed,) = [row for row in rows if row["failed"]]
    assert failed["failed"] == "The process that seeded it was killed by signal 9."
    assert f"{failed['source']}: The process" in errors
    project.seed("--processes", "2", *IMAGES[:4])


def test_a_worker_ends_where_its_orders_break_off(project: Project) -> None:
    orders = msgspec.json.encode(Orders(str(project.config), Settings(), 1)) + b'\n{"source":"0.j'
    command = [sys.executable, "-m", "iiifkit.seeding.worker"]
    done = subprocess.run(command, input=orders, capture_output=True, timeout=30, env=project.environ, check=True)
    assert done.stderr == b""


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupt_ends_cleanly(project: Project, processes: str) -> None:
    large(project, *IMAGES)
    process = started(project, "--processes", processes, *IMAGES)
    begun(project, IMAGES[0])
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert time.monotonic() - asked < 5
    assert project.leftovers() == []
    assert not (project.tiles / IMAGES[-1]).exists()
    whole(project, IMAGES[0])


def whole(project: Project, *identifiers: str) -> None:
    """No picture that is there is a part of one."""
    for identifier in identifiers:
        for path in (project.tiles / identifier).rglob("*.jpg"):
            Image.open(io.BytesIO(path.read_bytes())).load()


def described(project: Project, *identifiers: str) -> None:
    """What has an info.json has all that it promises."""
    for identifier in identifiers:
        if "info.json" in (files := project.files(identifier)):
            assert viewer_requests.all_viewers(project.document(identifier)) <= files


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_kill_leaves_nothing_broken(project: Project, processes: str) -> None:
    large(project, *IMAGES[:2])
    process = started(project, "--processes", processes, *IMAGES[:2])
    begun(project, IMAGES[0])
    process.kill()
    process.communicate()
    time.sleep(0.5)  # workers notice that they are alone
    whole(project, *IMAGES[:2])
    described(project, *IMAGES[:2])
    assert len(project.leftovers()) <= 2 * 2  # a tile each may have been on its way
    time.sleep(JUST_MADE)
    rows = project.report(*IMAGES[:2])
    assert [row["failed"] for row in rows] == [None, None]
    assert project.leftovers() == []
    complete = project.report(*IMAGES[:2])
    assert [row["made"] for row in complete] == [0, 0]
    assert sum(row["skipped"] for row in complete) == sum(row["made"] + row["skipped"] for row in rows)


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_no_file(project: Project) -> None:
    large(project, "a.jpg", width=12_000, height=10_000)
    process = started(project, "a.jpg")
    temporary = project.tiles / ".iiifkit" / "temporary"
    for _ in range(400):
        links = Path(f"/proc/{process.pid}/fd").glob("*") if process.poll() is None else ()
        if any(str(temporary) in str(_target(link)) for link in links):
            break
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert project.leftovers() == []
    assert not (project.tiles / "a.jpg").exists()


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


@pytest.mark.parametrize("limit", [2_000, 100_000])
def test_a_full_disk_is_a_clear_error(project: Project, limit: int) -> None:
    """The limit on the size of files makes the kernel stop a write in the middle, as a full disk does."""
    large(project, *IMAGES[:2], width=2000, height=1500)
    done = subprocess.run(
        project.command("--processes", "1", *IMAGES[:2]),
        capture_output=True,
        text=True,
        env=project.environ,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("iiifkit: ")]
    assert lines == [f"iiifkit: {name}: There is no room left on the disk." for name in IMAGES[:2]]
    assert "Traceback" not in done.stderr
    assert project.leftovers() == []


def test_a_tree_that_cannot_be_written_is_a_clear_error(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    project.tiles.mkdir()
    (project.tiles / "a.jpg").write_text("a file where a folder is needed")
    (row,) = project.report("a.jpg", status=1)
    assert "another entry has the name of one of its folders" in row["failed"]
    assert project.leftovers() == []


def test_a_report_that_cannot_be_written_is_told_at_once(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    done = project.seed("--report", str(project.home / "none" / "report"), "a.jpg", status=1)
    assert re.fullmatch(r"iiifkit: The report '.*' cannot be written: No such file or directory.\n", done.stderr)
    assert not project.tiles.exists() or not project.files("a.jpg")


def test_progress_is_a_line_now_and_then(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(10, "pictures")
    progress._started -= 100
    progress._next -= 100
    progress.show(5, 2000)
    progress.show(6, 2100)
    progress.say("a failure")
    progress.close()
    assert capsys.readouterr().err == "5 of 10 images, 2,000 pictures, 20 a second, about 1:40 left\na failure\n"


@pytest.mark.parametrize(
    ("share", "left"), [(0.0, ""), (0.01, ""), (0.25, ", about 5:00 left"), (1.0, ", about 0:00 left")]
)
def test_the_time_that_one_large_image_takes_is_told(
    share: float, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(1, "pictures")
    progress._started -= 100
    progress._next -= 100
    progress.show(0, 2000, share)
    assert capsys.readouterr().err == f"0 of 1 images, 2,000 pictures, 20 a second{left}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "side", "processes"), [(IMAGES, 5500, "1"), (IMAGES[:1], 14_000, "1"), (IMAGES[:2], 12_000, "2")]
)
def test_progress_is_a_bar_on_a_terminal(project: Project, images: list[str], side: int, processes: str) -> None:
    """A real terminal: a pseudo-terminal's other end shows what was drawn, however fast the machine is."""
    large(project, *images, width=side, height=side)
    impatient = "from iiifkit.runs import progress; progress.PATIENCE = 0.05; from iiifkit.cli import main; main()"
    reader, writer = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", impatient, *project.command("--processes", processes, "--refresh", *images)[3:]],
        stdout=subprocess.DEVNULL,
        stderr=writer,
        cwd=project.home,
        env={**project.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(writer)
    drawn = b""
    try:
        while data := os.read(reader, 65_536):
            drawn += data
    except OSError:
        pass  # the other end was closed
    os.close(reader)
    assert process.wait() == 0
    assert re.search(rb"\d of %d images, [\d,]+ pictures, [\d,]+ a second" % len(images), drawn)
    assert b"left" in drawn


def test_rich_and_the_server_are_not_loaded_for_nothing(project: Project) -> None:
    project.picture("a.jpg", 600, 500)
    script = (
        "import sys; from iiifkit.cli import cli; cli.main(sys.argv[1:], standalone_mode=False);"
        "unwanted = 'rich', 'starlette', 'uvicorn', 'numpy', 'urllib3', 'multiprocessing', 'PIL.PdfParser';"
        "print([name for name in unwanted if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, *project.command("a.jpg")[3:]]
    done = subprocess.run(command, capture_output=True, text=True, env=project.environ, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_threads_do_all_pieces_and_raise_the_first_error() -> None:
    done: list[int] = []
    kinds = [(lambda number=number: done.append(number) for number in range(start, 100, 2)) for start in (0, 1)]
    in_threads(kinds, 3)
    assert sorted(done) == list(range(100))
    made: list[int] = []

    def pieces() -> Iterator[Callable[[], None]]:
        for number in range(1000):
            made.append(number)
            yield fail if number == 3 else lambda: time.sleep(0.001)

    def fail() -> None:
        raise Stopped("enough")

    with pytest.raises(Stopped, match="enough"):
        in_threads([pieces()], 2)
    assert len(made) < 20
