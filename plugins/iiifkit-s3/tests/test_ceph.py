"""The same on Ceph's gateway, which is older, stricter about URLs and laxer about conditions."""

from collections.abc import Callable, Iterator

import pytest
import test_contracts
from ceph import Ceph, missing
from conftest import BUCKET
from iiifkit import CacheError
from putting import client
from seaweed import CERTIFICATE
from test_leases import (  # noqa: F401
    test_a_holder_that_lives_keeps_it,
    test_a_process_that_died_holds_it_for_the_time_of_the_lease,
    test_many_at_once_enter_one_after_the_other,
    test_two_caches_as_two_processes_have_them,
)

from iiifkit_s3.cache import S3Cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ceph() -> Iterator[Ceph]:
    if reason := missing():
        pytest.skip(reason)
    server = Ceph()
    client(server.url).create_bucket(Bucket=BUCKET)
    yield server
    server.stop()


@pytest.fixture
def endpoint(ceph: Ceph) -> str:
    return ceph.url


class TestSource(test_contracts.TestSource):
    pass


class TestCache(test_contracts.TestCache):
    pass


@pytest.fixture
def by_tls(ceph: Ceph, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
    return ceph.secure_url


def test_older_servers_need_another_setting_of_checksums(open_cache: Callable[..., S3Cache], by_tls: str) -> None:
    with pytest.raises(CacheError, match="answered MissingContentLength"):
        open_cache(endpoint=by_tls).put("a/1", b"picture", "tag", "image/jpeg")
    cache = open_cache(endpoint=by_tls, checksums="when_required")
    for number in range(3):
        cache.put(f"a/{number}", b"picture" * (1 + 3_000_000 * number), "tag", "image/jpeg")
        blob = cache.get(f"a/{number}", "tag")
        assert blob is not None
        with blob:
            assert blob.read_all() == b"picture" * (1 + 3_000_000 * number)
    assert cache.delete("a") == 3
