"""Pyramids that servers build: one for each image, whoever asks, and nothing left of one that was not finished."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Serve
from PIL import Image
from serving import Server
from watching import black_png, children, lives, make_slow_pictures, metric, wait_until

TILE = "/iiif/3/large.png/0,0,512,512/256,256/0/default.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture that takes a second or two to prepare, and a small one."""
    made = tmp_path / "pictures"
    made.mkdir()
    (made / "large.png").write_bytes(black_png(9_000, 9_000, 3))
    Image.new("RGB", (300, 200)).save(made / "small.jpg")
    return made


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folder of the image cache."""
    return tmp_path / "images"


def keeping(images: Path, **more: Any) -> dict[str, Any]:
    return {"images": {"cache": {"name": "Disk", "path": str(images)}}, **more}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def open_files(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            yield str(link.readlink())
        except OSError:
            continue


def builds(pid: int, images: Path) -> bool:
    """Whether a process is writing a pyramid: into a file without a name, in the cache's own folder."""
    return any(name.startswith(str(images)) and name.endswith("(deleted)") for name in open_files(pid))


def asked(server: Server, path: str = TILE) -> None:
    """Ask for a picture and go away."""
    with server.connect() as connection:
        connection.sendall(request(path))
        time.sleep(0.1)


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def connected(server: Server, pids: list[int], stack: ExitStack, each: int = 1) -> list[socket.socket]:
    """Open connections until every worker has some."""

    def sockets() -> list[int]:
        return [sum(name.startswith("socket:") for name in open_files(pid)) for pid in pids]

    before, found = sockets(), []
    while not all(now >= then + each for now, then in zip(sockets(), before, strict=True)):
        assert len(found) < 300, "some worker takes no connections"
        found.append(stack.enter_context(server.connect()))
        time.sleep(0.01)
    return found


