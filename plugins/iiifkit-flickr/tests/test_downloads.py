"""Downloads of photos: what is kept, what breaks off, and what is gone."""

import time
from pathlib import Path

import pytest
from asking import DATA, PHOTO, Open, got
from flickr import KEY, Flickr, Handler
from iiifkit import Environment, ImageNotFound, ImageOverLimit, Overloaded, SourceError, SourceTimeout

from iiifkit_flickr.quiet import MOST, Quiet
from iiifkit_flickr.source import FlickrBlock, FlickrOptions, FlickrSource, build

LARGE_DATA = bytes(range(256)) * 8192


@pytest.fixture(autouse=True)
def a_photo(flickr: Flickr) -> None:
    flickr.photos[PHOTO] = DATA


def chunked(data: bytes) -> bytes:
    """The rest of an answer, its body in one chunk."""
    return b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


class TestDownloads:
    def test_a_large_photo_is_in_a_file_that_goes_with_it(self, open_source: Open, flickr: Flickr) -> None:
        flickr.photos[PHOTO] = LARGE_DATA
        source = open_source()
        with source.open(PHOTO) as blob:
            assert blob.path is not None
            assert blob.path.stat().st_size == len(LARGE_DATA)
            assert blob.read(1_000_000, 5000) == LARGE_DATA[1_000_000:1_005_000]
            assert blob.version == source.version(PHOTO)
        assert not blob.path.exists()

    @pytest.mark.parametrize("data", [DATA, LARGE_DATA])
    def test_a_limit_of_bytes(self, open_source: Open, flickr: Flickr, data: bytes) -> None:
        flickr.photos[PHOTO] = data
        with pytest.raises(ImageOverLimit, match=PHOTO):
            open_source(max_bytes=len(data) - 1).open(PHOTO)
        assert got(open_source(max_bytes=len(data))) == data

    def test_a_limit_of_bytes_that_were_not_announced(self, open_source: Open, flickr: Flickr) -> None:
        flickr.spoil = lambda handler: (
            handler.command == "GET" and handler.write(b"HTTP/1.1 200 OK\r\n" + chunked(LARGE_DATA))
        )
        with pytest.raises(ImageOverLimit):
            open_source(max_bytes=1_500_000).open(PHOTO)

    def test_a_photo_in_chunks(self, open_source: Open, flickr: Flickr) -> None:
        flickr.spoil = lambda handler: (
            handler.command == "GET" and handler.write(b"HTTP/1.1 200 OK\r\n" + chunked(DATA))
        )
        assert got(open_source()) == DATA

    def test_chunks_that_break_off(self, open_source: Open, flickr: Flickr) -> None:
        for cut in (-5, -1000):
            flickr.spoil = lambda handler, cut=cut: (
                handler.command == "GET" and handler.write(b"HTTP/1.1 200 OK\r\n" + chunked(DATA)[:cut])
            )
            with pytest.raises(SourceError, match="broke off"):
                open_source().open(PHOTO)

    def test_a_photo_whose_breaking_off_could_not_be_noticed(self, open_source: Open, flickr: Flickr) -> None:
        flickr.spoil = lambda handler: handler.command == "GET" and handler.write(b"HTTP/1.1 200 OK\r\n\r\n" + DATA)
        with pytest.raises(SourceError, match="did not say how long"):
            open_source().open(PHOTO)

    @pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "TEXT/plain", "application/json", "x"])
    def test_a_page_instead_of_a_photo(self, open_source: Open, flickr: Flickr, media_type: str) -> None:
        flickr.spoil = lambda handler: (
            handler.command == "GET" and handler.reply(200, b"<h1>Sorry</h1>", {"Content-Type": media_type})
        )
        with pytest.raises(SourceError, match="something else instead of the photo"):
            open_source().open(PHOTO)

    @pytest.mark.parametrize("media_type", ["image/png", "Image/JPEG; q=1", "application/octet-stream", ""])
    def test_other_media_types_are_photos(self, open_source: Open, flickr: Flickr, media_type: str) -> None:
        flickr.spoil = lambda handler: (
            handler.command == "GET" and handler.reply(200, DATA, {"Content-Type": media_type} if media_type else {})
        )
        assert got(open_source()) == DATA

    def test_too_many_downloads(self, open_source: Open, flickr: Flickr) -> None:
        """Flickr refuses some photos while it hands out others."""
        flickr.photos["2"] = b"another"
        flickr.spoil = lambda handler: handler.command == "GET" and PHOTO in handler.path and handler.reply(429)
        source = open_source()
        for _ in range(3):
            with pytest.raises(Overloaded, match="does not hand out this photo") as caught:
                source.open(PHOTO)
            assert 59 <= caught.value.retry_after <= 60
        assert len(flickr.told) == 2
        assert got(source, "2") == b"another"

    def test_only_so_many_refusals_are_remembered(self) -> None:
        quiet = Quiet("Not now.")
        for number in range(MOST + 1):
            quiet.begin(60, str(number))
        quiet.keep("0")
        with pytest.raises(Overloaded, match="Not now"):
            quiet.keep("1")

    @pytest.mark.parametrize("data", [DATA, LARGE_DATA])
    @pytest.mark.parametrize("times", [1, 9])
    def test_breaking_off(self, open_source: Open, flickr: Flickr, data: bytes, times: int) -> None:
        flickr.photos[PHOTO] = data
        half = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data[: len(data) // 2]
        flickr.spoil = lambda handler: (
            handler.command == "GET" and flickr.requests.count(handler.asked) <= times and handler.write(half)
        )
        if times == 1:
            assert got(open_source()) == data
        else:
            with pytest.raises(SourceError, match="broke off"):
                open_source().open(PHOTO)
            assert flickr.requests.count(flickr.path(PHOTO, "Original")) == 3

    def test_a_slow_download_ends(self, open_source: Open, flickr: Flickr) -> None:
        def spoil(handler: Handler) -> bool:
            if handler.command == "POST":
                return False
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + LARGE_DATA)
            return handler.drip(b"x" * 1000)

        flickr.spoil = spoil
        source = open_source(download_timeout=0.7)
        started = time.monotonic()
        with pytest.raises(SourceTimeout):
            source.open(PHOTO)
        assert time.monotonic() - started < 3

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_photo_that_is_gone(self, open_source: Open, flickr: Flickr, status: int) -> None:
        flickr.spoil = lambda handler: handler.command == "GET" and handler.reply(status)
        with pytest.raises(ImageNotFound):
            open_source().open(PHOTO)
        assert flickr.told == [f"sizes {PHOTO}", flickr.path(PHOTO, "Original"), f"sizes {PHOTO}"]

    def test_the_picture_of_a_photo_that_is_gone(self, open_source: Open, flickr: Flickr) -> None:
        there = {"Location": f"https://{flickr.host}/pw/images/en-us/photo_unavailable.png"}
        flickr.spoil = lambda handler: handler.command == "GET" and handler.reply(302, headers=there)
        with pytest.raises(ImageNotFound):
            open_source().open(PHOTO)
        assert not [asked for asked in flickr.requests if "unavailable" in asked]

    @pytest.mark.parametrize("where", ["https://evil.example/", "https://HOST/elsewhere.jpg", ""])
    def test_redirects_are_not_followed(self, open_source: Open, flickr: Flickr, where: str) -> None:
        there = {"Location": where.replace("HOST", flickr.host)}
        flickr.spoil = lambda handler: handler.command == "GET" and handler.reply(301, headers=there)
        with pytest.raises(SourceError, match="redirects are not followed"):
            open_source().open(PHOTO)
        assert len(flickr.requests) == 2

    def test_a_photo_without_a_byte(self, open_source: Open, flickr: Flickr) -> None:
        flickr.photos[PHOTO] = b""
        with pytest.raises(SourceError, match="without a byte"):
            open_source().open(PHOTO)

    def test_no_room_for_it(self, flickr: Flickr, tmp_path: Path) -> None:
        flickr.photos[PHOTO] = LARGE_DATA
        source = FlickrSource(KEY, FlickrOptions(), temporary_folder=str(tmp_path / "missing"), place=flickr.place)
        with pytest.raises(SourceError, match="cannot be stored") as caught:
            source.open(PHOTO)
        assert str(tmp_path) not in str(caught.value)
        source.close()


class TestBuilding:
    def test_takes_its_limits_from_the_environment(self) -> None:
        source = build(FlickrOptions(), Environment("source", FlickrBlock(apikey=f" {KEY} ", apisecret="unused")))
        assert source.location is None
        assert list(source.identifiers()) == []
        source.close()
