"""One builder a key among processes: who gets a lease, who waits, and what happens when a holder dies."""

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest
from between import Between, Handler, Request
from iiifkit import CacheError
from putting import client, full_key, names, put

from iiifkit_s3.cache import S3Cache
from iiifkit_s3.options import BucketOptions

Open = Callable[..., S3Cache]


def test_two_caches_as_two_processes_have_them(open_cache: Open, there: BucketOptions) -> None:
    one, other = open_cache(), open_cache()
    with one.lock("photo.jpg", 0) as mine:
        assert mine
        assert len(names(there)) == 1
        with other.lock("photo.jpg", 0.1) as theirs:
            assert not theirs
        with other.lock("other.jpg", 0) as theirs:
            assert theirs
    assert names(there) == []
    with other.lock("photo.jpg", 0) as theirs:
        assert theirs


def test_many_at_once_enter_one_after_the_other(open_cache: Open) -> None:
    caches = [open_cache() for _ in range(4)]
    inside = 0
    most: list[int] = []

    def build(cache: S3Cache) -> None:
        nonlocal inside
        with cache.lock("photo.jpg", 30) as mine:
            assert mine
            inside += 1
            most.append(inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=build, args=(cache,)) for cache in caches for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_process_that_died_holds_it_for_the_time_of_the_lease(open_cache: Open, there: BucketOptions) -> None:
    code = f"""
        import os
        from iiifkit import Environment
        from iiifkit_s3.cache import CacheOptions, build
        options = CacheOptions(path={there.path!r}, prefix={there.prefix!r}, endpoint={there.endpoint!r}, lease=1)
        with build(options, Environment("images")).lock("photo.jpg", 0) as mine:
            assert mine
            os._exit(7)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 7
    cache = open_cache(lease=600)
    with cache.lock("photo.jpg", 0) as mine:
        assert not mine
    started = time.monotonic()
    with cache.lock("photo.jpg", 10) as mine:
        assert mine
        assert time.monotonic() - started < 6
    assert names(there) == []


def test_a_holder_that_lives_keeps_it(open_cache: Open) -> None:
    with open_cache(lease=1).lock("photo.jpg", 0) as mine:
        assert mine
        with open_cache().lock("photo.jpg", 3.5) as theirs:
            assert not theirs


def test_no_thread_is_left_behind(open_cache: Open) -> None:
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), open_cache().lock("photo.jpg", 0):
        assert set(threading.enumerate()) - before
        raise ZeroDivisionError
    assert set(threading.enumerate()) == before


def test_a_lease_that_was_lost_is_not_given_back(
    open_cache: Open, there: BucketOptions, caplog: pytest.LogCaptureFixture
) -> None:
    with open_cache(lease=1).lock("photo.jpg", 0) as mine:
        assert mine
        (name,) = names(there)
        put(there, name, b"somebodyelse 1 600")
        until = time.monotonic() + 5
        while "was lost" not in caplog.text and time.monotonic() < until:
            time.sleep(0.05)
        assert "another process may build the same image" in caplog.text
    assert client(there.endpoint).get_object(Bucket=there.path, Key=full_key(there, name))["Body"].read()[:4] == b"some"


@pytest.mark.parametrize("content", [b"", b"x", b"a b c", b"a 1 nan", b"\xff" * 5000, b"a 1 -5"])
def test_what_is_no_lease_expires_too(open_cache: Open, between: Between, there: BucketOptions, content: bytes) -> None:
    cache = open_cache(endpoint=between.url, lease=30)
    with cache.lock("photo.jpg", 0):
        (name,) = names(there)
    put(there, name, content)
    between.change = lambda request, headers, body: (headers | {"Date": "Fri, 01 Jan 2100 00:00:00 GMT"}, body)
    with cache.lock("photo.jpg", 1) as mine:
        assert mine


def test_an_answer_that_was_lost_on_its_way(open_cache: Open, between: Between) -> None:
    """The put is sent again, and the lease that it then finds is its own."""
    spoiled: list[Request] = []

    def spoil(handler: Handler, request: Request) -> bool:
        if request.method != "PUT" or spoiled:
            return False
        spoiled.append(request)
        handler.ask(request)
        return handler.write(b"")

    between.spoil = spoil
    with open_cache(endpoint=between.url).lock("photo.jpg", 0) as mine:
        assert mine
        assert spoiled


def test_a_lease_that_could_not_be_given_back_holds_up_nobody_in_this_process(
    open_cache: Open, between: Between, caplog: pytest.LogCaptureFixture
) -> None:
    cache = open_cache(endpoint=between.url, retries=0)
    with cache.lock("photo.jpg", 0) as mine:
        assert mine
        between.spoil = lambda handler, request: request.method == "DELETE" and handler.refuse(500, "InternalError")
    between.spoil = lambda *_: False
    assert "could not be given back" in caplog.text
    with cache.lock("photo.jpg", 0) as mine:
        assert mine
        with open_cache().lock("photo.jpg", 0) as theirs:
            assert not theirs


def test_a_cache_that_is_left_alone_keeps_its_leases(open_cache: Open, between: Between, there: BucketOptions) -> None:
    def spoil(handler: Handler, request: Request) -> bool:
        return request.method == "GET" and "leases" not in request.path and handler.refuse(500, "InternalError")

    between.spoil = spoil
    cache = open_cache(endpoint=between.url, retries=0, lease=1)
    with cache.lock("photo.jpg", 0) as mine:
        assert mine
        with pytest.raises(CacheError, match="failed"):
            cache.get("photo.jpg", "tag")
        with pytest.raises(CacheError, match="left alone"):
            cache.get("photo.jpg", "tag")
        with open_cache().lock("photo.jpg", 2) as theirs:
            assert not theirs
    assert names(there) == []


def test_servers_without_conditional_puts_tell_threads_apart(
    open_cache: Open, between: Between, caplog: pytest.LogCaptureFixture
) -> None:
    between.spoil = lambda handler, request: (
        "if-none-match" in request.headers and handler.refuse(501, "NotImplemented")
    )
    cache = open_cache(endpoint=between.url)
    with cache.lock("photo.jpg", 0) as mine:
        assert mine
        answers: list[bool] = []

        def ask() -> None:
            with cache.lock("photo.jpg", 0.1) as theirs:
                answers.append(theirs)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert answers == [False]
    with cache.lock("photo.jpg", 0) as mine:
        assert mine
    assert caplog.text.count("no conditional puts") == 1


def test_a_server_that_wants_etags_without_quotes(open_cache: Open, between: Between, there: BucketOptions) -> None:
    between.spoil = lambda handler, request: (
        request.headers.get("if-match", "").startswith('"') and handler.refuse(412, "PreconditionFailed")
    )
    cache = open_cache(endpoint=between.url)
    with cache.lock("photo.jpg", 0):
        (name,) = names(there)
    put(there, name, b"dead 1 1")
    with cache.lock("photo.jpg", 5) as mine:
        assert mine


def test_a_server_that_cannot_be_asked(open_cache: Open, between: Between) -> None:
    between.spoil = lambda handler, request: handler.refuse(403, "AccessDenied")
    with pytest.raises(CacheError, match="denies access"), open_cache(endpoint=between.url).lock("photo.jpg", 0):
        pass
