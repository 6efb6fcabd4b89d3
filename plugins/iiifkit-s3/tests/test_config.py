"""What the config may say, where credentials come from, and what start-up refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from between import Between
from conftest import BUCKET
from iiifkit import ConfigError, Service, open_service
from seaweed import KEY, SECRET, Seaweed

from iiifkit_s3.bucket import Bucket
from iiifkit_s3.options import BucketOptions

NOWHERE = "http://127.0.0.1:1"
WRITTEN = f"[museum]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"


def options(**more: Any) -> BucketOptions:
    return BucketOptions(**{"path": BUCKET, "endpoint": NOWHERE} | more)


def refused(**more: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Bucket(options(**more), "images.source").close()
    return caught.value


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class TestOptions:
    @pytest.mark.parametrize("path", ["", "a", "a b", "/bucket", "bucket/folder", "s3://bucket", "bück", "a\nb", "-ab"])
    def test_no_name_of_a_bucket(self, path: str) -> None:
        error = refused(path=path)
        assert error.path == "images.source.path"
        assert ("belongs into prefix" in str(error)) == ("/" in path)

    @pytest.mark.parametrize(
        "path", ["my.bucket-1", "My_Old_Bucket", "arn:aws:s3:eu-west-1:123456789012:accesspoint/x"]
    )
    def test_names_of_buckets(self, path: str) -> None:
        Bucket(options(path=path), "images.source").close()

    @pytest.mark.parametrize("prefix", ["a//b", "../a", "a/.", "a\\b", "a\0b", "x" * 600])
    def test_no_prefix(self, prefix: str) -> None:
        assert refused(prefix=prefix).path == "images.source.prefix"

    @pytest.mark.parametrize(
        "endpoint",
        [
            "localhost:9000",
            "ftp://x",
            "http://",
            "http://key:secret@x",
            "http://x?y",
            "http://x#y",
            "http://x:0",
            "http://x y",
        ],
    )
    def test_no_endpoint(self, endpoint: str) -> None:
        error = refused(endpoint=endpoint)
        assert error.path == "images.source.endpoint"
        assert "secret" not in str(error)

    def test_no_region(self) -> None:
        assert refused(region="not a region", endpoint="").path == "images.source.region"

    def test_no_certificates(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        error = refused(endpoint="https://127.0.0.1:1")
        assert "AWS_CA_BUNDLE" in str(error)
        assert str(tmp_path) not in str(error)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"bucket": "x"}, "images.source.bucket: unknown key"),
            ({"timeout": 0}, "images.source.timeout: expected a number"),
            ({"retries": 99}, "images.source.retries: expected a whole number"),
            ({"addressing": "host"}, 'images.source.addressing: expected "auto", "path" or "virtual"'),
            ({"revalidate": 0}, "images.source.revalidate"),
            ({"aws_secret_access_key": SECRET}, "images.source.aws_secret_access_key: unknown key"),
        ],
    )
    def test_wrong_options_are_refused_with_their_path(self, tmp_path: Path, more: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            service({"images": {"source": {"name": "S3", "path": BUCKET, **more}}}, tmp_path)
        assert said in str(caught.value)
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        ("checksums", "are_sent"), [(None, True), ("when_supported", True), ("when_required", False)]
    )
    def test_checksums(self, between: Between, checksums: str | None, are_sent: bool) -> None:
        bucket = Bucket(options(endpoint=between.url, checksums=checksums), "images.cache")
        bucket.ask("put_object", lambda _: None, Key="checksums", Body=b"picture")
        bucket.close()
        headers = between.requests[0].headers
        assert any(name.startswith("x-amz-checksum-") for name in headers) == are_sent

    @pytest.mark.parametrize(
        ("addressing", "url"),
        [
            ("auto", f"http://s3.example.org/{BUCKET}/x"),
            ("path", f"http://s3.example.org/{BUCKET}/x"),
            ("virtual", f"http://{BUCKET}.s3.example.org/x"),
        ],
    )
    def test_addressing(self, between: Between, monkeypatch: pytest.MonkeyPatch, addressing: str, url: str) -> None:
        monkeypatch.setenv("http_proxy", between.url)
        between.spoil = lambda handler, _: handler.reply(200)
        bucket = Bucket(options(endpoint="http://s3.example.org", addressing=addressing), "images.cache")
        bucket.ask("put_object", lambda _: None, Key="x", Body=b"picture")
        bucket.close()
        assert [request.path for request in between.requests] == [url]

    @pytest.mark.parametrize("region", ["", "eu-central-1"])
    def test_region(self, between: Between, region: str) -> None:
        bucket = Bucket(options(endpoint=between.url, region=region), "images.cache")
        bucket.ask("list_objects_v2", lambda _: None, MaxKeys=1)
        bucket.close()
        assert f"/{region or 'us-east-1'}/s3/aws4_request" in between.requests[0].headers["authorization"]


class TestCredentials:
    @pytest.mark.parametrize("credentials", ["", "env:"])
    def test_environment(self, credentials: str) -> None:
        Bucket(options(credentials=credentials), "images.source").close()

    @pytest.mark.usefixtures("no_keys")
    @pytest.mark.parametrize("credentials", ["", "env:"])
    def test_an_empty_environment(self, credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A profile that is there as well does not stand in."""
        (tmp_path / "credentials").write_text(WRITTEN.replace("museum", "default"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        error = refused(credentials=credentials)
        assert error.path == "images.source.credentials"
        assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(error)

    def test_half_an_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert "one half of the credentials is missing" in str(refused())

    @pytest.mark.usefixtures("no_keys")
    def test_a_profile_by_its_name(self, seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "credentials").write_text(WRITTEN)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        bucket = Bucket(options(credentials="museum", endpoint=seaweed.url), "images.source")
        bucket.ask("list_objects_v2", lambda _: None, MaxKeys=1)
        bucket.close()

    @pytest.mark.usefixtures("no_keys")
    def test_a_profile_in_a_file(self, seaweed: Seaweed, tmp_path: Path) -> None:
        (tmp_path / "a:b").write_text(WRITTEN)
        bucket = Bucket(options(credentials=f"shared:{tmp_path}/a:b:museum", endpoint=seaweed.url), "images.source")
        bucket.ask("list_objects_v2", lambda _: None, MaxKeys=1)
        bucket.close()

    def test_a_profile_is_not_replaced_by_the_environment(self, tmp_path: Path) -> None:
        """Whoever names a profile does not get the keys that happen to be in the environment."""
        (tmp_path / "file").write_text("[museum]\nregion = eu-west-1\n")
        assert "holds no credentials" in str(refused(credentials=f"shared:{tmp_path}/file:museum"))

    @pytest.mark.parametrize("credentials", ["shared:", "shared:x", "shared::x", "shared:x:"])
    def test_half_a_name_of_a_file(self, credentials: str) -> None:
        assert "shared:FILE:PROFILE" in str(refused(credentials=credentials))

    def test_no_such_file(self, tmp_path: Path) -> None:
        error = refused(credentials=f"shared:{tmp_path}/missing:museum")
        assert "no such credentials file" in str(error)
        assert str(tmp_path) not in str(error)

    @pytest.mark.parametrize("credentials", ["missing", "iam", "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI"])
    def test_no_such_profile(self, credentials: str) -> None:
        """What was written could be a secret, so it is not repeated."""
        error = refused(credentials=credentials)
        assert "no such profile" in str(error)
        assert "iam:" in str(error)
        assert "AKIA" not in str(error)
        assert "wJal" not in str(error)

    @pytest.mark.usefixtures("no_keys")
    def test_no_role(self) -> None:
        assert "no role was found" in str(refused(credentials="iam:"))

    @pytest.mark.usefixtures("no_keys")
    def test_a_role_of_a_container(self, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
        """A real server on loopback hands out keys, as the agents of ECS and EKS do."""
        document = (
            f'{{"AccessKeyId": "{KEY}", "SecretAccessKey": "{SECRET}", "Token": "", '
            '"Expiration": "2100-01-01T00:00:00Z"}'
        )
        agent = Between(NOWHERE, spoil=lambda handler, _: handler.reply(200, document.encode()))
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/keys")
        bucket = Bucket(options(credentials="iam:", endpoint=seaweed.url), "images.source")
        bucket.ask("list_objects_v2", lambda _: None, MaxKeys=1)
        bucket.close()
        agent.close()

    @pytest.mark.usefixtures("no_keys")
    def test_nobody(self) -> None:
        Bucket(options(credentials="anon:"), "images.source").close()

    def test_a_profile_of_the_environment_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "missing")
        assert "no such profile" in str(refused())


class TestPlaces:
    """go-iiif's README warns that a cache on top of its source destroys the originals; here nothing starts."""

    @pytest.fixture(autouse=True)
    def on(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def start(self, source: str, cache: str, which: str = "derivatives", **more: Any) -> Service:
        place = {"name": "S3", "path": BUCKET, "endpoint": NOWHERE}
        config: dict[str, Any] = {"images": {"source": {**place, "prefix": source}}}
        config.setdefault(which, {})["cache"] = {**place, "prefix": cache, **more}
        return service(config, self.folder)

    @pytest.mark.parametrize("which", ["images", "derivatives"])
    @pytest.mark.parametrize(
        ("source", "cache"),
        [("", ""), ("a", "a"), ("/a/", "a"), ("a", "a/b"), ("a/b", "a"), ("", "a"), ("a", ""), ("a/b", "a/b/c/d")],
    )
    def test_one_in_the_other_is_refused(self, source: str, cache: str, which: str) -> None:
        with pytest.raises(ConfigError) as caught:
            self.start(source, cache, which)
        assert str(caught.value).startswith(f"{which}.cache: this cache lies ")
        assert "could overwrite originals" in str(caught.value)
        assert "another prefix" in str(caught.value)

    @pytest.mark.parametrize(
        ("source", "cache"), [("a", "b"), ("a", "ab"), ("ab", "a"), ("a/b", "a/c"), ("a", "a/.cache")]
    )
    def test_apart_is_fine(self, source: str, cache: str) -> None:
        self.start(source, cache).close()

    def test_another_bucket_or_another_server_is_fine(self) -> None:
        self.start("a", "a", path="another-bucket").close()
        self.start("a", "a", endpoint="http://127.0.0.1:2").close()

    def test_aws_is_one_server(self) -> None:
        place = {"name": "S3", "path": BUCKET}
        config = {
            "images": {"source": {**place, "region": "eu-west-1"}},
            "derivatives": {"cache": {**place, "region": "us-east-1", "prefix": "x"}},
        }
        with pytest.raises(ConfigError, match="could overwrite originals"):
            service(config, self.folder)

    def test_spellings_of_one_server(self) -> None:
        with pytest.raises(ConfigError, match="could overwrite originals"):
            self.start("a", "a", endpoint=NOWHERE.upper().replace("HTTP", "http") + "/")


def service(config: dict[str, Any], folder: Path) -> Service:
    images = config.setdefault("images", {})
    images.setdefault("cache", {"name": "Null"})
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    return open_service(file)
