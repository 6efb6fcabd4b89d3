"""What reaches the server over a socket and is no honest request: garbage, floods, drips and those who do not read."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from conftest import Serve
from serving import Server
from watching import descriptors, holds, make_slow_pictures, memory, wait_until

from iiifkit.server.protocol import BoundedProtocol

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
IMAGE = "/iiif/3/300x200.jpg"
HEAD_SECONDS = 0.5
LONG = 30_000_000


@pytest.fixture(scope="module")
def strict(serve: Serve) -> Server:
    """A server that waits half a second for a head, and three for a client to take its answer."""
    return serve({"server": {"header_timeout": HEAD_SECONDS}, "limits": {"deadline": 3}})


@pytest.fixture(scope="module")
def slow_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slow_pictures(tmp_path_factory.mktemp("slow"))


def said(connection: socket.socket, seconds: float = 10) -> bytes:
    """Everything that comes until the server closes. A connection that stays open is a failure."""
    connection.settimeout(seconds)
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def exchange(server: Server, *data: bytes, pause: float = 0.0, seconds: float = 10) -> bytes:
    """Send pieces of data with pauses between them; return all that comes back."""
    with server.connect() as connection:
        for piece in data:
            connection.sendall(piece)
            time.sleep(pause)
        return said(connection, seconds)


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def test_answers_come_in_the_order_of_pipelined_requests(strict: Server) -> None:
    ask = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    slow = b"/iiif/3/6000x4000.jpg/full/700,/0/default.jpg"
    answer = exchange(strict, ask % slow + ask % b"/healthz" + ask % b"/nothing-here" + LAST_HEALTH)
    assert statuses(answer) == [200, 200, 404, 200]
    assert answer.endswith(b"ok\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"hello\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /caf\xc3\xa9.jpg/info.json HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ?x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX Y: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
    ],
)
def test_what_is_no_request_is_400_and_the_end(strict: Server, request_bytes: bytes) -> None:
    answer = exchange(strict, request_bytes)
    assert statuses(answer) == [400]
    assert b"\r\naccess-control-allow-origin: *\r\n" in answer
    assert b"Traceback" not in answer


def test_garbage_that_never_ends_is_cut_off(strict: Server) -> None:
    with strict.connect() as connection:
        connection.settimeout(10)
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(bytes(range(256)) * 256)
        with suppress(ConnectionError):
            assert statuses(said(connection)) == [400]
    assert strict.get("/healthz").status == 200


def test_an_absolute_address_is_a_request_for_its_path(strict: Server) -> None:
    answer = strict.request(f"http://evil.example{IMAGE}", headers={"Host": "images.example"})
    assert (answer.status, answer.header("Location")) == (303, f"http://images.example{IMAGE}/info.json")
    assert strict.request("http://evil.example/healthz").text == "ok\n"


def test_http_1_0_is_answered_and_the_connection_closed(strict: Server) -> None:
    answer = exchange(strict, f"GET {IMAGE} HTTP/1.0\r\n\r\n".encode())
    assert statuses(answer) == [303]
    assert f"location: http://{strict.netloc}{IMAGE}/info.json\r\n".encode() in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods_are_405_and_say_which_there_are(strict: Server, method: str) -> None:
    answer = strict.request(f"{IMAGE}/info.json", method)
    assert answer.status == 405
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"
    assert answer.header("Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000,
        b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    ],
)
def test_a_body_is_passed_over_and_the_next_request_answered(strict: Server, body: bytes) -> None:
    answer = exchange(strict, b"POST /x HTTP/1.1\r\nHost: x\r\n" + body, LAST_HEALTH, pause=0.05)
    assert [status for status in statuses(answer) if status != 100] == [405, 200]


def test_a_get_with_a_body_is_answered(strict: Server) -> None:
    head = f"GET {IMAGE}/full/max/0/default.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".encode()
    assert statuses(exchange(strict, head, LAST_HEALTH, pause=0.05)) == [200, 200]


def test_a_body_that_drips_does_not_hold_the_connection(strict: Server) -> None:
    started = time.monotonic()
    with strict.connect() as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        with suppress(OSError):
            while time.monotonic() - started < 10:
                connection.sendall(b"x")
                time.sleep(0.1)
    assert time.monotonic() - started < HEAD_SECONDS + 2


def test_other_protocols_are_not_taken_up(strict: Server) -> None:
    for name in (b"h2c", b"websocket"):
        upgrade = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + name + b"\r\n\r\n"
        assert statuses(exchange(strict, upgrade, LAST_HEALTH, pause=0.05)) == [200, 200]
    assert "pip install" not in strict.log


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X:\r\n" * 12_000 + b"\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n" + HEALTH,
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX: " + b"a" * 40_000 + b"\r\n\r\nabc",
        HEALTH[:-2] + b"X: " + b"a" * 40_000,
    ],
    ids=["one line", "many lines", "address", "pipelined", "body", "unfinished"],
)
def test_a_large_head_is_431(strict: Server, head: bytes) -> None:
    answer = exchange(strict, head)
    assert statuses(answer) == [431]
    assert answer.endswith(b"The request's head is too large.")


def test_a_head_within_the_bounds_is_answered(strict: Server) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 30_000 + b"\r\n\r\n"
    assert statuses(exchange(strict, head)) == [200]
    assert statuses(exchange(strict, head[:10_000], head[10_000:], pause=0.1)) == [200]
    assert strict.get("/" + "a" * 30_000).status == 404


def test_a_head_of_20_megabytes_is_431_and_takes_no_memory(strict: Server) -> None:
    exchange(strict, LAST_HEALTH)
    before = memory(strict, peak=True)
    with strict.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
        with suppress(OSError):
            for _ in range(320):
                connection.sendall(b"a" * 65_536)
        with suppress(ConnectionError):
            assert statuses(said(connection)) == [431]
    assert strict.get("/healthz").status == 200
    assert memory(strict, peak=True) - before < 8_000_000


def test_one_who_was_refused_reads_why_even_while_sending(strict: Server) -> None:
    with strict.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000)
        time.sleep(0.2)
        connection.sendall(b"a" * 100_000)
        time.sleep(0.1)
        assert statuses(said(connection)) == [431]


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n",),
        (b"GET /",),
        (b"\r\n", b"\r\n"),
    ],
    ids=["silent", "unfinished", "begun", "empty lines"],
)
def test_a_head_that_does_not_come_is_408(strict: Server, pieces: tuple[bytes, ...]) -> None:
    started = time.monotonic()
    answer = exchange(strict, *pieces)
    assert statuses(answer) == [408]
    assert HEAD_SECONDS * 0.9 < time.monotonic() - started < HEAD_SECONDS + 1


def drip(connection: socket.socket, data: Iterable[int], pause: float = 0.1) -> None:
    with suppress(OSError):
        for byte in data:
            connection.sendall(bytes((byte,)))
            time.sleep(pause)


@pytest.mark.slow
def test_a_head_that_drips_is_408(strict: Server) -> None:
    started = time.monotonic()
    with strict.connect() as connection:
        drip(connection, HEALTH * 3)
        with suppress(ConnectionError):
            assert statuses(said(connection)) == [408]
    assert time.monotonic() - started < len(HEALTH * 3) * 0.1 + 2


def test_a_second_head_on_a_connection_has_its_time_too(strict: Server) -> None:
    for first in ((HEALTH, b"GET /heal"), (HEALTH + b"GET /heal",)):
        started = time.monotonic()
        assert statuses(exchange(strict, *first, pause=0.1)) == [200, 408]
        assert time.monotonic() - started < HEAD_SECONDS + 1


def test_a_late_head_never_takes_the_place_of_an_earlier_answer(start: Serve, slow_pictures: Path) -> None:
    server = start(slow_pictures, {"server": {"header_timeout": 0.05}})
    asked = b"GET /iiif/3/slow.png/full/500,/0/default.jpg HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"
    assert statuses(exchange(server, asked, seconds=30)) == [200]


@pytest.mark.slow
def test_a_client_that_does_not_read_is_cut_off(start: Serve, slow_pictures: Path) -> None:
    server = start(slow_pictures, {"limits": {"deadline": 3}})
    target = b"GET /iiif/3/noise.png/full/max/0/default.png HTTP/1.1\r\nHost: x\r\n\r\n"
    assert server.get("/iiif/3/noise.png/full/max/0/default.png").status == 200
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(target)
        wait_until(lambda: holds(server, connection))
        wait_until(lambda: not holds(server, connection), 15)
    assert server.get("/healthz").status == 200


@pytest.mark.slow
def test_a_client_that_reads_slowly_gets_all_of_it(start: Serve, slow_pictures: Path) -> None:
    server = start(slow_pictures, {"limits": {"deadline": 1}})
    path = "/iiif/3/noise.png/full/max/0/default.png"
    expected = server.get(path).body
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
            time.sleep(3 * len(part) / len(expected))
    answer = b"".join(parts)
    assert answer[answer.index(b"\r\n\r\n") + 4 :] == expected


class Brief(BoundedProtocol):
    stalled_seconds = 2.0


@pytest.fixture
def brief() -> Iterator[int]:
    """The port of a server that keeps idle connections for a second, and answers with 30 MB."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"%d" % LONG)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(LONG)})

    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = uvicorn.Config(answer, http=Brief, lifespan="off", log_config=None, timeout_keep_alive=1)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.mark.parametrize("reads", [True, False])
