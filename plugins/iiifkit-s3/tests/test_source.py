"""Reading images: what is asked for, how often, and what happens when an image changes."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from between import Between, Handler, Request
from iiifkit import BytesBlob, Environment, ImageNotFound, ImageOverLimit, SourceChanged, SourceError
from putting import client, emptied, head, put, relisted

from iiifkit_s3.options import BucketOptions
from iiifkit_s3.source import FIRST, REMEMBERED, S3Source

Open = Callable[..., S3Source]
MEGABYTE = 1024 * 1024
ODD = [
    *(
        "a+b",
        "a b",
        "a%20b",
        "a%2Fb",
        "100%",
        "a?versionId=3",
        "a#b",
        "a&amp;b",
        "<x>",
        "'\"q",
        "a=b;c,d:e@f$g!(h)*~",
        "é",
    ),
    *("e\u0301", "\u2028", "\ufeffx", "x\ufffe", "\U0001f600/日本.tif", " x ", "a|b", "con", "a/b.c/d"),
]
PATTERN = b"".join(number.to_bytes(4, "big") for number in range(3 * MEGABYTE))


class TestRequests:
    def test_a_small_image_comes_whole_in_one_get(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        put(there, "small.jpg", PATTERN[:FIRST])
        with open_source(endpoint=between.url).open("small.jpg") as blob:
            assert isinstance(blob, BytesBlob)
            assert blob.read_all() == PATTERN[:FIRST]
        assert between.told == [f"GET small.jpg bytes=0-{FIRST - 1}"]

    def test_a_version_is_one_get_of_one_byte(self, open_source: Open, between: Between, there: BucketOptions) -> None:
        put(there, "small.jpg", PATTERN[:1000])
        source = open_source(endpoint=between.url)
        assert source.version("small.jpg") == head(there, "small.jpg")["ETag"].strip('"')
        assert between.told == ["GET small.jpg bytes=0-0"]

    def test_a_large_image_is_read_in_parts(self, open_source: Open, between: Between, there: BucketOptions) -> None:
        put(there, "large.tif", PATTERN)
        with open_source(endpoint=between.url).open("large.tif") as blob:
            assert (blob.size, blob.remote) == (len(PATTERN), True)
            assert between.told == [f"GET large.tif bytes=0-{FIRST - 1}"]
            assert blob.read(100, 1000) == PATTERN[100:1100]
            assert between.told == []
            assert blob.read(5 * MEGABYTE + 7, 20_000) == PATTERN[5 * MEGABYTE + 7 :][:20_000]
            assert blob.read(5 * MEGABYTE + 9, 10_000) == PATTERN[5 * MEGABYTE + 9 :][:10_000]
            assert len(between.told) == 1
            assert blob.read_all() == PATTERN
            assert between.told == ["GET large.tif bytes=524288-8912895", "GET large.tif bytes=8912896-12582911"]

    def test_every_part_names_the_version(self, open_source: Open, between: Between, there: BucketOptions) -> None:
        put(there, "large.tif", PATTERN)
        with open_source(endpoint=between.url).open("large.tif") as blob:
            blob.read_all()
        etag = head(there, "large.tif")["ETag"]
        assert [request.headers.get("if-match") for request in between.requests] == [None, etag, etag]

    def test_a_large_image_that_is_opened_again_is_not_read_again(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        put(there, "large.tif", PATTERN)
        source = open_source(endpoint=between.url)
        with source.open("large.tif") as blob:
            blob.read(5 * MEGABYTE, 10)
        assert len(between.told) == 2
        with source.open("large.tif") as blob:
            assert blob.read(5 * MEGABYTE, 10) == PATTERN[5 * MEGABYTE :][:10]
        assert between.told == ["GET large.tif bytes=0-0"]
        put(there, "large.tif", PATTERN[::-1])
        with source.open("large.tif") as blob:
            assert blob.read(5 * MEGABYTE, 10) == PATTERN[::-1][5 * MEGABYTE :][:10]
            assert blob.version == head(there, "large.tif")["ETag"].strip('"')

    def test_what_several_threads_want_is_asked_for_once(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        def is_slow(handler: Handler, request: Request) -> bool:
            time.sleep(0.1)
            return False

        put(there, "large.tif", PATTERN)
        with open_source(endpoint=between.url).open("large.tif") as blob, ThreadPoolExecutor(6) as threads:
            between.spoil = is_slow
            between.requests.clear()
            read = list(threads.map(lambda _: blob.read(5 * MEGABYTE, 10), range(6)))
            assert read == [PATTERN[5 * MEGABYTE :][:10]] * 6
            assert len(between.requests) == 1

    def test_only_few_large_images_are_remembered(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        for number in range(REMEMBERED + 1):
            put(there, f"{number}.tif", PATTERN)
        source = open_source(endpoint=between.url)
        for number in (*range(REMEMBERED), 0, REMEMBERED):
            source.open(f"{number}.tif").close()
        between.requests.clear()
        source.open("0.tif").close()
        source.open("1.tif").close()
        assert between.told == ["GET 0.tif bytes=0-0", f"GET 1.tif bytes=0-{FIRST - 1}"]

    def test_an_image_without_bytes(self, open_source: Open, there: BucketOptions) -> None:
        put(there, "empty.jpg", b"")
        source = open_source()
        with source.open("empty.jpg") as blob:
            assert (blob.size, blob.read_all()) == (0, b"")
            assert blob.version == source.version("empty.jpg")

    def test_an_image_without_bytes_where_that_is_out_of_range(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        put(there, "empty.jpg", b"")
        between.spoil = lambda handler, request: bool(request.range) and handler.refuse(416, "InvalidRange")
        with open_source(endpoint=between.url).open("empty.jpg") as blob:
            assert (blob.size, blob.read_all()) == (0, b"")

    def test_the_largest_image(self, open_source: Open, between: Between, there: BucketOptions) -> None:
        put(there, "large.tif", PATTERN)
        source = open_source(Environment("source", max_source_bytes=len(PATTERN) - 1), endpoint=between.url)
        with pytest.raises(ImageOverLimit, match="up to 12582911 bytes"):
            source.open("large.tif")
        assert len(between.told) == 1
        open_source(Environment("source", max_source_bytes=len(PATTERN))).open("large.tif").close()


class TestChanges:
    def test_a_new_version_is_told(self, open_source: Open, there: BucketOptions) -> None:
        source = open_source()
        put(there, "photo.jpg", b"one")
        before = source.version("photo.jpg")
        put(there, "photo.jpg", b"two")
        assert source.version("photo.jpg") != before

    @pytest.mark.parametrize("other", [PATTERN[::-1], PATTERN[: 2 * MEGABYTE], b"x", b"", None])
    def test_a_part_of_another_version_is_never_given(
        self, open_source: Open, there: BucketOptions, other: bytes | None
    ) -> None:
        put(there, "large.tif", PATTERN)
        with open_source().open("large.tif") as blob:
            if other is None:
                emptied(there)
            else:
                put(there, "large.tif", other)
            with pytest.raises(SourceChanged, match="ask again"):
                blob.read(3 * MEGABYTE, 10)

    def test_not_even_if_the_server_ignores_conditions(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        put(there, "large.tif", PATTERN)
        with open_source(endpoint=between.url).open("large.tif") as blob:
            between.change = lambda request, headers, body: (headers | {"Etag": '"another"'}, body)
            with pytest.raises(SourceChanged):
                blob.read(3 * MEGABYTE, 10)

    def test_a_weak_etag_is_compared_here(self, open_source: Open, between: Between, there: BucketOptions) -> None:
        """Proxies make them, and servers hold no condition with one true."""

        def weak(_: Request, headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
            return {name: f"W/{value}" if name.lower() == "etag" else value for name, value in headers.items()}, body

        between.change = weak
        put(there, "large.tif", PATTERN)
        with open_source(endpoint=between.url).open("large.tif") as blob:
            assert blob.read(3 * MEGABYTE, 10) == PATTERN[3 * MEGABYTE :][:10]
            put(there, "large.tif", PATTERN[::-1])
            with pytest.raises(SourceChanged):
                blob.read(5 * MEGABYTE, 10)

    @pytest.mark.parametrize(
        "told", ["bytes 0-131071/12582912", "bytes 3145728-3276799/12582913", "bytes 3145728-3276798/12582912", "x", ""]
    )
    def test_another_part_is_refused(
        self, open_source: Open, between: Between, there: BucketOptions, told: str
    ) -> None:
        put(there, "large.tif", PATTERN)
        with open_source(endpoint=between.url).open("large.tif") as blob:
            between.change = lambda request, headers, body: (headers | {"Content-Range": told}, body)
            with pytest.raises(SourceError, match="another part"):
                blob.read(3 * MEGABYTE, 10)


class TestIdentifiers:
    def test_all_below_the_prefix_and_nothing_else(self, open_source: Open, there: BucketOptions) -> None:
        for name in ("b.jpg", "a/1.jpg", "Zürich & more.jpg", ".hidden/x.jpg"):
            put(there, name, b"x")
        put(BucketOptions(path=there.path, prefix=there.prefix + "x", endpoint=there.endpoint), "other.jpg", b"x")
        assert sorted(open_source().identifiers()) == ["Zürich & more.jpg", "a/1.jpg", "b.jpg"]

    def test_names_that_mean_something_elsewhere(self, open_source: Open, there: BucketOptions) -> None:
        source = open_source()
        for name in ODD:
            put(there, name, name.encode())
            with source.open(name) as blob:
                assert blob.read_all() == name.encode()
        assert sorted(source.identifiers()) == sorted(ODD)

    def test_what_is_listed_from_elsewhere_is_no_image(
        self, open_source: Open, between: Between, there: BucketOptions
    ) -> None:
        put(there, "b.jpg", b"x")
        put(there, "c.jpg", b"x")
        between.change = relisted(f"{there.prefix}/c.jpg", "elsewhere/c.jpg")
        assert list(open_source(endpoint=between.url).identifiers()) == ["b.jpg"]

    def test_the_whole_bucket(self, open_source: Open, there: BucketOptions) -> None:
        put(there, "b.jpg", b"x")
        source = open_source(prefix="")
        assert f"{there.prefix}/b.jpg" in list(source.identifiers())
        source.open(f"{there.prefix}/b.jpg").close()

    @pytest.mark.parametrize("prefix", ["/{}/", "{}/", "/{}"])
    def test_slashes_around_the_prefix_do_not_matter(
        self, open_source: Open, there: BucketOptions, prefix: str
    ) -> None:
        put(there, "b.jpg", b"x")
        assert list(open_source(prefix=prefix.format(there.prefix)).identifiers()) == ["b.jpg"]

    def test_an_identifier_does_not_leave_the_prefix(self, open_source: Open, there: BucketOptions) -> None:
        put(there, "secret.jpg", b"secret")
        source = open_source(prefix=there.prefix + "/public")
        for identifier in ("../secret.jpg", "/secret.jpg", f"/{there.prefix}/secret.jpg", "x/../../secret.jpg"):
            with pytest.raises(ImageNotFound):
                source.open(identifier)

    def test_a_folder_marker_is_no_image(self, open_source: Open, there: BucketOptions) -> None:
        client(there.endpoint).put_object(Bucket=there.path, Key=f"{there.prefix}/folder/", Body=b"")
        put(there, "folder/b.jpg", b"x")
        assert list(open_source().identifiers()) == ["folder/b.jpg"]

    def test_a_listing_that_goes_in_circles_ends(self, open_source: Open, between: Between) -> None:
        page = (
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
            "</ListBucketResult>"
        )
        between.spoil = lambda handler, _: handler.reply(200, page.encode())
        with pytest.raises(SourceError, match="again and again"):
            list(open_source(endpoint=between.url).identifiers())
        assert len(between.requests) == 2