def answer_on(connection: socket.socket) -> int | None:
    """The status of an answer; None if the connection broke."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    return response.status


def workers(server: Server, count: int) -> list[int]:
    """The processes that answer, once all of them are there."""

    def found() -> list[int]:
        pids = children(server.process.pid)
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def at_work(pid: int) -> bool:
        return any("iiifkit-metrics" in name for name in open_files(pid))

    wait_until(lambda: len(found()) == count and all(map(at_work, found())), 30)
    return found()


def test_four_workers_build_one_pyramid(start: Serve, folder: Path, images: Path) -> None:
    server = start(folder, keeping(images, derivatives={"cache": {"name": "Null"}}), "--workers", "4")
    pids = workers(server, 4)
    with ExitStack() as stack:
        asking = connected(server, pids, stack)
        for number, connection in enumerate(asking):
            connection.sendall(request(TILE.replace("0,0,", f"{512 * (number % 16)},0,", 1)))
        assert {answer_on(connection) for connection in asking} == {200}
        assert all(any("%pyramids" in name for name in open_files(pid)) for pid in pids)
    assert server.log.count("prepared 'large.png'") == 1
    assert len(files(images)) == 1
    assert metric(server, "renders_total") == 0


def test_another_worker_goes_on_when_the_one_that_builds_is_killed(start: Serve, folder: Path, images: Path) -> None:
    server = start(folder, keeping(images), "--workers", "3")
    pids = workers(server, 3)
    with ExitStack() as stack:
        asking = connected(server, pids, stack)
        for connection in asking:
            connection.sendall(request(TILE))
        wait_until(lambda: any(builds(pid, images) for pid in pids))
        (builder,) = [pid for pid in pids if builds(pid, images)]
        os.kill(builder, signal.SIGKILL)
        assert {answer_on(connection) for connection in asking} == {200, None}
    assert server.get(TILE).status == 200
    assert server.log.count("prepared 'large.png'") == 1
    assert len(files(images)) == 1


def test_what_another_worker_built_is_there_at_once(start: Serve, tmp_path: Path, images: Path) -> None:
    """Also for those who wait where another image is being built."""
    folder = make_slow_pictures(tmp_path / "pictures")
    (folder / "large.png").write_bytes(black_png(4_000, 4_000, 3))
    server = start(folder, keeping(images), "--workers", "2")
    pids = workers(server, 2)
    with ExitStack() as stack:
        first, *others = connected(server, pids, stack, 2)
        first.sendall(request(TILE.replace("large", "slow")))
        wait_until(lambda: any(builds(pid, images) for pid in pids))
        for connection in others:
            connection.sendall(request(TILE))
        assert {answer_on(connection) for connection in others} == {200}
        assert any(builds(pid, images) for pid in pids), "the slow one is not done yet"
        assert answer_on(first) == 200
    assert server.log.count("prepared 'large.png'") == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_in_mid_build_leaves_no_file(
    start: Serve, folder: Path, images: Path, tmp_path: Path, how: signal.Signals
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = start(folder, keeping(images), TMPDIR=str(temporary))
    asked(server)
    wait_until(lambda: builds(server.process.pid, images))
    assert server.stop(how) == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    left = [path for path in files(images) if "locks" not in path.parts]
    assert left == [path for path in left if path.parent.name == "%pyramids"], "it may have been done in time"
    assert files(temporary) == []
    again = start(folder, keeping(images), TMPDIR=str(temporary))
    assert again.get(TILE).status == 200
    assert metric(again, 'answers_total{how="slice"}') == 1
    assert [path.parent.name for path in files(images)] == ["%pyramids"]
    assert files(temporary) == []


def test_workers_end_with_the_server_that_was_killed(start: Serve, folder: Path, images: Path) -> None:
    server = start(folder, keeping(images), "--workers", "2")
    pids = workers(server, 2)
    asked(server)
    wait_until(lambda: any(builds(pid, images) for pid in pids))
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not any(map(lives, pids)), 30)
    assert [path for path in files(images) if "%pyramids" not in str(path)] == []
    again = start(folder, keeping(images), "--port", str(server.port))
    assert again.get(TILE).status == 200


def test_a_hang_up_in_mid_build_does_not_lose_the_pyramid(start: Serve, folder: Path, images: Path) -> None:
    server = start(folder, keeping(images))
    asked(server)
    wait_until(lambda: "prepared 'large.png'" in server.log, 30)
    assert server.get(TILE).status == 200
    assert metric(server, 'answers_total{how="slice"}') == 1


def test_past_the_deadline_is_503_while_the_build_goes_on(start: Serve, tmp_path: Path, images: Path) -> None:
    folder = make_slow_pictures(tmp_path / "pictures")
    server = start(folder, keeping(images, limits={"deadline": 1}))
    path = TILE.replace("large", "slow")
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(server.get, path) for _ in range(20)]
        wait_until(lambda: builds(server.process.pid, images))
        assert server.get("/iiif/3/small.jpg/full/50,/0/default.jpg").status == 200, "waiting holds no slot"
        assert metric(server, "renders_running") == metric(server, "renders_waiting") == 0
        for answer in (each.result() for each in waiting):
            assert (answer.status, answer.header("Retry-After")) == (503, "5")
            assert "try again" in answer.sentence
    assert builds(server.process.pid, images)
    wait_until(lambda: "prepared 'slow.png'" in server.log, 60)
    assert server.get(path).status == 200
    assert server.log.count("prepared 'slow.png'") == 1


def test_a_broken_image_is_told_and_the_others_go_on(start: Serve, folder: Path, images: Path) -> None:
    whole = (folder / "large.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    server = start(folder, keeping(images))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(server.get, [TILE.replace("large", "half"), TILE] * 4))
    assert [answer.status for answer in answers] == [422, 200] * 4
    assert "damaged or incomplete" in answers[0].sentence
    assert len(files(images)) == 1


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a tmpfs")
def test_a_full_disk_costs_the_pyramid_and_no_answer(start: Serve, tmp_path: Path, images: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    images.mkdir()
    noise = np.random.default_rng(3).integers(0, 255, (2000, 2500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.jpg", quality=90)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(images)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        server = start(folder, keeping(images))
        for x in (0, 512, 1024):
            answer = server.get(TILE.replace("large.png", "noise.jpg").replace("0,0,", f"{x},0,", 1))
            assert (answer.status, answer.size) == (200, (256, 256))
        assert server.log.count("a pyramid could not be built: There is no room left on the disk.") == 1
        assert files(images) == []
        server.stop()
    finally:
        subprocess.run(["umount", "-l", str(images)], check=False)
