"""Answers that need no waiting: the same as the others, in their order, and no way around the bounds."""

import inspect
import re
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from PIL import Image
from serving import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from watching import install_plugin, make_slow_pictures, memory, wait_until

from iiifkit.assembly import assemble
from iiifkit.blob import BytesBlob, FileBlob
from iiifkit.contracts import Cache
from iiifkit.server import pictures as rooms
from iiifkit.server.asked import Asked
from iiifkit.server.lanes import Lane
from iiifkit.server.metrics import Metrics
from iiifkit.server.pictures import Begun, Pictures
from iiifkit.server.replies import Reply, encode

PICTURE = "/iiif/3/300x200.jpg/full/100,/0/default.jpg"
ASK = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
DISK = {"derivatives": {"cache": {"name": "Disk", "path": "derivatives"}}}


def exchange(server: Server, text: str) -> bytes:
    with server.connect() as connection:
        connection.sendall(text.encode())
        connection.settimeout(30)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def lines(answer: bytes) -> list[bytes]:
    """The head of an answer, without what is another at any time."""
    head = answer.split(b"\r\n\r\n")[0].split(b"\r\n")
    return sorted(line for line in head if not line.startswith(b"date:"))


@pytest.mark.parametrize("config", [{}, DISK], ids=["memory", "disk"])
def test_an_answer_at_once_is_the_one_that_took_its_time(start: Serve, picture_folder: Path, config: Any) -> None:
    server = start(picture_folder, config)
    once = ASK.format(PICTURE) + LAST
    first, second = exchange(server, once), exchange(server, once)
    assert lines(first) == lines(second)
    assert first.split(b"\r\n\r\n", 1)[1][:5000] == second.split(b"\r\n\r\n", 1)[1][:5000]
    assert b"date: " in first and b"date: " in second
    wait_until(lambda: server.access_log.count(PICTURE) >= 2)
    how = [line.split()[-2] for line in server.access_log.splitlines() if PICTURE in line]
    assert how == ["render", "disk" if config else "memory"]


def test_head_304_and_http_1_0(server: Server) -> None:
    whole = server.get(PICTURE)
    assert server.get(PICTURE).body == whole.body
    head = exchange(server, ASK.format(PICTURE).replace("GET", "HEAD") + LAST)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"content-length: {len(whole.body)}\r\n".encode() in head
    assert head.split(b"\r\n\r\n", 1)[1].startswith(b"HTTP/1.1 200 OK\r\n")
    same = server.get(PICTURE, If_None_Match=whole.header("ETag"))
    assert (same.status, same.body, same.header("Content-Length")) == (304, b"", "")
    old = exchange(server, f"GET {PICTURE} HTTP/1.0\r\n\r\n")
    assert b"\r\nconnection: close\r\n" in old
    assert old.endswith(whole.body)


def test_quick_and_slow_answers_come_in_order(server: Server) -> None:
    server.get(PICTURE)
    slow = "/iiif/3/6000x4000.jpg/full/{},/0/default.jpg"
    asked = [PICTURE, slow.format(431), PICTURE, "/healthz", slow.format(432), PICTURE, PICTURE]
    answer = exchange(server, "".join(ASK.format(path) for path in asked) + LAST)
    found = re.findall(rb"HTTP/1\.1 (\d+) |filename=\"[^\"]*-(\d+)x\d+\.jpg\"|(ok\n)", answer)
    told = [b"".join(groups).decode() for groups in found if not groups[0]]
    assert told == ["100", "431", "100", "ok\n", "432", "100", "100", "ok\n"]


def test_thousands_of_pipelined_requests_are_all_answered(server: Server) -> None:
    server.get(PICTURE)
    answer = exchange(server, ASK.format(PICTURE) * 3000 + LAST)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3001


def test_who_asks_without_reading_fills_no_memory(start: Serve, tmp_path: Path) -> None:
    server = start(make_slow_pictures(tmp_path / "slow"))
    path = "/iiif/3/noise.png/full/max/0/default.png"
    assert len(server.get(path).body) > 10_000_000
    before = memory(server)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(ASK.format(path).encode() * 300)
        for _ in range(20):
            assert server.get("/healthz").status == 200
        assert memory(server) < before + 100_000_000


class Place:
    """A cache that is local, and counts."""

    def __init__(self, kept: Any) -> None:
        self.kept, self.asked = kept, 0

    def get(self, key: str, tag: str) -> Any:
        self.asked += 1
        return self.kept() if callable(self.kept) else self.kept


def looking(picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Any) -> tuple[Pictures, Place]:
    raw = {"images": {"source": {"name": "Disk", "path": str(picture_folder)}, "cache": {"name": "Null"}}}
    raw |= {"derivatives": {"cache": {"name": "Disk", "path": str(tmp_path / "derivatives")}}}
    service = assemble(raw, {}).service
    place = Place(kept)
    monkeypatch.setattr(service.derivatives, "get", place.get)
    lanes = [Lane(name, 1, 1) for name in ("a", "b", "c")]
    return Pictures(service, *lanes, Metrics(), "no-cache"), place


