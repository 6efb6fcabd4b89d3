"""The URI source against a real server that misbehaves in every way there is."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from remote_server import CERTIFICATE, Handler, Remote

from iiifkit.blob import Blob, Buffered, BytesBlob
from iiifkit.errors import ConfigError, ImageNotFound, ImageOverLimit, SourceChanged, SourceError, SourceTimeout
from iiifkit.hookspecs import Environment
from iiifkit.sources import fetching, uri
from iiifkit.sources.uri import FIRST, SMALL, UriOptions, UriSource

LARGE = b"".join(number.to_bytes(4, "big") for number in range(900_000))
PATH = "/images/large.tif"

Make = Callable[..., UriSource]


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote({"large.tif": LARGE, "small.jpg": b"small" * 100, "middle.jpg": LARGE[: SMALL - 5]})
    yield remote
    remote.close()


@pytest.fixture
def make(remote: Remote, tmp_path: Path) -> Iterator[Make]:
    made: list[UriSource] = []

    def make(**options: object) -> UriSource:
        options = {"path": remote.template, "timeout": 5, **options}
        environment = Environment("source", max_source_bytes=50_000_000, temporary_folder=str(tmp_path))
        made.append(uri.build(msgspec.convert(options, UriOptions), environment))
        return made[-1]

    yield make
    for source in made:
        source.close()
    assert list(tmp_path.iterdir()) == [], "a temporary file stays behind"


def asked(remote: Remote) -> list[str]:
    return [f"{method} {headers.get('Range', '')}".strip() for method, _, headers in remote.requests]


class TestRanges:
    def test_a_large_image_is_read_in_parts(self, remote: Remote, make: Make) -> None:
        with make().open("large.tif") as blob:
            assert isinstance(blob, Buffered)
            assert blob.remote
            assert blob.path is None
            assert blob.size == len(LARGE)
            assert blob.modified == 1_700_000_000
            assert blob.read(100, 1000) == LARGE[100:1100]
            assert asked(remote) == [f"GET bytes=0-{FIRST - 1}"]
            assert blob.read(len(LARGE) - 10, 100) == LARGE[-10:]
            assert blob.read(len(LARGE) - 5000, 4000) == LARGE[-5000:-1000]
            assert blob.read(FIRST - 10, 20) == LARGE[FIRST - 10 : FIRST + 10]
        assert len(remote.requests) == 3

    def test_small_images_come_whole(self, remote: Remote, make: Make) -> None:
        source = make()
        for name, requests in (("small.jpg", 1), ("middle.jpg", 2)):
            remote.requests.clear()
            with source.open(name) as blob:
                assert isinstance(blob, BytesBlob)
                assert blob.read_all() == remote.images[name]
                assert len(remote.requests) == requests
                assert blob.version == source.version(name)

    def test_a_long_read_is_several_requests(self, remote: Remote, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uri, "LARGEST_READ", 1_000_000)
        with make().open("large.tif") as blob:
            assert blob.read_all() == LARGE
        assert len(remote.requests) == 5

    @pytest.mark.parametrize("etags", [True, False])
    def test_a_change_in_the_middle_is_an_error(self, remote: Remote, make: Make, etags: bool) -> None:
        remote.etags = etags
        with make().open("large.tif") as blob:
            assert blob.read(FIRST, 100) == LARGE[FIRST : FIRST + 100]
            remote.images["large.tif"] = b"x" * len(LARGE)
            remote.modified = 1_700_000_001
            with pytest.raises(SourceChanged):
                blob.read(2_000_000, 100)
            for data in (LARGE + b"more", LARGE[:1_900_000], LARGE[:2_000_050]):
                remote.images["large.tif"] = data
                with pytest.raises(SourceChanged):
                    blob.read(2_000_000, 100)
            del remote.images["large.tif"]
            with pytest.raises(SourceChanged):
                blob.read(2_000_000, 100)

    def test_a_server_that_forgets_ranges_in_the_middle(self, remote: Remote, make: Make) -> None:
        with make().open("large.tif") as blob:
            remote.ranges = False
            with pytest.raises(SourceError, match="parts"):
                blob.read(2_000_000, 100)

    @pytest.mark.parametrize("status", [401, 403, 429, 503])
    def test_a_server_that_refuses_in_the_middle(
        self, remote: Remote, make: Make, status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.01))
        with make().open("large.tif") as blob:
            remote.behaviors[PATH] = lambda handler: handler.reply(status, b"", {})
            with pytest.raises(SourceError, match=str(status)):
                blob.read(2_000_000, 100)

    @pytest.mark.parametrize(
        "content_range",
        ["bytes 0-99/*", "bytes 5-104/200", "bytes 0-99/50", "bytes 9-5/100", "bytes 0-99", "chunks 0-99/200", "x" * 9],
    )
    def test_odd_ranges_are_not_believed(self, remote: Remote, make: Make, content_range: str) -> None:
        def behave(handler: Handler) -> None:
            if "Range" in handler.headers:
                handler.reply(206, LARGE[:100], {"Content-Range": content_range, "ETag": '"x"'})
            else:
                handler.reply(200, LARGE[:200], {"ETag": '"x"'})

        remote.behaviors[PATH] = behave
        with make().open("large.tif") as blob:
            assert blob.read_all() == LARGE[:200]

    def test_another_range_than_asked(self, remote: Remote, make: Make) -> None:
        with make().open("large.tif") as blob:
            remote.behaviors[PATH] = lambda handler: handler.reply(
                206, LARGE[:100], {"Content-Range": f"bytes 0-99/{len(LARGE)}", "ETag": '"x"'}
            )
            with pytest.raises(SourceError):
                blob.read(2_000_000, 100)

    def test_an_empty_file(self, remote: Remote, make: Make) -> None:
        remote.images["empty.jpg"] = b""
        source = make()
        with source.open("empty.jpg") as blob:
            assert blob.size == 0
            assert blob.version == source.version("empty.jpg")


class TestWholes:
    def test_a_large_image_lies_in_a_file_until_it_is_closed(self, remote: Remote, make: Make, tmp_path: Path) -> None:
        remote.ranges = False
        source = make()
        with source.open("large.tif") as blob:
            assert blob.path is not None
            assert blob.path.parent == tmp_path
            assert blob.path.read_bytes() == LARGE
            assert blob.path.stat().st_mode & 0o077 == 0
            assert blob.read(2_000_000, 100) == LARGE[2_000_000:2_000_100]
            assert blob.version == source.version("large.tif")
            assert blob.modified == 1_700_000_000
            assert not blob.remote
        assert list(tmp_path.iterdir()) == []

    def test_chunks(self, remote: Remote, make: Make) -> None:
        def behave(handler: Handler) -> None:
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            for start in range(0, 2_000_000 if handler.command == "GET" else 0, 100_000):
                handler.wfile.write(b"186a0\r\n" + LARGE[start : start + 100_000] + b"\r\n")
            handler.wfile.write(b"0\r\n\r\n")

        remote.behaviors[PATH] = behave
        source = make()
        with source.open("large.tif") as blob:
            assert blob.read_all() == LARGE[:2_000_000]
            assert blob.version == source.version("large.tif")

    def test_too_many_bytes(self, remote: Remote, make: Make) -> None:
        for ranges in (True, False):
            remote.ranges = ranges
            source = make(max_bytes=len(LARGE) - 1)
            with pytest.raises(ImageOverLimit):
                source.open("large.tif")
            source.open("small.jpg").close()

    def test_too_many_bytes_that_nobody_announced(self, remote: Remote, make: Make) -> None:
        def behave(handler: Handler) -> None:
            handler.close_connection = True
            handler.send_response(200)
            handler.end_headers()
            while not remote.stopped.is_set():
                handler.wfile.write(LARGE)

        remote.behaviors[PATH] = behave
        with pytest.raises(ImageOverLimit):
            make(max_bytes=20_000_000).open("large.tif")

    def test_a_huge_length_is_not_waited_for(self, remote: Remote, make: Make) -> None:
        remote.behaviors[PATH] = lambda handler: handler.reply(200, b"x", {"Content-Length": str(10**17)})
        started = time.monotonic()
        with pytest.raises(ImageOverLimit):
            make().open("large.tif")
        assert time.monotonic() - started < 2

    def test_no_room_for_the_file(self, remote: Remote, tmp_path: Path) -> None:
        remote.ranges = False
        source = UriSource(UriOptions(path=remote.template), 10_000_000, str(tmp_path / "missing"))
        with pytest.raises(SourceError, match="stored") as caught:
            source.open("large.tif")
        assert str(tmp_path) not in str(caught.value)
        source.close()


class TestVersions:
    def test_etag_before_last_modified(self, remote: Remote, make: Make) -> None:
        source = make()
        before = source.version("small.jpg")
        remote.modified = 1_700_000_001
        assert source.version("small.jpg") == before
        remote.etags = False
        assert source.version("small.jpg") != before

    def test_last_modified_and_length(self, remote: Remote, make: Make) -> None:
        remote.etags = False
        source = make()
        seen = {source.version("small.jpg")}
        remote.modified = 1_700_000_001
        seen.add(source.version("small.jpg"))
        remote.images["small.jpg"] = b"another length"
        seen.add(source.version("small.jpg"))
        assert len(seen) == 3

    def test_one_request_is_enough(self, remote: Remote, make: Make) -> None:
        make().version("large.tif")
        assert asked(remote) == ["HEAD"]

    @pytest.mark.parametrize("status", [400, 403, 405, 501])
    def test_servers_without_head(self, remote: Remote, make: Make, status: int) -> None:
        expected = make().version("large.tif")
        remote.head_status = status
        remote.requests.clear()
        assert make().version("large.tif") == expected
        assert asked(remote) == ["HEAD", "GET bytes=0-0"]

    def test_a_version_is_short_and_without_blanks(self, remote: Remote, make: Make) -> None:
        def behave(handler: Handler) -> None:
            handler.reply(200, b"x", {"ETag": 'W/"' + "é \t" * 5000 + '"'})

        remote.behaviors[PATH] = behave
        assert make().version("large.tif").isalnum()
        assert len(make().version("large.tif")) < 64


class TestStatuses:
    @pytest.mark.parametrize("status", [404, 410, 414])
    def test_not_found(self, remote: Remote, make: Make, status: int) -> None:
        remote.behaviors[PATH] = lambda handler: handler.reply(status, b"no", {})
        for method in (make().version, make().open):
            with pytest.raises(ImageNotFound):
                method("large.tif")

    @pytest.mark.parametrize("status", [204, 304, 401, 402, 403, 418, 429, 500, 502, 503, 504, 599])
    def test_refused(self, remote: Remote, make: Make, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.01))
        remote.behaviors[PATH] = lambda handler: handler.reply(status, b"", {})
        for method in (make().version, make().open):
            with pytest.raises(SourceError, match=str(status)) as caught:
                method("large.tif")
            assert str(remote.port) not in str(caught.value)
        transient = status in (500, 502, 503, 504)
        assert [method for method, *_ in remote.requests].count("HEAD") == (3 if transient else 1)

    def test_a_server_that_fails_once(self, remote: Remote, make: Make) -> None:
        failed: list[str] = []

        def behave(handler: Handler) -> None:
            if len(failed) % 2 == 0:
                failed.append(handler.command)
                handler.reply(500, b"sorry", {})
            else:
                failed.append("fine")
                handler.serve(LARGE)

        remote.behaviors[PATH] = behave
        source = make()
        with source.open("large.tif") as blob:
            assert blob.read(2_000_000, 100) == LARGE[2_000_000:2_000_100]
            assert source.version("large.tif") == blob.version
        assert len(failed) == 6

    def test_compressed_answers_are_refused(self, remote: Remote, make: Make) -> None:
        remote.behaviors[PATH] = lambda handler: handler.reply(200, b"x", {"Content-Encoding": "gzip"})
        for method in (make().version, make().open):
            with pytest.raises(SourceError, match="compresses"):
                method("large.tif")
        assert all(headers["Accept-Encoding"] == "identity" for *_, headers in remote.requests)

    @pytest.mark.parametrize(
        "raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 2000 x\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" * 300]
    )
    def test_nonsense(self, remote: Remote, make: Make, raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.01))

        def behave(handler: Handler) -> None:
            handler.wfile.write(raw)
            handler.close_connection = True

        remote.behaviors[PATH] = behave
        for method in (make().version, make().open):
            with pytest.raises(SourceError):
                method("large.tif")

    def test_nobody_listens(self, remote: Remote, make: Make) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            source = make(path=f"http://127.0.0.1:{unused.getsockname()[1]}/{{id}}")
            with pytest.raises(SourceError, match="reached"):
                source.version("large.tif")


class TestBrokenBodies:
    @pytest.mark.parametrize("when", ["always", "once"])
    @pytest.mark.parametrize("status", [200, 206])
    def test_truncated(self, remote: Remote, make: Make, when: str, status: int) -> None:
        cut: list[int] = []

        def behave(handler: Handler) -> None:
            if when == "once" and cut:
                return handler.serve(LARGE)
            cut.append(1)
            said = {"Content-Length": str(FIRST if status == 206 else len(LARGE)), "ETag": '"x"'}
            if status == 206:
                said["Content-Range"] = f"bytes 0-{FIRST - 1}/{len(LARGE)}"
            handler.reply(status, LARGE[:1000] if status == 206 else LARGE[:2_000_000], said)
            handler.close_connection = True
            return None

        remote.behaviors[PATH] = behave
        if when == "always":
            with pytest.raises(SourceError):
                make().open("large.tif")
            assert len(cut) == 3
        else:
            with make().open("large.tif") as blob:
                assert blob.read(2_000_000, 100) == LARGE[2_000_000:2_000_100]

    def test_more_than_its_length(self, remote: Remote, make: Make) -> None:
        """What comes after the body must not become the next answer."""
        smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: x\r\n\r\nevil"
        remote.behaviors["/images/small.jpg"] = lambda handler: handler.reply(
            200, b"good" + smuggled, {"Content-Length": "4"}
        )
        source = make()
        for _ in range(3):
            with source.open("small.jpg") as blob:
                assert blob.read_all() == b"good"


class TestTime:
    """A whole operation is bounded, however the server dawdles."""

    def within(self, seconds: float, use: Callable[[], object]) -> None:
        started = time.monotonic()
        with pytest.raises(SourceTimeout):
            use()
        assert time.monotonic() - started < seconds

    def test_silence(self, remote: Remote, make: Make) -> None:
        remote.behaviors[PATH] = lambda _: remote.stopped.wait(10) and None
        source = make(timeout=0.3)
        self.within(1, lambda: source.version("large.tif"))
        self.within(1, lambda: source.open("large.tif"))

    def test_headers_that_drip(self, remote: Remote, make: Make) -> None:
        remote.behaviors[PATH] = lambda handler: handler.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 1000, 0.05)
        source = make(timeout=0.3)
        self.within(1, lambda: source.version("large.tif"))
        self.within(1, lambda: source.open("large.tif"))

    @pytest.mark.parametrize("first", [0, SMALL + 100_000])
    def test_a_whole_image_that_drips(self, remote: Remote, make: Make, first: int) -> None:
        def behave(handler: Handler) -> None:
            handler.reply(200, LARGE[:first], {"Content-Length": str(len(LARGE))})
            handler.drip(LARGE[first:], 0.02)

        remote.behaviors[PATH] = behave
        source = make(timeout=5, download_timeout=0.4)
        self.within(2, lambda: source.open("large.tif"))

    def test_a_part_that_drips(self, remote: Remote, make: Make) -> None:
        with make(timeout=0.4).open("large.tif") as blob:
            genuine = remote.images["large.tif"]

            def slow(handler: Handler) -> None:
                write = handler.wfile.write
                handler.wfile.write = lambda data: handler.drip(data, 0.02)  # type: ignore[method-assign,assignment]
                try:
                    handler.serve(genuine)
                finally:
                    handler.wfile.write = write  # type: ignore[method-assign]

            remote.behaviors[PATH] = slow
            self.within(2, lambda: blob.read(2_000_000, 100))

    def test_a_slow_but_steady_download_may_take_longer_than_one_answer(self, remote: Remote, make: Make) -> None:
        def behave(handler: Handler) -> None:
            handler.reply(200, b"", {"Content-Length": "20"})
            handler.drip(b"x" * 20, 0.02)

        remote.behaviors[PATH] = behave
        with make(timeout=0.2, download_timeout=5).open("large.tif") as blob:
            assert blob.read_all() == b"x" * 20

    def test_a_tls_handshake_that_never_comes(self, make: Make) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            source = make(path=f"https://127.0.0.1:{mute.getsockname()[1]}/{{id}}", timeout=0.3)
            self.within(1, lambda: source.version("large.tif"))

    def test_failing_servers_do_not_outlast_the_deadline(self, remote: Remote, make: Make) -> None:
        remote.behaviors[PATH] = lambda handler: handler.reply(503, b"", {})
        started = time.monotonic()
        with pytest.raises(SourceError):
            make(timeout=0.3).version("large.tif")
        assert time.monotonic() - started < 1


class TestConnections:
    def test_are_kept(self, remote: Remote, make: Make) -> None:
        source = make()
        peers: set[object] = set()

        def behave(handler: Handler) -> None:
            peers.add(handler.client_address)
            handler.serve(LARGE)

        def missing(handler: Handler) -> None:
            peers.add(handler.client_address)
            handler.serve(None)

        remote.behaviors |= {PATH: behave, "/images/missing": missing}
        for _ in range(3):
            source.version("large.tif")
            with source.open("large.tif") as blob:
                blob.read(2_000_000, 100)
            with pytest.raises(ImageNotFound):
                source.open("missing")
        assert len(peers) == 1

    def test_one_that_the_server_closed_is_replaced(self, remote: Remote, make: Make) -> None:
        def behave(handler: Handler) -> None:
            handler.serve(LARGE)
            handler.close_connection = True

        remote.behaviors[PATH] = behave
        source = make()
        for _ in range(3):
            source.version("large.tif")
            time.sleep(0.02)

    def test_are_bounded_and_all_come_back(self, remote: Remote, make: Make) -> None:
        now, most, errors = 0, 0, []
        guard = threading.Lock()

        def behave(handler: Handler) -> None:
            nonlocal now, most
            with guard:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with guard:
                now -= 1
            kind = len(remote.requests) % 3
            if kind == 0:
                handler.reply(404, b"", {})
            elif kind == 1:
                handler.reply(200, b"x", {"Content-Length": str(10**17)})
            else:
                handler.serve(LARGE)

        def use() -> None:
            try:
                source.open("large.tif").close()
            except (ImageNotFound, ImageOverLimit):
                return
            except Exception as error:
                errors.append(error)

        remote.behaviors[PATH] = behave
        source = make(timeout=20)
        threads = [threading.Thread(target=use) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert 2 <= most <= 16

    def test_proxies_of_the_environment_are_ignored(
        self, remote: Remote, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert make().version("large.tif")


class TestTLS:
    @pytest.fixture
    def secure(self) -> Iterator[Remote]:
        remote = Remote({"large.tif": LARGE}, tls=True)
        yield remote
        remote.close()

    def test_a_trusted_certificate(self, secure: Remote, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        source = make(path=secure.template)
        with source.open("large.tif") as blob:
            assert blob.version == source.version("large.tif")
            assert blob.read(2_000_000, 100) == LARGE[2_000_000:2_000_100]
        assert source.version("large.tif")

    def test_drips(self, secure: Remote, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        secure.behaviors[PATH] = lambda handler: handler.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 1000, 0.05)
        started = time.monotonic()
        with pytest.raises(SourceTimeout):
            make(path=secure.template, timeout=0.5).version("large.tif")
        assert time.monotonic() - started < 1.5

    def test_another_certificate(self, secure: Remote, make: Make) -> None:
        with pytest.raises(SourceError, match="trusted"):
            make(path=secure.template).version("large.tif")
        assert secure.requests == []


class TestRedirects:
    def go(self, remote: Remote, make: Make, location: str) -> Blob:
        def behave(handler: Handler) -> None:
            handler.reply(302, b"", {"Location": location})

        remote.behaviors["/images/moved"] = behave
        return make().open("moved")

    @pytest.mark.parametrize("location", ["/images/small.jpg", "small.jpg", "../images/small.jpg", "ABSOLUTE"])
    def test_on_the_origin(self, remote: Remote, make: Make, location: str) -> None:
        location = location.replace("ABSOLUTE", f"{remote.origin}/images/small.jpg")
        with self.go(remote, make, location) as blob:
            assert blob.read_all() == remote.images["small.jpg"]
        assert remote.requests[-1][2]["Range"]

    @pytest.mark.parametrize(
        "location",
        [
            "http://localhost:PORT/images/small.jpg",
            "http://127.0.0.1:1/images/small.jpg",
            "http://127.0.0.1/images/small.jpg",
            "https://127.0.0.1:PORT/images/small.jpg",
            "//example.org/small.jpg",
            "http://user@127.0.0.1:PORT/images/small.jpg",
            "http://127.0.0.1:PORT@example.org/",
            "http://127.0.0.1:PORT\\@example.org/",
            "file:///etc/passwd",
            "ftp://127.0.0.1:PORT/",
            "http://[",
            "http://127.0.0.1:99999/",
        ],
    )
    def test_off_the_origin(self, remote: Remote, make: Make, location: str) -> None:
        with pytest.raises(SourceError, match="redirect"):
            self.go(remote, make, location.replace("PORT", str(remote.port)))
        assert len(remote.requests) == 1

    def test_in_a_circle(self, remote: Remote, make: Make) -> None:
        with pytest.raises(SourceError, match="too often"):
            self.go(remote, make, "/images/moved")
        assert len(remote.requests) == 6

    def test_a_status_without_a_place(self, remote: Remote, make: Make) -> None:
        remote.behaviors[PATH] = lambda handler: handler.reply(302, b"", {})
        with pytest.raises(SourceError, match="302"):
            make().open("large.tif")


class TestHostsFromIdentifiers:
    def test_an_allowed_host(self, remote: Remote, make: Make) -> None:
        source = make(path="{+id}", hosts=[f"127.0.0.1:{remote.port}"], allow_private=True)
        with source.open(f"{remote.origin}/images/small.jpg") as blob:
            assert blob.read_all() == remote.images["small.jpg"]

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_private_addresses(self, remote: Remote, make: Make, host: str) -> None:
        source = make(path="{+id}", hosts=[f"{host}:{remote.port}"])
        with pytest.raises(SourceError, match="address"):
            source.open(f"http://{host}:{remote.port}/images/small.jpg")
        assert remote.requests == []

    def test_a_name_that_is_resolved_anew(self, remote: Remote, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name means a public address when it is checked, and a private one when it is asked for again."""
        connected: list[object] = []
        answers = [["203.0.114.1"], ["127.0.0.1"]]

        def resolve(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, remote.port)) for ip in answers.pop(0)]

        def connect(self: socket.socket, address: object) -> None:
            connected.append(address)
            raise ConnectionRefusedError

        monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.01))
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket.socket, "connect", connect)
        source = make(path="{+id}", hosts=[f"images.test:{remote.port}"])
        with pytest.raises(SourceError, match="address"):
            source.open(f"http://images.test:{remote.port}/images/small.jpg")
        assert connected == [("203.0.114.1", remote.port)]

    @pytest.mark.parametrize(
        "identifier",
        [
            "http://other.org/a.jpg",
            "http://example.org:8080/a.jpg",
            "http://example.org.other.org/a.jpg",
            "http://example.org@other.org/a.jpg",
            "http://user:password@example.org/a.jpg",
            "https://example.org:80/a.jpg",
            "//example.org/a.jpg",
            "example.org/a.jpg",
            "file://example.org/etc/passwd",
            "gopher://example.org/",
            "http://example.org\\@other.org/",
            "http://example.org/../a.jpg",
            "http://example.org/%2e%2e/a.jpg",
            "http://example.org/a.jpg#fragment",
            "",
            "a.jpg",
        ],
    )
    def test_other_places(self, make: Make, identifier: str) -> None:
        source = make(path="{+id}", hosts=["Example.org"])
        for method in (source.version, source.open):
            with pytest.raises(ImageNotFound):
                method(identifier)


