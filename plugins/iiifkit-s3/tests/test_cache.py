"""Entries as objects: what they look like to others, and which objects are no entries."""

import os
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from between import Between, Handler, Request
from iiifkit import CacheError, SourceChanged
from putting import client, full_key, head, names, put, relisted
from seaweed import READER, READER_SECRET

from iiifkit_s3.cache import S3Cache
from iiifkit_s3.options import BucketOptions
from iiifkit_s3.uploads import LARGEST_PUT

Open = Callable[..., S3Cache]
KEY = "photo.jpg/full/400,300/0/default.jpg"
LARGE = bytes(range(256)) * (LARGEST_PUT // 256) + b"and a second part"


def found(cache: S3Cache, key: str = KEY, tag: str = "tag") -> bytes | None:
    blob = cache.get(key, tag)
    if blob is None:
        return None
    with blob:
        return blob.read_all()


class TestObjects:
    def test_an_entry_is_an_object_that_can_be_published(self, open_cache: Open, there: BucketOptions) -> None:
        open_cache().put(KEY, b"picture", "tag", "image/jpeg")
        assert names(there) == [KEY]
        told = head(there, KEY)
        assert told["ContentType"] == "image/jpeg"
        assert told["CacheControl"] == "public, max-age=86400"
        assert told["ContentLength"] == 7

    def test_cache_control_is_chosen(self, open_cache: Open, there: BucketOptions) -> None:
        open_cache(cache_control="no-cache").put(KEY, b"picture", "tag", "image/jpeg")
        assert head(there, KEY)["CacheControl"] == "no-cache"
        open_cache(cache_control="").put(KEY, b"picture", "tag", "image/jpeg")
        assert "CacheControl" not in head(there, KEY)

    def test_the_tag_is_in_the_metadata(self, open_cache: Open, there: BucketOptions) -> None:
        open_cache().put(KEY, b"picture", "a1b2-c3", "image/jpeg")
        assert head(there, KEY)["Metadata"]["iiifkit-tag"] == "a1b2-c3"

    def test_any_tag_fits_into_a_header(self, open_cache: Open) -> None:
        cache = open_cache()
        for tag in ("ä/ö", "日本", "%20", "a\x7f", "x" * 200):
            cache.put(KEY, b"picture", tag, "image/jpeg")
            assert found(cache, tag=tag) == b"picture"

    def test_large_entries_are_put_in_parts(
        self, open_cache: Open, between: Between, there: BucketOptions, tmp_path: Path
    ) -> None:
        cache = open_cache(endpoint=between.url)
        file = tmp_path / "pyramid.tif"
        file.write_bytes(LARGE)
        for data in (LARGE, file):
            cache.put("%pyramids/1", data, "tag", "image/tiff")
            assert [request.method for request in between.requests] == ["POST", "PUT", "PUT", "POST"]
            assert found(cache, "%pyramids/1") == LARGE
            between.requests.clear()
        assert head(there, "%pyramids/1")["ContentType"] == "image/tiff"
        assert not file.exists()

    def test_a_large_entry_is_read_in_parts(self, open_cache: Open, between: Between) -> None:
        cache = open_cache(endpoint=between.url)
        cache.put("%pyramids/1", LARGE, "tag", "image/tiff")
        between.requests.clear()
        blob = cache.get("%pyramids/1", "tag")
        assert blob is not None
        with blob:
            assert blob.remote
            assert blob.read(3_000_000, 20_000) == LARGE[3_000_000:3_020_000]
        assert len(between.requests) == 2
        assert sum(int(request.range.partition("-")[2]) for request in between.requests) < 4_000_000

    def test_metadata_in_capitals(self, open_cache: Open, between: Between) -> None:
        """Servers written in Go answer them so."""

        def capitals(_: Request, headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
            return {name.title(): value for name, value in headers.items()}, body

        between.change = capitals
        cache = open_cache(endpoint=between.url)
        cache.put(KEY, b"picture", "tag", "image/jpeg")
        assert found(cache) == b"picture"


class TestMisses:
    def test_objects_of_others(self, open_cache: Open, there: BucketOptions) -> None:
        put(there, KEY, b"picture")
        assert found(open_cache()) is None
        put(there, KEY, b"picture", Metadata={"iiifkit-tag": "tag"})
        assert found(open_cache()) is None

    @pytest.mark.parametrize("data", [b"pictur", b"picture.", b""])
    def test_objects_of_another_size(self, open_cache: Open, there: BucketOptions, data: bytes) -> None:
        open_cache().put(KEY, b"picture", "tag", "image/jpeg")
        put(there, KEY, data, Metadata=head(there, KEY)["Metadata"])
        assert found(open_cache()) is None

    def test_objects_under_another_key(self, open_cache: Open, there: BucketOptions) -> None:
        cache = open_cache()
        cache.put(KEY, b"picture", "tag", "image/jpeg")
        put(there, "other.jpg/x", b"picture", Metadata=head(there, KEY)["Metadata"])
        assert found(cache, "other.jpg/x") is None

    def test_a_copy_of_the_whole_tree_is_good(self, open_cache: Open, there: BucketOptions) -> None:
        open_cache().put(KEY, b"picture", "tag", "image/jpeg")
        there_too = BucketOptions(path=there.path, prefix=there.prefix + "-copy", endpoint=there.endpoint)
        client(there.endpoint).copy_object(
            Bucket=there.path,
            Key=full_key(there_too, KEY),
            CopySource={"Bucket": there.path, "Key": full_key(there, KEY)},
        )
        assert found(open_cache(prefix=there_too.prefix)) == b"picture"

    @pytest.mark.parametrize(("ttl", "age", "is_there"), [(60, 50, True), (60, 70, False), (0, 10**8, True)])
    def test_entries_expire_by_the_clock_of_the_server(
        self, open_cache: Open, between: Between, ttl: float, age: float, is_there: bool
    ) -> None:
        between.change = lambda request, headers, body: (
            headers | ({"Last-Modified": formatdate(1_700_000_000), "Date": formatdate(1_700_000_000 + age)}),
            body,
        )
        cache = open_cache(endpoint=between.url, ttl=ttl)
        cache.put(KEY, b"picture", "tag", "image/jpeg")
        assert (found(cache) is not None) == is_there

    def test_an_entry_that_is_replaced_while_it_is_read(self, open_cache: Open) -> None:
        cache = open_cache()
        cache.put("%pyramids/1", LARGE, "tag", "image/tiff")
        blob = cache.get("%pyramids/1", "tag")
        assert blob is not None
        with blob:
            cache.put("%pyramids/1", LARGE[::-1], "tag", "image/tiff")
            with pytest.raises(SourceChanged):
                blob.read(3_000_000, 10)


class TestFailedPuts:
    @pytest.mark.parametrize("at", ["uploads", "partNumber=1", "partNumber=2", "uploadId="])
    def test_leave_the_old_entry_and_nothing_else(
        self, open_cache: Open, between: Between, there: BucketOptions, tmp_path: Path, at: str
    ) -> None:
        cache = open_cache(endpoint=between.url)
        cache.put("%pyramids/1", b"old", "tag", "image/tiff")

        def spoil(handler: Handler, request: Request) -> bool:
            is_meant = at in request.path if at != "uploadId=" else request.method == "POST" and at in request.path
            return is_meant and request.method != "DELETE" and handler.refuse(403, "AccessDenied")

        between.spoil = spoil
        file = tmp_path / "pyramid.tif"
        file.write_bytes(LARGE)
        with pytest.raises(CacheError, match="denies access"):
            cache.put("%pyramids/1", file, "tag", "image/tiff")
        assert file.exists()
        assert found(cache, "%pyramids/1") == b"old"
        pending = client(there.endpoint).list_multipart_uploads(Bucket=there.path).get("Uploads", [])
        assert [upload["Key"] for upload in pending if upload["Key"].startswith(there.prefix)] == []

    @pytest.mark.parametrize("status", [200, 500])
    def test_an_upload_that_the_server_cannot_finish(
        self, open_cache: Open, between: Between, there: BucketOptions, status: int
    ) -> None:
        """S3 may also say so with status 200. What was sent is taken back, though the server is left alone then."""
        between.spoil = lambda handler, request: (
            request.method == "POST" and "uploadId=" in request.path and handler.refuse(status, "InternalError")
        )
        with pytest.raises(CacheError, match="failed with InternalError"):
            open_cache(endpoint=between.url, retries=0).put("%pyramids/1", LARGE, "tag", "image/tiff")
        assert names(there) == []
        pending = client(there.endpoint).list_multipart_uploads(Bucket=there.path).get("Uploads", [])
        assert [upload["Key"] for upload in pending if upload["Key"].startswith(there.prefix)] == []

    def test_a_file_that_shrinks(self, open_cache: Open, between: Between, tmp_path: Path) -> None:
        cache = open_cache(endpoint=between.url)
        file = tmp_path / "pyramid.tif"
        file.write_bytes(LARGE)

        def spoil(handler: Handler, request: Request) -> bool:
            os.truncate(file, 100)
            return False

        between.spoil = spoil
        with pytest.raises(CacheError, match="changed while"):
            cache.put("%pyramids/1", file, "tag", "image/tiff")
        assert found(cache, "%pyramids/1") is None

    def test_a_folder_or_a_pipe_is_no_file(self, open_cache: Open, tmp_path: Path) -> None:
        with pytest.raises(CacheError):
            open_cache().put(KEY, tmp_path, "tag", "image/tiff")

    def test_a_name_that_is_too_long(self, open_cache: Open) -> None:
        with pytest.raises(CacheError, match="too long"):
            open_cache().put("/".join("x" * 250 for _ in range(5)), b"picture", "tag", "image/jpeg")

    @pytest.mark.parametrize("key", ["", "a//b", "../a", "a/..", "./a", "/a", "a/"])
    def test_keys_that_lead_elsewhere(self, open_cache: Open, there: BucketOptions, key: str) -> None:
        cache = open_cache()
        for use in (lambda: cache.put(key, b"x", "t", "image/jpeg"), lambda: cache.get(key, "t")):
            with pytest.raises(CacheError):
                use()
        with pytest.raises(CacheError):
            cache.delete(key)
        assert names(there) == []

    def test_somebody_who_may_only_read(self, open_cache: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        open_cache().put(KEY, b"picture", "tag", "image/jpeg")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", READER)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", READER_SECRET)
        cache = open_cache()
        assert found(cache) == b"picture"
        for change in (
            lambda: cache.put(KEY, b"other", "tag", "image/jpeg"),
            lambda: cache.put(KEY, LARGE, "tag", "image/jpeg"),
            lambda: cache.put(KEY, b"", "tag", "image/jpeg"),
            lambda: cache.delete("photo.jpg"),
        ):
            with pytest.raises(CacheError, match="denies access"):
                change()
        assert found(cache) == b"picture"


class TestDeleting:
    def test_stays_inside_the_prefix(self, open_cache: Open, there: BucketOptions) -> None:
        cache = open_cache()
        for key in ("photo.jpg", "photo.jpg/1", "photo.jpg/2/3", "photo.jpg.bak/1", "photo.jp", "photo.jpgx"):
            cache.put(key, b"picture", "tag", "image/jpeg")
        neighbor = BucketOptions(path=there.path, prefix=there.prefix + "x", endpoint=there.endpoint)
        put(neighbor, "photo.jpg/1", b"picture")
        assert cache.delete("photo.jpg") == 3
        assert sorted(names(there)) == ["photo.jp", "photo.jpg.bak/1", "photo.jpgx"]
        assert names(neighbor) == ["photo.jpg/1"]

    def test_spares_what_a_server_lists_from_elsewhere(
        self, open_cache: Open, between: Between, there: BucketOptions
    ) -> None:
        cache = open_cache(endpoint=between.url)
        for key in ("photo.jpg/1", "photo.jpg/2", "other.jpg/1"):
            cache.put(key, b"picture", "tag", "image/jpeg")
        between.change = relisted(f"{there.prefix}/photo.jpg/2", f"{there.prefix}/other.jpg/1")
        assert cache.delete("photo.jpg") == 1
        assert names(there) == ["other.jpg/1", "photo.jpg/2"]

    def test_at_once_where_that_can_be_done(self, open_cache: Open, between: Between, there: BucketOptions) -> None:
        cache = open_cache(endpoint=between.url)
        for number in range(5):
            cache.put(f"photo.jpg/{number}", b"picture", "tag", "image/jpeg")
        between.requests.clear()
        assert cache.delete("photo.jpg") == 5
        assert [request.method for request in between.requests] == ["GET", "GET", "POST"]
        assert names(there) == []

    @pytest.mark.parametrize(
        ("status", "code"),
        [(501, "NotImplemented"), (400, "MalformedXML"), (400, "InvalidRequest"), (403, "AccessDenied")],
    )
    def test_one_by_one_where_it_cannot(
        self, open_cache: Open, between: Between, there: BucketOptions, status: int, code: str
    ) -> None:
        cache = open_cache(endpoint=between.url)
        for number in range(3):
            cache.put(f"photo.jpg/{number}", b"picture", "tag", "image/jpeg")
        between.spoil = lambda handler, request: request.method == "POST" and handler.refuse(status, code)
        assert cache.delete("photo.jpg") == 3
        assert names(there) == []

    @pytest.mark.slow
    def test_thousands(self, open_cache: Open, open_source: Any, there: BucketOptions) -> None:
        cache = open_cache()
        for number in range(2005):
            cache.put(f"photo.jpg/{number}", b"picture", "tag", "image/jpeg")
        assert len(set(open_source().identifiers())) == 2005
        assert cache.delete("photo.jpg") == 2005
        assert names(there) == []


def test_a_key_of_the_cache_does_not_lead_to_its_leases(open_cache: Open, there: BucketOptions) -> None:
    cache = open_cache()
    with cache.lock("photo.jpg", 0) as mine:
        assert mine
        cache.put(".iiifkit/leases/x", b"picture", "tag", "image/jpeg")
        assert cache.delete(".iiifkit") == 1
        assert len([name for name in names(there) if name.startswith(".iiifkit/leases/")]) == 1