def ask(pictures: Pictures) -> Reply | Begun | None:
    pictures._service.look("300x200.jpg")
    return pictures.at_once(Asked("GET", PICTURE, "http://x", {}, None))


def test_a_slow_disk_is_left_to_threads_for_a_while(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(rooms.time, "perf_counter", lambda: clock[0])

    def slowly() -> BytesBlob:
        clock[0] += 2 * rooms.SLOW_SECONDS
        return BytesBlob(b"found", "1")

    pictures, place = looking(picture_folder, tmp_path, monkeypatch, slowly)
    first = ask(pictures)
    assert isinstance(first, Reply) and (first.body, first.how) == (b"found", "disk")
    again = ask(pictures)
    assert isinstance(again, Begun) and not again.missed
    assert place.asked == 1
    clock[0] += rooms.WARY_SECONDS + 1
    assert isinstance(ask(pictures), Reply)
    assert place.asked == 2


def test_what_the_cache_lacks_is_not_looked_up_twice(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ask(looking(picture_folder, tmp_path, monkeypatch, None)[0])
    assert isinstance(begun, Begun) and begun.missed


def test_what_is_large_or_not_in_memory_is_read_in_threads(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for blob in (BytesBlob(bytes(rooms.MOST_AT_ONCE + 1), "1"), Elsewhere(b"far away", "1")):
        begun = ask(looking(picture_folder, tmp_path, monkeypatch, blob)[0])
        assert isinstance(begun, Begun) and not begun.missed


class Elsewhere(BytesBlob):
    def at_hand(self, most: int) -> None:
        return None


def test_a_cache_far_away_is_never_asked_on_the_event_loop(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, place = looking(picture_folder, tmp_path, monkeypatch, BytesBlob(b"found", "1"))
    derivatives: Cache = pictures._service.derivatives
    monkeypatch.setattr(derivatives, "location", None)
    far = Pictures(pictures._service, *(Lane(name, 1, 1) for name in "abc"), Metrics(), "no-cache")
    assert isinstance(ask(far), Begun)
    assert place.asked == 0


def test_an_image_that_is_called_info_json_is_not_taken_for_the_document(start: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    Image.new("RGB", (30, 20)).save(folder / "info.json", "JPEG")
    server = start(folder)
    for _ in range(2):
        assert server.get("/iiif/3/info.json").header("Location") == f"{server.base}/iiif/3/info.json/info.json"
        assert server.get("/iiif/3/info.json/info.json").json["id"] == f"{server.base}/iiif/3/info.json"


def test_what_is_remembered_of_requests_is_bounded_in_bytes(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "REMEMBERED_BYTES", 100_000)
    pictures, _ = looking(picture_folder, tmp_path, monkeypatch, None)
    assert isinstance(ask(pictures), Begun)
    spelled = "".join(f"%{ord(letter):02X}" for letter in "300x200.jpg")
    tracemalloc.start()
    try:
        for number in range(500):
            path = f"/iiif/3/{spelled}/pct:0,0,50,{50 + number}.{'0' * 200}/10,10/0.{'0' * 200}/default.jpg"
            assert pictures.at_once(Asked("GET", path, f"http://{'x' * 200}", {}, None)) is not None
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_bytes_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with FileBlob(path) as blob:
        assert blob.at_hand(10) in (b"0123456789", None)  # None where the file system cannot tell
        assert blob.at_hand(9) is None
        path.write_bytes(b"01234")
        assert blob.at_hand(10) is None
    assert BytesBlob(b"0123", "1").at_hand(4) == b"0123"
    assert BytesBlob(b"0123", "1").at_hand(3) is None


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\0b", b"a\x7f"])
def test_a_header_is_one_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="one line"):
        encode([(b"link", value)])


def test_uvicorn_still_has_the_place_where_the_quick_way_branches_off() -> None:
    """Without it all answers would be right, but none would be quick."""
    assert list(inspect.signature(HttpToolsProtocol._start_asgi_task).parameters) == ["self", "cycle", "app"]


def test_a_cache_that_keeps_no_bytes_is_an_internal_error_and_not_a_bad_request(
    start: Serve, picture_folder: Path, tmp_path: Path
) -> None:
    code = """
        from iiifkit import Blob, Offer, hookimpl

        class Text(Blob):
            size, version = 1, "1"
            def read(self, offset, length):
                return 7

        class Odd:
            instant, location, workspace = True, None, None
            def get(self, key, tag):
                return Text()
            def put(self, *_): ...
            def close(self): ...

        @hookimpl
        def iiifkit_caches():
            return {"Odd": Offer(lambda options, environment: Odd())}
    """
    environ = install_plugin(tmp_path / "plugin", "odd-cache", code)
    server = start(picture_folder, {"derivatives": {"cache": {"name": "Odd"}}}, **environ)
    for _ in range(2):
        assert server.get(PICTURE).status == 500
    assert server.get("/healthz").status == 200