def test_a_connection_is_not_idle_while_its_answer_is_taken(brief: int, reads: bool) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.connect(("127.0.0.1", brief))
        connection.sendall(HEALTH)
        end, found = time.monotonic() + 3, 0
        while time.monotonic() < end:
            found += len(connection.recv(65_536)) if reads else 0
            time.sleep(0.02)
        connection.settimeout(2)
        with suppress(TimeoutError, ConnectionError):
            while part := connection.recv(1 << 20):
                found += len(part)
    assert (found > LONG) == reads


@pytest.mark.parametrize(
    "host",
    [
        'x"y',
        "x y",
        "x>; rel=evil, <http://evil.example/",
        "x<y",
        "x/../y",
        "user:secret@evil.example",
        "evil.example#",
        "x" * 300,
        "x:99999999",
        "",
    ],
)
def test_a_bad_host_gets_into_no_address(strict: Server, host: str) -> None:
    own = f"http://{strict.netloc}"
    given = {"Host": host}
    document = strict.request(f"{IMAGE}/info.json", headers=given)
    assert document.json["id"] == f"{own}{IMAGE}"
    picture = strict.request(f"{IMAGE}/full/max/0/default.jpg", headers=given)
    assert picture.links["canonical"] == f"{own}{IMAGE}/full/max/0/default.jpg"
    assert strict.request(IMAGE, headers=given).header("Location") == f"{own}{IMAGE}/info.json"


