"""Servers that are slow, broken or hostile: deadlines are kept, and nonsense is an error."""

import socket
import time
from collections.abc import Callable

import pytest
from between import Between, Handler, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from iiifkit import CacheError, IIIFKitError, SourceError, SourceTimeout
from putting import put
from refusing import hangs, refusal
from seaweed import CERTIFICATE

from iiifkit_s3.cache import S3Cache
from iiifkit_s3.options import BucketOptions
from iiifkit_s3.source import S3Source

STATUSES = st.sampled_from([200, 206, 204, 301, 304, 400, 403, 404, 412, 416, 500])
BODIES = st.sampled_from(
    [
        *(b"", b"x", b"hello", b"\0\xff", b"<Error/>", b"<Error><Code/></Error>", b"<a></b>"),
        b"<Error><Code><b/>NoSuchKey</Code></Error>",
        b"<ListBucketResult><IsTruncated>maybe</IsTruncated><Contents/></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>x</Key><LastModified>x</LastModified></Contents></ListBucketResult>",
    ]
) | st.binary(max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("ETag", "Content-Range", "Last-Modified", "Date", "x-amz-meta-iiifkit-tag", "x-amz-bucket-region"),
            *("Content-Type", "Location", "x-amz-checksum-crc32", "Content-Encoding", "Expires", "x-amz-missing-meta"),
        ]
    ),
    st.sampled_from(["", "x", "0", "-1", '"x"', "bytes 0-4/5", "bytes 0-0/1", "bytes */5", "1e9", "\xff", "a" * 5000])
    | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
    max_size=6,
)
OpenSource = Callable[..., S3Source]
OpenCache = Callable[..., S3Cache]
Spoil = Callable[[Handler, Request], bool]


def drips_headers(handler: Handler, request: Request) -> bool:
    return handler.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90)


def drips_one_header(handler: Handler, request: Request) -> bool:
    return handler.drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000)


def drips_the_body(handler: Handler, request: Request) -> bool:
    head = b'HTTP/1.1 206 OK\r\nETag: "x"\r\nContent-Length: 1000\r\nContent-Range: bytes 0-999/1000\r\n\r\n'
    handler.wfile.write(head)
    return handler.drip(b"x" * 1000)


def drips_an_error(handler: Handler, request: Request) -> bool:
    handler.wfile.write(b"HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\n")
    return handler.drip(b"x" * 1000)


def continues(handler: Handler, request: Request) -> bool:
    return handler.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


class TestSlowServers:
    @pytest.mark.parametrize(
        "spoil", [hangs, drips_headers, drips_one_header, drips_the_body, drips_an_error, continues]
    )
    def test_the_deadline_is_kept(self, open_source: OpenSource, between: Between, spoil: Spoil) -> None:
        between.spoil = spoil
        source = open_source(endpoint=between.url, timeout=0.4)
        started = time.monotonic()
        with pytest.raises(SourceTimeout, match="in time"):
            source.open("photo.jpg")
        assert 0.3 < time.monotonic() - started < 3

    @pytest.mark.parametrize("spoil", [hangs, drips_headers, drips_the_body])
    def test_by_tls_too(
        self, open_source: OpenSource, endpoint: str, monkeypatch: pytest.MonkeyPatch, spoil: Spoil
    ) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
        between = Between(endpoint, spoil=spoil, tls=True)
        started = time.monotonic()
        with pytest.raises(SourceTimeout, match="in time"):
            open_source(endpoint=between.url, timeout=0.6).open("photo.jpg")
        assert time.monotonic() - started < 3
        between.close()

    def test_attempts_and_pauses_count(self, open_source: OpenSource, between: Between) -> None:
        between.spoil = lambda handler, _: handler.refuse(500, "InternalError")
        started = time.monotonic()
        with pytest.raises(SourceError):
            open_source(endpoint=between.url, timeout=0.8, retries=10).version("photo.jpg")
        assert time.monotonic() - started < 3

    def test_a_server_that_does_not_take_what_is_sent(self, open_cache: OpenCache) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            cache = open_cache(endpoint=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.4)
            started = time.monotonic()
            with pytest.raises(CacheError, match="in time"):
                cache.put("a", b"x" * 8_000_000, "t", "image/tiff")
            assert time.monotonic() - started < 3

    def test_a_server_that_does_not_shake_hands(self, open_source: OpenSource) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            source = open_source(endpoint=f"https://127.0.0.1:{listening.getsockname()[1]}", timeout=0.4)
            with pytest.raises(SourceTimeout):
                source.version("photo.jpg")

    def test_reading_on_is_bounded_too(self, open_source: OpenSource, between: Between, there: BucketOptions) -> None:
        put(there, "large.tif", b"x" * 2_000_000)
        with open_source(endpoint=between.url, timeout=0.5).open("large.tif") as blob:
            between.spoil = hangs
            started = time.monotonic()
            with pytest.raises(SourceTimeout):
                blob.read(1_000_000, 10)
            assert time.monotonic() - started < 3


