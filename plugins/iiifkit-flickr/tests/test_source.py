"""Which size is taken, how often Flickr is asked, and what is said when it does not answer as it should."""

import logging
import threading
import time
from typing import Any

import pytest
from asking import DATA, PHOTO, Open, got, refusal
from flickr import KEY, LARGE, MEDIUM, Flickr, Handler
from hypothesis import given, settings
from hypothesis import strategies as st
from iiifkit import (
    IIIFKitError,
    ImageNotFound,
    Overloaded,
    SourceError,
)

from iiifkit_flickr.source import FLICKR, FlickrBlock


@pytest.fixture(autouse=True)
def a_photo(flickr: Flickr) -> None:
    flickr.photos[PHOTO] = DATA


class TestSizes:
    @pytest.mark.parametrize("number", range(4))
    def test_the_best_that_is_there_is_taken(self, open_source: Open, flickr: Flickr, number: int) -> None:
        flickr.labels = (*MEDIUM, *LARGE[: number + 1])
        assert got(open_source()) == DATA
        assert flickr.told == [f"sizes {PHOTO}", flickr.path(PHOTO, LARGE[number])]

    @pytest.mark.parametrize("labels", [(), MEDIUM])
    def test_none_is_good_enough(self, open_source: Open, flickr: Flickr, labels: tuple[str, ...]) -> None:
        flickr.labels = labels
        error = refusal(open_source())
        assert type(error) is SourceError
        assert str(error) == f"Flickr offers the photo {PHOTO} in no size of Original, Large 2048, Large 1600, Large."

    def test_a_film_is_no_photo(self, open_source: Open, flickr: Flickr) -> None:
        document = flickr.sizes(PHOTO)
        for size in document["sizes"]["size"]:
            size["media"] = "video"
        flickr.spoil = lambda handler: handler.json(document)
        assert "in no size" in str(refusal(open_source()))

    def test_addresses_without_tls_are_asked_with_it(self, open_source: Open, flickr: Flickr) -> None:
        document = flickr.sizes(PHOTO)
        for size in document["sizes"]["size"]:
            size["source"] = size["source"].replace("https:", "http:")
        flickr.spoil = lambda handler: handler.command == "POST" and handler.json(document)
        assert got(open_source()) == DATA

    @pytest.mark.parametrize(
        "source",
        [
            "https://evil.example/x.jpg",
            "https://HOST.evil.example/x.jpg",
            "https://evil.example/HOST/x.jpg",
            "https://HOST@evil.example/x.jpg",
            "https://user@HOST/x.jpg",
            "https://evil.example\\@HOST/x.jpg",
            "https://evil.example#.HOST/x.jpg",
            "https://127.0.0.1:1/x.jpg",
            "ftp://HOST/x.jpg",
            "file:///etc/passwd",
            "//HOST/x.jpg",
            "https://HOST/x y.jpg",
            "https://HOST/x\n.jpg",
            "https://[::1/x.jpg",
            "https://ex\u00e4mple.HOST/x.jpg",
            "https://HOST",
            "",
        ],
    )
    def test_photos_elsewhere_are_not_fetched(self, open_source: Open, flickr: Flickr, source: str) -> None:
        document = flickr.sizes(PHOTO)
        document["sizes"]["size"][-1]["source"] = source.replace("HOST", flickr.host)
        flickr.spoil = lambda handler: handler.json(document)
        error = refusal(open_source())
        assert type(error) is SourceError
        assert not [asked for asked in flickr.requests if not asked.startswith("sizes")]

    def test_the_real_places(self) -> None:
        assert FLICKR.api == "https://api.flickr.com/services/rest/"
        assert FLICKR.hosts == {"staticflickr.com"}
        assert FLICKR.authorities is None


