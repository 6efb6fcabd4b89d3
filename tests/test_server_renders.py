"""Renders under load: one for all who ask, stopped when nobody waits, bounded in number, memory and time."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Serve
from serving import Answer, Server
from watching import (
    descriptors,
    install_plugin,
    make_slow_pictures,
    memory,
    metric,
    processor_seconds,
    threads,
    wait_until,
)

from iiifkit.processors import processors
from iiifkit.server.run import READING_THREADS

HOLDING = """
    import os, time, uuid
    from pathlib import Path
    from iiifkit import ImageNotFound, Offer, Stopped, hookimpl
    from iiifkit.blob import BytesBlob

    FOLDER = Path(os.environ["HOLDING_FOLDER"])

    class Holding:
        '''Notes that it began, and goes on when it is let go; ``held`` listens to a stop, ``deaf`` does not.'''

        def check(self, text):
            pass

        def apply(self, raster, request):
            kind, token = request.text.split(":")
            (FOLDER / f"{token}.began.{uuid.uuid4().hex}").touch()
            while not (FOLDER / f"{token}.go").exists():
                if kind == "held" and request.work.stopped():
                    (FOLDER / f"{token}.stopped").touch()
                    raise Stopped("Nobody waits.")
                time.sleep(0.01)
            return raster

    class Slow:
        '''A source that needs a minute for each image.'''

        location = None
        revalidate = 60.0

        def version(self, identifier):
            return "1"

        def open(self, identifier):
            time.sleep(60)
            return BytesBlob(b"", "1")

        def identifiers(self):
            return ()

        def close(self):
            pass

    @hookimpl
    def iiifkit_qualities():
        return {name: Offer(lambda options, environment: Holding()) for name in ("held", "deaf")}

    @hookimpl
    def iiifkit_sources():
        return {"Slow": Offer(lambda options, environment: Slow())}