class TestBrokenServers:
    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 206 OK\r\nContent-Length: 5\r\n\r\nhello",
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nContent-Length: five\r\n\r\nhello',
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nContent-Length: -5\r\n\r\nhello',
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nLast-Modified: never\r\nContent-Length: 5\r\n\r\nhello',
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nLast-Modified: 1 Jan 99999\r\nContent-Length: 5\r\n\r\nhello',
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nContent-Length: 5\r\nContent-Range: bytes 7-11/12\r\n\r\nhello',
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/100\r\n\r\nhello',
            b'HTTP/1.1 206 OK\r\nETag: "x"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello',
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
            b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n<Error><C",
            b"HTTP/1.1 999 No\r\n\r\n",
        ],
        ids=range(16),
    )
    def test_nonsense_is_a_source_error(self, open_source: OpenSource, between: Between, answer: bytes) -> None:
        between.spoil = lambda handler, _: handler.write(answer)
        error = refusal(open_source(endpoint=between.url, retries=0))
        assert type(error) is SourceError
        assert len(str(error)) < 200

    def test_an_endless_error_is_not_read_to_its_end(self, open_source: OpenSource, between: Between) -> None:
        sent = 0

        def spoil(handler: Handler, request: Request) -> bool:
            nonlocal sent
            handler.wfile.write(b"HTTP/1.1 403 No\r\n\r\n")
            for _ in range(200):
                sent += handler.wfile.write(b"x" * 1_000_000)
            return True

        between.spoil = spoil
        with pytest.raises(SourceError, match="broke off"):
            open_source(endpoint=between.url, retries=0).version("photo.jpg")
        assert sent < 20_000_000

    def test_a_larger_body_than_was_asked_for_is_not_read(self, open_source: OpenSource, between: Between) -> None:
        between.spoil = lambda handler, _: handler.reply(200, b"x" * 10_000_000, {"ETag": '"x"'})
        error = refusal(open_source(endpoint=between.url, retries=0))
        assert "another part" in str(error)

    def test_a_bomb_of_entities(self, open_source: OpenSource, between: Between) -> None:
        levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
        bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{levels}]><Error><Code>&e9;</Code></Error>'
        between.spoil = lambda handler, _: handler.reply(403, bomb.encode())
        started = time.monotonic()
        assert isinstance(refusal(open_source(endpoint=between.url, retries=0)), SourceError)
        assert time.monotonic() - started < 3

    def test_whatever_is_answered_is_an_image_or_an_error(
        self, open_source: OpenSource, open_cache: OpenCache, between: Between, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("iiifkit_s3.cache.REST", 0)
        source = open_source(endpoint=between.url, retries=0)
        cache = open_cache(endpoint=between.url, retries=0)

        @settings(max_examples=80, deadline=None, database=None)
        @given(STATUSES, HEADERS, BODIES)
        def check(status: int, headers: dict[str, str], body: bytes) -> None:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
            answer = b"HTTP/1.1 %d x\r\n%sContent-Length: %d\r\n\r\n%s" % (status, lines, len(body), body)
            between.spoil = lambda handler, _: handler.write(answer)
            between.requests.clear()
            for use in (
                lambda: source.open("photo.jpg").close(),
                lambda: list(source.identifiers()),
                lambda: cache.get("a", "t"),
                lambda: cache.put("a", b"x", "t", "image/jpeg"),
                lambda: cache.delete("a"),
            ):
                try:
                    use()
                except IIIFKitError as error:
                    assert len(str(error)) < 300

        check()
