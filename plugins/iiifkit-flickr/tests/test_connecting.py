"""Whom the source connects to, and that it ends in time."""

import contextlib
import socket
import sys
import time
from dataclasses import replace

import pytest
from asking import DATA, PHOTO, Open, got, refusal
from flickr import KEY, Flickr, Handler
from iiifkit import SourceTimeout

from iiifkit_flickr.source import FlickrOptions, FlickrSource


@pytest.fixture(autouse=True)
def a_photo(flickr: Flickr) -> None:
    flickr.photos[PHOTO] = DATA


def test_proxies_of_the_environment_are_not_used(open_source: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert got(open_source()) == DATA


def test_an_authority_that_is_not_known(flickr: Flickr) -> None:
    source = FlickrSource(KEY, FlickrOptions(), place=replace(flickr.place, authorities=None))
    error = refusal(source)
    assert str(error) == "Flickr cannot be understood or trusted."
    source.close()


def test_nobody_listens(flickr: Flickr) -> None:
    source = FlickrSource(KEY, FlickrOptions(), place=replace(flickr.place, api="https://127.0.0.1:1/"))
    assert str(refusal(source)) == "Flickr cannot be reached."
    source.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_the_deadline_is_kept_whatever_number_of_addresses_do_not_answer(
    flickr: Flickr, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as deaf, contextlib.ExitStack() as fillers:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", deaf.getsockname())] * 6
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        source = FlickrSource(KEY, FlickrOptions(timeout=0.5), place=replace(flickr.place, api="https://deaf.test/"))
        started = time.monotonic()
        with pytest.raises(SourceTimeout, match="in time"):
            source.version(PHOTO)
        assert 0.4 < time.monotonic() - started < 2.5
        source.close()


def test_the_next_address_is_tried(flickr: Flickr, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(flickr.host.rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number)) for number in (1, port)]
    asked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: [asked.append(host), *found][1:])
    place = replace(flickr.place, api=f"https://localhost:{port}/services/rest/")
    source = FlickrSource(KEY, FlickrOptions(), place=place)
    assert got(source) == DATA
    assert asked == ["localhost", "127.0.0.1"]
    source.close()


@pytest.mark.parametrize("how", ["hang", "headers", "body"])
def test_the_deadline_is_kept(open_source: Open, flickr: Flickr, how: str) -> None:
    def spoil(handler: Handler) -> bool:
        if how == "hang":
            return handler.hang()
        if how == "headers":
            return handler.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        return handler.drip(b"x" * 1000)

    flickr.spoil = spoil
    source = open_source(timeout=0.5)
    started = time.monotonic()
    with pytest.raises(SourceTimeout, match="in time"):
        source.version(PHOTO)
    assert time.monotonic() - started < 3