"""
FEATURES = {
    "append": {
        "quality": {
            name: {"syntax": name, "required": False, "supported": True, "match": f"^{name}:[0-9a-f]+$"}
            for name in ("held", "deaf")
        }
    }
}
SLOW = "/iiif/3/slow.png/full/{},/0/default.jpg"


class Held:
    """One kind of work that begins when it is asked for, and ends when `go` is called."""

    def __init__(self, folder: Path, kind: str = "held") -> None:
        self.folder = folder
        self.token = uuid4().hex
        self.kind = kind

    def path(self, width: int = 40) -> str:
        return f"/iiif/3/small.jpg/full/{width},/0/{self.kind}:{self.token}.png"

    @property
    def began(self) -> int:
        return len(list(self.folder.glob(f"{self.token}.began.*")))

    @property
    def stopped(self) -> bool:
        return (self.folder / f"{self.token}.stopped").exists()

    def go(self) -> None:
        (self.folder / f"{self.token}.go").touch()


@pytest.fixture(scope="module")
def slow_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slow_pictures(tmp_path_factory.mktemp("slow"))


@pytest.fixture(scope="module")
def holding_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("holding")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, holding_folder: Path) -> dict[str, str]:
    installed = install_plugin(tmp_path_factory.mktemp("plugins") / "holding", "holding-plugin", HOLDING)
    return {**installed, "HOLDING_FOLDER": str(holding_folder)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, slow_pictures: Path, environ: dict[str, str]) -> Iterator[Server]:
    config = {"features": FEATURES, "limits": {"queue": 200}}
    with Server(tmp_path_factory.mktemp("renders"), slow_pictures, config, **environ) as running:
        yield running


@pytest.fixture
def held(holding_folder: Path) -> Iterator[Held]:
    made = Held(holding_folder)
    yield made
    made.go()


@pytest.fixture
def deaf(holding_folder: Path) -> Iterator[Held]:
    made = Held(holding_folder, "deaf")
    yield made
    made.go()


def hang(server: Server, path: str) -> socket.socket:
    """Ask and do not read the answer."""
    connection = server.connect()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def answer_of(connection: socket.socket) -> Answer:
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.headers, response.read())


@contextmanager
def hung(server: Server, *paths: str) -> Iterator[list[socket.socket]]:
    """Clients that ask and wait; what is left of them goes away at the end."""
    connections = [hang(server, path) for path in paths]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def idle(server: Server) -> bool:
    return metric(server, "renders_running") == metric(server, "renders_waiting") == 0


def test_many_clients_who_ask_for_one_cold_picture_cost_one_render(server: Server, held: Held) -> None:
    before = metric(server, "renders_total")
    with hung(server, *[held.path()] * 50) as clients:
        wait_until(lambda: held.began == 1)
        held.go()
        answers = [answer_of(client) for client in clients]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert held.began == 1
    assert metric(server, "renders_total") == before + 1


def test_several_spellings_of_one_picture_are_one_render(server: Server, held: Held) -> None:
    paths = [f"{spelling}/0/held:{held.token}.png" for spelling in ("full/40,", "full/40,27", "0,0,150,100/40,27")]
    with hung(server, *[f"/iiif/3/small.jpg/{path}" for path in paths]) as clients:
        wait_until(lambda: held.began == 1)
        time.sleep(0.1)
        held.go()
        assert {answer_of(client).status for client in clients} == {200}
    assert held.began == 1


def test_the_first_clients_hang_up_does_not_fail_the_others(server: Server, held: Held) -> None:
    with hung(server, held.path()) as [leader]:
        wait_until(lambda: held.began == 1)
        with hung(server, *[held.path()] * 5) as followers:
            hang_ups = metric(server, "hang_ups_total")
            time.sleep(0.1)
            leader.close()
            wait_until(lambda: metric(server, "hang_ups_total") == hang_ups + 1)
            assert not held.stopped
            held.go()
            assert {answer_of(follower).status for follower in followers} == {200}
    assert held.began == 1


def test_the_last_clients_hang_up_stops_the_work(server: Server, held: Held) -> None:
    with hung(server, *[held.path()] * 3) as clients:
        wait_until(lambda: held.began == 1)
        for client in clients[:2]:
            client.close()
        time.sleep(0.2)
        assert not held.stopped
        clients[2].close()
        wait_until(lambda: held.stopped, 5)
    wait_until(lambda: idle(server))
    assert "Stopped" not in server.log
    assert "Traceback" not in server.log


def test_queued_work_whose_client_is_gone_is_never_started(server: Server, held: Held, holding_folder: Path) -> None:
    busy = processors()
    queued = Held(holding_folder)
    with hung(server, *[held.path(20 + number) for number in range(busy)]) as running:
        wait_until(lambda: held.began == busy)
        with hung(server, *[queued.path(20 + number) for number in range(30)]):
            wait_until(lambda: metric(server, "renders_waiting") == 30)
        wait_until(lambda: metric(server, "renders_waiting") == 0)
        held.go()
        assert {answer_of(client).status for client in running} == {200}
    wait_until(lambda: idle(server))
    assert queued.began == 0


def test_a_slot_comes_back_when_its_work_ends_and_not_when_its_client_goes(
    server: Server, deaf: Held, held: Held
) -> None:
    busy = processors()
    with hung(server, *[deaf.path(20 + number) for number in range(busy)]):
        wait_until(lambda: deaf.began == busy)
    with hung(server, held.path()) as [client]:
        wait_until(lambda: metric(server, "renders_waiting") == 1)
        time.sleep(0.3)
        assert held.began == 0
        assert metric(server, "renders_running") == busy
        deaf.go()
        wait_until(lambda: held.began == 1)
        held.go()
        assert answer_of(client).status == 200


def test_a_running_render_of_libvips_is_killed(server: Server) -> None:
    started = time.monotonic()
    assert server.get(SLOW.format(333)).status == 200
    whole = time.monotonic() - started
    with hung(server, SLOW.format(334)):
        wait_until(lambda: metric(server, "renders_running") == 1)
    gone = time.monotonic()
    wait_until(lambda: idle(server))
    assert time.monotonic() - gone < max(0.5, whole / 2)
    worked = processor_seconds(server)
    time.sleep(0.5)
    assert processor_seconds(server) - worked < 0.25, "something still works"


@pytest.mark.slow
def test_after_two_hundred_hang_ups_all_is_as_before(server: Server) -> None:
    def ask(width: int) -> None:
        with hung(server, SLOW.format(width)):
            time.sleep(0.05 + width % 7 / 10)

    def wave(first: int) -> int:
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(ask, range(first, first + 200)))
        wait_until(lambda: idle(server), 20)
        return memory(server)

    # How much freed memory the allocator holds goes up and down by a hundred megabytes; what is lost only goes up.
    held_memory = max(wave(400), wave(600), wave(800))
    before = threads(server), descriptors(server)
    after = min(wave(1000), wave(1200), wave(1400))
    assert threads(server) <= before[0] + READING_THREADS, "they are started as they are needed"
    assert abs(descriptors(server) - before[1]) < 4
    assert after - held_memory < 100_000_000
    assert server.get(SLOW.format(335)).size == (335, 335)
    assert "Traceback" not in server.log


def test_a_full_queue_is_503_with_what_a_client_needs(
    start: Serve, slow_pictures: Path, environ: dict[str, str], held: Held
) -> None:
    server = start(slow_pictures, {"features": FEATURES, "limits": {"queue": 3}}, **environ)
    full = processors() + 3
    with hung(server, *[held.path(20 + number) for number in range(full)]) as clients:
        wait_until(lambda: metric(server, "renders_waiting") == 3)
        refused = server.get(held.path(100))
        assert refused.status == 503
        assert int(refused.header("Retry-After")) >= 1
        assert refused.header("Access-Control-Allow-Origin") == "*"
        assert "Retry-After" in refused.header("Access-Control-Expose-Headers")
        assert refused.header("Cache-Control") == "no-store"
        assert refused.sentence.endswith(".")
        assert metric(server, "refused_total") == 1
        held.go()
        assert {answer_of(client).status for client in clients} == {200}
    assert server.get(held.path(100)).status == 200


def quickest(ask: Callable[[], object], times: int = 5) -> float:
    """The shortest of several times, in seconds: the others say how busy the machine is."""
    took = []
    for _ in range(times):
        started = time.monotonic()
        ask()
        took.append(time.monotonic() - started)
    return min(took)


def test_health_memory_hits_and_304s_do_not_queue_behind_renders(server: Server, held: Held) -> None:
    known = "/iiif/3/small.jpg/full/50,/0/default.jpg"
    tag = server.get(known).header("ETag")
    busy = processors() + 160
    with hung(server, *[held.path(1 + number) for number in range(150)], *[SLOW.format(n) for n in range(1, 13)]):
        wait_until(lambda: metric(server, "renders_waiting") >= busy - processors() - 5, 20)

        def expect(path: str, status: int, **headers: str) -> None:
            assert server.get(path, **headers).status == status

        assert quickest(lambda: expect("/healthz", 200)) < 0.1
        assert quickest(lambda: expect(known, 200)) < 0.1
        assert quickest(lambda: expect(known, 304, If_None_Match=tag)) < 0.1
        assert quickest(lambda: expect("/iiif/3/small.jpg/info.json", 200)) < 0.1
        held.go()
    wait_until(lambda: idle(server), 20)


@pytest.mark.parametrize("kind", ["held", "deaf"])
def test_the_deadline_bounds_the_answer_and_stops_the_work(
    start: Serve, slow_pictures: Path, environ: dict[str, str], holding_folder: Path, kind: str
) -> None:
    work = Held(holding_folder, kind)
    server = start(slow_pictures, {"features": FEATURES, "limits": {"deadline": 1}}, **environ)
    started = time.monotonic()
    answer = server.get(work.path())
    took = time.monotonic() - started
    assert answer.status == 503
    assert 0.9 < took < 2.5
    assert int(answer.header("Retry-After")) >= 1
    assert "1 seconds" in answer.sentence
    if kind == "held":
        wait_until(lambda: work.stopped)
    else:
        assert metric(server, "renders_running") == 1
        work.go()
    wait_until(lambda: idle(server))
    assert server.get("/iiif/3/small.jpg/full/10,/0/default.jpg").status == 200


def test_the_deadline_bounds_a_render_of_libvips(start: Serve, slow_pictures: Path) -> None:
    server = start(slow_pictures, {"limits": {"deadline": 0.05}})
    answer = server.get(SLOW.format(500))
    assert answer.status == 503
    wait_until(lambda: idle(server), 5)


def test_the_deadline_bounds_a_slow_source(start: Serve, environ: dict[str, str]) -> None:
    server = start(None, {"images": {"source": {"name": "Slow"}}, "limits": {"deadline": 1}}, **environ)
    started = time.monotonic()
    with hung(server, *[f"/iiif/3/{number}.jpg/full/max/0/default.jpg" for number in range(60)]) as clients:
        assert {answer_of(client).status for client in clients} == {503}
        assert time.monotonic() - started < 5
    assert quickest(lambda: server.get("/healthz")) < 0.1
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 5


def test_renders_beyond_the_memory_run_alone_and_small_ones_wait_their_turn(
    start: Serve, slow_pictures: Path, environ: dict[str, str], holding_folder: Path
) -> None:
    server = start(slow_pictures, {"features": FEATURES, "limits": {"memory": 64}}, **environ)
    large, other, small = (Held(holding_folder) for _ in range(3))
    whole = "/iiif/3/noise.png/full/^3000,3000/0/held:{}.png"
    with hung(server, whole.format(large.token)) as first:
        wait_until(lambda: large.began == 1)
        with hung(server, whole.format(other.token)) as second:
            wait_until(lambda: metric(server, "renders_waiting") == 1)
            with hung(server, small.path()) as third:
                wait_until(lambda: metric(server, "renders_waiting") == 2)
                time.sleep(0.2)
                assert (large.began, other.began, small.began) == (1, 0, 0)
                large.go()
                wait_until(lambda: other.began == 1)
                time.sleep(0.2)
                assert small.began == 0
                other.go()
                wait_until(lambda: small.began == 1)
                small.go()
                assert {answer_of(client).status for client in (*first, *second, *third)} == {200}


@pytest.mark.slow
def test_nothing_is_left_after_some_thousand_requests_of_all_kinds(
    start: Serve, slow_pictures: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    config = {"features": FEATURES, "derivatives": {"cache": {"name": "Disk", "path": str(tmp_path / "tiles")}}}
    server = start(slow_pictures, config, **environ, TMPDIR=str(temporary))
    paths = [
        "/healthz",
        "/metrics",
        "/debug/vars",
        "/iiif/3/small.jpg",
        "/iiif/2/small.jpg/info.json",
        "/iiif/3/missing.jpg/info.json",
        "/iiif/3/small.jpg/full/999,/0/default.jpg",
        "/iiif/3/small.jpg/what/max/0/default.jpg",
        *(
            f"/iiif/3/small.jpg/full/{width},/{width % 4 * 90}/default.{kind}"
            for width in range(1, 60)
            for kind in ("jpg", "png", "webp", "gif", "tif")
        ),
        *(f"/iiif/3/noise.png/{100 * n},0,100,100/max/{n}/bitonal.png" for n in range(19)),
    ]

    def ask(number: int) -> None:
        path = paths[number * 7919 % len(paths)]
        if number % 10:
            server.get(path)
        else:
            hang(server, path).close()

    def soak(times: int) -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(times)))
        wait_until(lambda: idle(server), 20)
        time.sleep(0.5)

    soak(1500)
    before, held_memory = (threads(server), descriptors(server)), memory(server)
    soak(4000)
    assert threads(server) <= before[0] + READING_THREADS, "they are started as they are needed"
    assert abs(descriptors(server) - before[1]) < 4
    assert memory(server) - held_memory < 100_000_000
    assert list(temporary.iterdir()) == []
    assert "Traceback" not in server.log
    assert server.stop() == 0
    assert list(temporary.iterdir()) == []
