"""Health, metrics, go-iiif's counters and the access log, as they are seen from outside."""

import re
import socket
from pathlib import Path

import pytest
from conftest import Serve
from serving import Server
from watching import install_plugin, make_slow_pictures, wait_until

LINE = re.compile(r'(\S+) "(\S+) (\S+)" (\d{3}) (\d+) (\d+\.\d)ms (\S+) (\S+)')
PICTURE = "/iiif/3/300x200.jpg/full/{},/0/default.jpg"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health(server: Server, method: str) -> None:
    answer = server.request("/healthz", method)
    assert answer.status == 200
    assert answer.header("Cache-Control") == "no-store"
    assert answer.body == (b"ok\n" if method == "GET" else b"")
    assert server.get("/healthz?x=y").status == 200


def test_metrics_are_prometheus_text(server: Server) -> None:
    answer = server.get("/metrics")
    assert answer.header("Content-Type").startswith("text/plain; version=0.0.4")
    assert answer.header("Cache-Control") == "no-store"
    assert "# TYPE iiifkit_renders_running gauge" in answer.text


def test_go_iiifs_counters_count_what_theirs_count(start: Serve, picture_folder: Path) -> None:
    server = start(picture_folder)
    empty = server.get("/debug/vars").json
    assert {"CacheHit", "CacheMiss", "CacheSet", "TransformsCount", "TransformsAvgTimeMS"} <= empty.keys()
    assert empty["TransformsCount"] == empty["CacheHit"] == empty["CacheMiss"] == empty["CacheSet"] == 0
    for width in (10, 20, 30):
        assert server.get(PICTURE.format(width)).status == 200
    assert server.get(PICTURE.format(10)).status == 200
    assert server.get("/iiif/3/300x200.jpg/info.json").status == 200
    assert server.get("/iiif/3/300x200.jpg/full/1,1,1/0/default.jpg").status == 400
    shown = server.get("/debug/vars").json
    assert (shown["CacheMiss"], shown["CacheSet"], shown["TransformsCount"], shown["CacheHit"]) == (3, 3, 3, 1)
    assert 0 < shown["TransformsAvgTimeMS"] < 60_000
    assert any("serve" in argument for argument in shown["cmdline"])
    assert 10_000_000 < shown["memstats"]["Alloc"] <= shown["memstats"]["Sys"] * 1.1


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Prefix": "/x"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "192.0.2.1"},
        {"Host": "images.example.org"},
        {"Host": "127.0.0.1.example.org"},
    ],
)
def test_the_debugging_page_is_never_shown_through_a_proxy_or_under_another_name(
    server: Server, headers: dict[str, str]
) -> None:
    assert server.get("/debug/vars").status == 200
    assert server.get("/debug/vars").header("Access-Control-Allow-Origin") == ""
    refused = server.request("/debug/vars", headers=headers)
    assert refused.status == 403
    assert "cmdline" not in refused.text


def other_address() -> str | None:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


def test_the_debugging_page_is_for_loopback_only(start: Serve, picture_folder: Path) -> None:
    address = other_address()
    if address is None:
        pytest.skip("this machine has no other address than loopback")
    server = start(picture_folder, {}, "--host", "0.0.0.0")
    with socket.create_connection((address, server.port)) as connection:
        connection.sendall(b"GET /debug/vars HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_the_access_log_has_the_canonical_form_and_how_each_answer_was_made(
    start: Serve, picture_folder: Path, tmp_path: Path
) -> None:
    config = {"derivatives": {"cache": {"name": "Disk", "path": str(tmp_path / "tiles")}}}
    on_disk, in_memory = start(picture_folder, config), start(picture_folder)
    for server, kept in ((on_disk, "disk"), (in_memory, "memory")):
        path = "/iiif/2/300x200.jpg/pct:0,0,50,50/pct:50/0/default.jpg"
        tag = server.get(path).header("ETag")
        server.get(path)
        server.get(path, If_None_Match=tag)
        server.get("/iiif/3/300x200.jpg/info.json")
        server.get("/iiif/3/300x200.jpg")
        server.get("/iiif/3/missing.jpg/info.json")
        server.request("/x", "DELETE")
        wait_until(lambda: "DELETE" in server.access_log)  # noqa: B023
        lines = [LINE.fullmatch(line) for line in server.access_log.splitlines()]
        assert all(lines), server.access_log
        seen = [(line[2], line[4], line[7], line[8]) for line in lines if line and line[3] != "/healthz"]
        canonical = "300x200.jpg/0,0,150,100/75,/0/default.jpg"
        assert seen == [
            ("GET", "200", "render", canonical),
            ("GET", "200", kept, canonical),
            ("GET", "304", "304", canonical),
            ("GET", "200", "info", "-"),
            ("GET", "303", "redirect", "-"),
            ("GET", "404", "error", "-"),
            ("DELETE", "405", "error", "-"),
        ]
        assert {line[1] for line in lines if line} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "path",
    [
        '/a"_200_0_0.0ms_render_x"',
        "/a%0a127.0.0.1%20%22GET%20/%22%20200%201%200.1ms%20render%20-",
        "/a\\x0a",
        "/%1b[31mred",
        "/" + "long" * 5000,
        "/iiif/3/%22%0A/full/max/0/default.jpg",
        "/iiif/3/" + "%F0%9F%98%80" * 50 + "/info.json",
    ],
)
def test_no_path_fakes_a_line_of_the_access_log(start: Serve, picture_folder: Path, path: str) -> None:
    server = start(picture_folder)
    assert server.get(path).status in (400, 404)
    server.get("/healthz")
    wait_until(lambda: server.access_log.count("/healthz") >= 2)
    lines = server.access_log.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert len([line for line in lines if "/healthz" not in line]) == 1
    assert all(len(line) < 3000 for line in lines)
    assert server.access_log.isascii()
    assert "\x1b" not in server.access_log


def test_the_access_log_can_be_switched_off(start: Serve, picture_folder: Path) -> None:
    server = start(picture_folder, {"server": {"access_log": False}})
    server.get("/iiif/3/300x200.jpg/info.json")
    server.stop()
    assert server.access_log == ""


FORGED = """
    from pathlib import Path
    from iiifkit import Offer, hookimpl
    from iiifkit.blob import BytesBlob

    class Any:
        location = None
        revalidate = 60.0

        def version(self, identifier):
            return "1"

        def open(self, identifier):
            return BytesBlob(Path(__file__).with_name("small.jpg").read_bytes(), "1")

        def identifiers(self):
            return ()

        def close(self):
            pass

    @hookimpl
    def iiifkit_sources():
        return {"Any": Offer(lambda options, environment: Any())}
"""


def test_no_canonical_form_fakes_a_line_of_the_access_log(start: Serve, tmp_path: Path) -> None:
    make_slow_pictures(tmp_path / "plugin")
    environ = install_plugin(tmp_path / "plugin", "any-plugin", FORGED)
    server = start(None, {"images": {"source": {"name": "Any"}}}, **environ)
    answer = server.get("/iiif/3/a%22%20b%C3%A9%5C%F0%9F%98%80/full/10,/0/default.jpg")
    assert answer.status == 200
    assert answer.header("Link").isascii()
    wait_until(lambda: "render" in server.access_log)
    assert all(LINE.fullmatch(line) for line in server.access_log.splitlines()), server.access_log