class TestAsking:
    def test_sizes_are_asked_for_once(self, open_source: Open, flickr: Flickr) -> None:
        source = open_source()
        versions = {source.version(PHOTO) for _ in range(3)}
        with source.open(PHOTO) as blob:
            assert {blob.version} == versions
        assert flickr.told == [f"sizes {PHOTO}", flickr.path(PHOTO, "Original")]

    def test_by_many_threads_too(self, open_source: Open, flickr: Flickr) -> None:
        def spoil(handler: Handler) -> bool:
            time.sleep(0.1)
            return False

        flickr.spoil = spoil
        source = open_source()
        versions: list[str] = []
        threads = [threading.Thread(target=lambda: versions.append(source.version(PHOTO))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(versions) == 20
        assert len(set(versions)) == 1
        assert flickr.told == [f"sizes {PHOTO}"]

    def test_a_failure_is_told_to_all_who_wait_and_not_remembered(self, open_source: Open, flickr: Flickr) -> None:
        def spoil(handler: Handler) -> bool:
            time.sleep(0.1)
            return handler.json({"stat": "fail", "code": 105, "message": "Service currently unavailable"})

        flickr.spoil = spoil
        source = open_source()
        errors: list[IIIFKitError] = []

        def ask() -> None:
            try:
                source.version(PHOTO)
            except IIIFKitError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [type(error) for error in errors] == [Overloaded] * 5
        assert len(flickr.told) == 1
        flickr.spoil = lambda _: False
        assert got(source) == DATA

    def test_after_the_time_they_are_asked_for_again(self, open_source: Open, flickr: Flickr) -> None:
        source = open_source(ttl=1)
        before = source.version(PHOTO)
        flickr.photos[PHOTO] = b"replaced"
        assert source.version(PHOTO) == before
        time.sleep(1.1)
        assert source.version(PHOTO) != before
        assert got(source) == b"replaced"

    def test_a_photo_that_moved_is_looked_up_again(self, open_source: Open, flickr: Flickr) -> None:
        source = open_source()
        before = source.version(PHOTO)
        flickr.photos[PHOTO] = b"replaced"
        with source.open(PHOTO) as blob:
            assert blob.read_all() == b"replaced"
            assert blob.version != before
            assert source.version(PHOTO) == blob.version

    def test_what_is_not_there_is_remembered_too(self, open_source: Open, flickr: Flickr) -> None:
        source = open_source()
        for _ in range(3):
            with pytest.raises(ImageNotFound, match="no public photo 1 on Flickr"):
                source.version("1")
        assert flickr.told == ["sizes 1"]

    def test_only_so_much_is_remembered(self, flickr: Flickr) -> None:
        from iiifkit_flickr.lookups import Lookups

        asked: list[str] = []

        def find(key: str) -> str:
            asked.append(key)
            return key

        lookups = Lookups(find, 60, most=2)
        for key in "abacab":
            assert lookups.get(key) == key
        assert asked == ["a", "b", "c", "b"]

    def test_the_key_is_in_no_address_and_no_log(
        self, open_source: Open, flickr: Flickr, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        source = open_source()
        got(source)
        assert caplog.text
        assert KEY not in caplog.text
        assert KEY not in repr(FlickrBlock(apikey=KEY, apisecret="b"))

    @pytest.mark.parametrize(
        "identifier",
        [
            "",
            "0",
            "01",
            "1" * 21,
            "../x",
            "..",
            "-1",
            "+1",
            "1_000",
            "1.0",
            "١٢٣",
            "1\n",
            " 1",
            "1/2",
            "0x1",
            "1&api_key=2",
            "x" * 9999,
        ],
    )
    def test_what_is_no_number_is_not_asked_for(self, open_source: Open, flickr: Flickr, identifier: str) -> None:
        error = refusal(open_source(), identifier)
        assert type(error) is ImageNotFound
        assert "known by numbers" in str(error)
        assert len(str(error)) < 200
        assert flickr.told == []


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "kind", "said"),
        [
            (1, ImageNotFound, "There is no public photo 7618829486 on Flickr."),
            (2, ImageNotFound, "There is no public photo 7618829486 on Flickr."),
            ("1", ImageNotFound, "There is no public photo"),
            (100, SourceError, "does not accept the API key that the config gives in flickr.apikey"),
            (105, Overloaded, "not available for now"),
            (106, Overloaded, "not available for now"),
            (112, SourceError, "its error 112"),
            (116, SourceError, "its error 116"),
            (-5, SourceError, "its error -5"),
            ("x", SourceError, "cannot be understood"),
            ("\u0661", SourceError, "cannot be understood"),
            ("9" * 4000, SourceError, "cannot be understood"),
            (10**30, SourceError, "cannot be understood"),
        ],
    )
    def test_codes(self, open_source: Open, flickr: Flickr, code: Any, kind: type[IIIFKitError], said: str) -> None:
        flickr.spoil = lambda handler: handler.json({"stat": "fail", "code": code, "message": "<b>whatever</b>"})
        error = refusal(open_source())
        assert type(error) is kind
        assert said in str(error)
        assert "whatever" not in str(error)
        assert len(str(error)) < 200

    def test_a_wrong_key(self, open_source: Open) -> None:
        assert "flickr.apikey" in str(refusal(open_source(key="another")).args[0])

    @pytest.mark.parametrize(
        ("header", "seconds"), [({"Retry-After": "7"}, 7), ({}, 60), ({"Retry-After": "9" * 12}, 3600)]
    )
    def test_too_many_questions(self, open_source: Open, flickr: Flickr, header: dict[str, str], seconds: int) -> None:
        flickr.spoil = lambda handler: handler.reply(429, headers=header)
        error = refusal(open_source())
        assert isinstance(error, Overloaded)
        assert error.retry_after == seconds

    def test_after_too_many_questions_it_is_quiet_for_a_while(self, open_source: Open, flickr: Flickr) -> None:
        flickr.photos["2"] = DATA
        flickr.spoil = lambda handler: handler.reply(429, headers={"Retry-After": "1"})
        source = open_source()
        for photo in (PHOTO, PHOTO, "2"):
            with pytest.raises(Overloaded, match="no more questions"):
                source.version(photo)
        assert flickr.told == [f"sizes {PHOTO}"]
        flickr.spoil = lambda _: False
        time.sleep(1.1)
        assert got(source) == DATA

    def test_flickr_is_down(self, open_source: Open, flickr: Flickr) -> None:
        flickr.spoil = lambda handler: handler.reply(503, headers={"Retry-After": "9"})
        error = refusal(open_source())
        assert isinstance(error, Overloaded)
        assert (str(error), error.retry_after) == ("Flickr is not available for now; try again later.", 9)

    @pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 418, 500, 502])
    def test_statuses_of_the_api(self, open_source: Open, flickr: Flickr, status: int) -> None:
        flickr.spoil = lambda handler: handler.reply(status, headers={"Location": f"https://{flickr.host}/elsewhere"})
        error = refusal(open_source())
        assert type(error) is SourceError
        assert str(error) == f"Flickr's API answered {status}."
        assert set(flickr.requests) == {f"sizes {PHOTO}"}

    @pytest.mark.parametrize("fault", ["error", "nothing"])
    def test_a_passing_fault_is_not_noticed(self, open_source: Open, flickr: Flickr, fault: str) -> None:
        flickr.spoil = lambda handler: (
            flickr.requests.count(handler.asked) < 3
            and (handler.reply(503) if fault == "error" else handler.write(b""))
        )
        assert got(open_source()) == DATA
        assert len(flickr.told) == 6

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"{}",
            b'{"stat": "ok"}',
            b'{"stat": "ok", "sizes": []}',
            b'{"stat": "ok", "sizes": {"size": {}}}',
            b'{"stat": "ok", "sizes": {"size": [{"label": "Original"}]}}',
            b'{"stat": "ok", "sizes": {"size": [{"label": "Original", "source": 5}]}}',
            b'{"stat": "perhaps"}',
            b'jsonFlickrApi({"stat":"ok"})',
            b"<?xml version='1.0'?><rsp stat='ok'/>",
            b'{"stat": "ok", "x": ' + b"[" * 50_000,
            b"\xff\xfe",
        ],
        ids=range(14),
    )
    def test_odd_answers(self, open_source: Open, flickr: Flickr, body: bytes) -> None:
        flickr.spoil = lambda handler: handler.reply(200, body)
        assert type(refusal(open_source())) is SourceError

    def test_an_answer_that_is_compressed_all_the_same(self, open_source: Open, flickr: Flickr) -> None:
        flickr.spoil = lambda handler: handler.reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
        assert "compressed" in str(refusal(open_source()))

    def test_an_answer_without_end(self, open_source: Open, flickr: Flickr) -> None:
        flickr.spoil = lambda handler: handler.reply(200, b" " * 10_000_000)
        assert str(refusal(open_source())) == "Flickr sent an answer that is too long."

    def test_any_answer_is_a_photo_or_an_error(self, open_source: Open, flickr: Flickr) -> None:
        source = open_source()
        json = st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=5)
            | st.sampled_from(["ok", "fail", "Original"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["stat", "sizes", "size", "label", "source", "media", "code"]), inner)
            ),
        )

        @settings(max_examples=80, deadline=None, database=None)
        @given(json, st.sampled_from([200, 200, 200, 201, 204, 302, 400]))
        def check(document: object, status: int) -> None:
            flickr.spoil = lambda handler: handler.json(document, status)
            try:
                source.version(PHOTO)
            except IIIFKitError as error:
                assert len(str(error)) < 300
            else:
                raise AssertionError("a version was made of nonsense")

        check()