def test_a_line_break_in_a_host_is_no_header_of_the_answer(strict: Server) -> None:
    answer = exchange(strict, f"GET {IMAGE} HTTP/1.1\r\nHost: x\nSet-Cookie: evil=1\r\n\r\n".encode())
    assert b"set-cookie" not in answer.lower()
    answer = exchange(strict, f"GET {IMAGE} HTTP/1.1\r\nHost: x\rSet-Cookie: evil=1\r\n\r\n".encode())
    assert b"set-cookie" not in answer.lower()


def test_an_encoded_line_break_in_a_path_is_no_header_of_the_answer(strict: Server) -> None:
    for path in ("/iiif/3/x%0d%0aSet-Cookie:%20evil=1", f"{IMAGE}%0d%0aSet-Cookie:%20evil=1/full/max/0/default.jpg"):
        answer = strict.get(path)
        assert answer.status in (400, 404)
        assert answer.header("Set-Cookie") == ""
        assert "\n" not in answer.sentence


@pytest.mark.slow
def test_many_connections_that_say_nothing_hold_up_nobody(strict: Server) -> None:
    idle = [strict.connect() for _ in range(200)]
    try:
        started = time.monotonic()
        assert strict.get("/healthz").status == 200
        assert time.monotonic() - started < 0.5
        before = descriptors(strict)
        wait_until(lambda: descriptors(strict) <= before - 200)
    finally:
        for connection in idle:
            connection.close()


def test_head_and_options_have_no_body(strict: Server) -> None:
    with strict.connect() as connection:
        for method in ("HEAD", "OPTIONS"):
            connection.sendall(f"{method} {IMAGE}/info.json HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            assert response.status in (200, 204)
            assert response.read() == b""
        connection.sendall(LAST_HEALTH)
        assert said(connection).endswith(b"ok\n")
