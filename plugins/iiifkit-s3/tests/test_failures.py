"""Wrong names, wrong secrets and busy servers: what is said, and what never is."""

import logging
import socket
import threading
import time
from collections.abc import Callable

import pytest
from between import Between, Handler, Request
from iiifkit import CacheError, IIIFKitError, ImageNotFound, Overloaded, SourceError, SourceTimeout
from putting import put
from refusing import hangs, refusal
from seaweed import CERTIFICATE, SECRET, Seaweed

from iiifkit_s3.cache import S3Cache
from iiifkit_s3.options import BucketOptions
from iiifkit_s3.source import S3Source

OpenSource = Callable[..., S3Source]
OpenCache = Callable[..., S3Cache]
Spoil = Callable[[Handler, Request], bool]


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

    def test_a_proxy_of_the_environment(
        self, open_source: OpenSource, between: Between, there: BucketOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def spoil(handler: Handler, request: Request) -> bool:
            assert request.path.startswith(there.endpoint)
            assert request.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
            request.path = request.path.removeprefix(there.endpoint)
            return False

        put(there, "photo.jpg", b"picture")
        between.spoil = spoil
        monkeypatch.setenv("http_proxy", between.url.replace("//", "//user:p%40ss@"))
        with open_source().open("photo.jpg") as blob:
            assert blob.read_all() == b"picture"
        assert len(between.requests) == 1
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        open_source().open("photo.jpg").close()
        assert len(between.requests) == 1


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
        assert time.monotonic() - started < 3
        assert sum(isinstance(error, SourceTimeout) for error in errors) >= 3
        assert len(errors) == 4


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