class TestBuild:
    @pytest.mark.parametrize(
        ("options", "where"),
        [
            ({"path": "https://example.org/"}, "images.source.path"),
            ({"path": "https://example.org/{id"}, "images.source.path"),
            ({"path": "https://example.org/{identifier}"}, "images.source.path"),
            ({"path": "https://example.org/{id}{?size}"}, "images.source.path"),
            ({"path": "https://example.org/{#id}"}, "images.source.path"),
            ({"path": "https://example.org/#{id}"}, "images.source.path"),
            ({"path": "https://user:password@example.org/{id}"}, "images.source.path"),
            ({"path": "ftp://example.org/{id}"}, "images.source.path"),
            ({"path": "file:///srv/images/{id}"}, "images.source.path"),
            ({"path": "example.org/{id}"}, "images.source.path"),
            ({"path": "/srv/images/{id}"}, "images.source.path"),
            ({"path": ""}, "images.source.path"),
            ({"path": "{+id}"}, "images.source.hosts"),
            ({"path": "https://{id}.example.org/"}, "images.source.hosts"),
            ({"path": "https://example.org{id}"}, "images.source.hosts"),
            ({"path": "https://example.org:80{id}/"}, "images.source.hosts"),
            ({"path": "https://example.org/{id}", "hosts": ["example.org"]}, "images.source.hosts"),
        ],
    )
    def test_wrong_templates(self, options: dict[str, object], where: str) -> None:
        with pytest.raises(ConfigError) as caught:
            uri.build(msgspec.convert(options, UriOptions), Environment("source"))
        assert caught.value.path == where

    @pytest.mark.parametrize(
        "wrong",
        [{}, {"path": "x", "timeout": 0}, {"path": "x", "max_bytes": 0}, {"path": "x", "revalidate": -1}, {"path": 1}],
    )
    def test_wrong_options(self, wrong: dict[str, object]) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, UriOptions)

    def test_defaults(self) -> None:
        source = uri.build(UriOptions(path="https://example.org/{id}"), Environment("source"))
        assert source.revalidate == 60
        assert source.location is None
        assert list(source.identifiers()) == []
        source.close()


def test_no_descriptors_are_left(remote: Remote, make: Make) -> None:
    source = make()
    source.open("large.tif").close()
    spare = os.dup(0)
    for ranges in (True, False):
        remote.ranges = ranges
        for _ in range(5):
            source.open("large.tif").close()
    again = os.dup(0)
    os.close(spare)
    os.close(again)
    assert again - spare < 5
