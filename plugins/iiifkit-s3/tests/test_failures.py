"""Wrong names, wrong secrets, and servers that are slow, broken or hostile: what is said, and when."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from between import Between, Handler, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from iiifkit import CacheError, IIIFKitError, ImageNotFound, Overloaded, SourceError, SourceTimeout
from putting import put
from seaweed import CERTIFICATE, SECRET, Seaweed

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


@pytest.fixture
def there(place: dict[str, Any]) -> BucketOptions:
    return BucketOptions(**place)


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    yield
    left = [thread for thread in threading.enumerate() if "iiifkit" in thread.name]
    assert left == []


def refusal(source: S3Source, identifier: str = "photo.jpg") -> IIIFKitError:
    """The error of both methods, which must be of one kind."""
    errors = []
    for method in (source.version, source.open):
        with pytest.raises(IIIFKitError) as caught:
            method(identifier)
        errors.append(caught.value)
    assert {type(error) for error in errors} == {type(errors[0])}
    return errors[0]


class TestWrongPlaces:
    def test_no_such_image(self, open_source: OpenSource) -> None:
        error = refusal(open_source(), "missing.jpg")
        assert type(error) is ImageNotFound
        assert str(error) == "There is no image 'missing.jpg'."

    def test_no_such_bucket(self, open_source: OpenSource, open_cache: OpenCache) -> None:
        error = refusal(open_source(path="another-bucket"))
        assert type(error) is SourceError
        assert "no bucket of the name" in str(error)
        with pytest.raises(CacheError, match="no bucket of the name"):
            open_cache(path="another-bucket").get("a", "t")
        with pytest.raises(CacheError, match="no bucket of the name"):
            open_cache(path="another-bucket").put("a", b"x", "t", "image/jpeg")

    @pytest.mark.parametrize(
        ("name", "code"), [("ACCESS_KEY_ID", "InvalidAccessKeyId"), ("SECRET_ACCESS_KEY", "Signature")]
    )
    def test_wrong_credentials(
        self, open_source: OpenSource, monkeypatch: pytest.MonkeyPatch, name: str, code: str
    ) -> None:
        monkeypatch.setenv(f"AWS_{name}", "wrongandsecret")
        error = refusal(open_source())
        assert type(error) is SourceError
        assert f"does not accept the credentials ({code}" in str(error)
        assert "wrongandsecret" not in repr(error)

    def test_no_credentials_for_a_bucket_that_is_not_public(self, open_source: OpenSource) -> None:
        error = refusal(open_source(credentials="anon:"))
        assert type(error) is SourceError
        assert "s3:GetObject" in str(error)

    def test_nobody_listens(self, open_source: OpenSource) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            source = open_source(endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}", retries=1)
            error = refusal(source)
        assert type(error) is SourceError
        assert "cannot be reached" in str(error)

    def test_no_such_host(self, open_source: OpenSource) -> None:
        error = refusal(open_source(endpoint="http://nowhere.invalid", retries=0))
        assert type(error) is SourceError

    @pytest.mark.parametrize(
        ("status", "code", "said"),
        [
            (400, "AuthorizationHeaderMalformed", "another region"),
            (301, "PermanentRedirect", "another region"),
            (307, "TemporaryRedirect", "another region"),
            (403, "RequestTimeTooSkewed", "clock"),
            (403, "InvalidObjectState", "archived"),
            (400, "ExpiredToken", "does not accept the credentials (ExpiredToken)"),
            (403, "AllAccessDisabled", "denies access (AllAccessDisabled)"),
            (418, "Teapot", "answered Teapot."),
            (418, "&lt;b>/etc/passwd", "answered 418."),
            (418, "<b>nested</b>", "cannot be understood"),
        ],
    )
    def test_what_aws_says(self, open_source: OpenSource, between: Between, status: int, code: str, said: str) -> None:
        between.spoil = lambda handler, _: handler.refuse(status, code)
        error = refusal(open_source(endpoint=between.url))
        assert type(error) is SourceError
        assert said in str(error)

    def test_another_region_is_found_where_the_server_tells(
        self, open_source: OpenSource, between: Between, there: BucketOptions
    ) -> None:
        """As AWS does: the bucket is asked again, with the other region in the signature."""

        def spoil(handler: Handler, request: Request) -> bool:
            if "/eu-central-1/s3/" in request.headers["authorization"]:
                return False
            return handler.refuse(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>")

        put(there, "photo.jpg", b"picture")
        between.spoil = spoil
        with open_source(endpoint=between.url, region="us-west-2").open("photo.jpg") as blob:
            assert blob.read_all() == b"picture"

    def test_a_certificate_that_is_not_trusted(
        self, open_source: OpenSource, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, there: BucketOptions
    ) -> None:
        put(there, "photo.jpg", b"picture")
        error = refusal(open_source(endpoint=seaweed.secure_url))
        assert "certificate" in str(error)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
        open_source(endpoint=seaweed.secure_url).open("photo.jpg").close()


class TestBusyServers:
    @pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, "TooManyRequests"), (503, "")])
    def test_too_much_to_do(
        self, open_source: OpenSource, open_cache: OpenCache, between: Between, status: int, code: str
    ) -> None:
        between.spoil = lambda handler, _: handler.refuse(status, code)
        with pytest.raises(Overloaded) as caught:
            open_source(endpoint=between.url, retries=1).open("photo.jpg")
        assert caught.value.retry_after == 5
        assert len(between.requests) == 2
        with pytest.raises(CacheError, match="too much to do"):
            open_cache(endpoint=between.url, retries=0).get("a", "t")

    @pytest.mark.parametrize("retries", [0, 1, 2])
    def test_attempts_are_counted(self, open_source: OpenSource, between: Between, retries: int) -> None:
        between.spoil = lambda handler, _: handler.refuse(500, "InternalError")
        with pytest.raises(SourceError, match="failed with InternalError"):
            open_source(endpoint=between.url, retries=retries).version("photo.jpg")
        assert len(between.requests) == retries + 1

    @pytest.mark.parametrize("how", ["error", "nothing", "half"])
    def test_a_passing_fault_is_not_noticed(
        self, open_source: OpenSource, between: Between, there: BucketOptions, how: str
    ) -> None:
        put(there, "photo.jpg", b"picture" * 1000)

        def spoil(handler: Handler, request: Request) -> bool:
            if len(between.requests) > 2:
                return False
            if how == "error":
                return handler.refuse(503, "SlowDown")
            if how == "nothing":
                return handler.write(b"")
            status, headers, body = handler.ask(request)
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            return handler.write(f"HTTP/1.1 {status} OK\r\n{head}\r\n".encode() + body[:3000])

        between.spoil = spoil
        with open_source(endpoint=between.url).open("photo.jpg") as blob:
            assert blob.read_all() == b"picture" * 1000
        assert len(between.requests) == 3

    def test_only_so_many_requests_at_once(self, open_source: OpenSource, between: Between) -> None:
        """The fourth gets no turn within its time; nobody waits longer than that."""
        between.spoil = lambda handler, _: handler.hang()
        source = open_source(endpoint=between.url, concurrency=3, timeout=0.5)
        errors: list[Exception] = []

        def ask() -> None:
            try:
                source.version("photo.jpg")
            except IIIFKitError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 1.5
        assert sum(isinstance(error, SourceTimeout) for error in errors) >= 3
        assert len(errors) == 4


def hangs(handler: Handler, request: Request) -> bool:
    return handler.hang()


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
        assert 0.3 < time.monotonic() - started < 1.2

    def test_attempts_and_pauses_count(self, open_source: OpenSource, between: Between) -> None:
        between.spoil = lambda handler, _: handler.refuse(500, "InternalError")
        started = time.monotonic()
        with pytest.raises(SourceError):
            open_source(endpoint=between.url, timeout=0.8, retries=10).version("photo.jpg")
        assert time.monotonic() - started < 1.2

    def test_a_server_that_does_not_take_what_is_sent(self, open_cache: OpenCache) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            cache = open_cache(endpoint=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.4)
            started = time.monotonic()
            with pytest.raises(CacheError, match="in time"):
                cache.put("a", b"x" * 8_000_000, "t", "image/tiff")
            assert time.monotonic() - started < 1.2

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
            assert time.monotonic() - started < 1.2


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
        with pytest.raises(SourceError):
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
        assert time.monotonic() - started < 2

    def test_whatever_is_answered_is_an_image_or_an_error(
        self, open_source: OpenSource, open_cache: OpenCache, between: Between
    ) -> None:
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


def test_no_secret_in_any_log_or_error(
    open_source: OpenSource,
    between: Between,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    there: BucketOptions,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token")
    source = open_source(endpoint=between.url, retries=0)
    seen = [repr(source), repr(vars(source))]
    for spoil in (lambda *_: False, lambda handler, _: handler.refuse(403, "AccessDenied"), hangs):
        between.spoil = spoil
        try:
            open_source(endpoint=between.url, retries=0, timeout=0.3).open("photo.jpg").close()
        except IIIFKitError as error:
            while error is not None:
                seen.append(repr(error))
                error = error.__cause__  # type: ignore[assignment]
    assert between.requests[0].headers["x-amz-security-token"] == "a-session-token"
    for text in (caplog.text, *seen):
        assert SECRET not in text
        assert "a-session-token" not in text
        assert "Signature=" not in text
