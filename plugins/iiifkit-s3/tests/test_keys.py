"""Keys of objects: one to one, readable, and within what stores can hold."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iiifkit import CacheError, ImageNotFound
from iiifkit.testing.caches import KEYS, ODD_KEYS

from iiifkit_s3.keys import LONGEST_SEGMENT, entry_key, image_key, lease_key

TRICKY = st.text(st.sampled_from(list("%~uU0125CcFf2eE\\\x00\x1f\x7f\ud800.a")), min_size=1, max_size=8).filter(
    lambda text: text not in (".", "..") and "\0" not in text
)


@given(KEYS | TRICKY, KEYS | TRICKY)
def test_two_keys_are_two_objects(one: str, other: str) -> None:
    assert (entry_key("p/", one) == entry_key("p/", other)) == (one == other)


@given(KEYS | TRICKY | st.sampled_from(ODD_KEYS))
def test_every_key_can_be_held(key: str) -> None:
    name = entry_key("p/", key)
    assert not re.search(r"[\x00-\x1f\x7f\\\ud800-\udfff]", name)
    segments = name.split("/")
    assert len(segments) == 1 + len(key.split("/"))
    for segment in segments:
        assert segment not in ("", ".", "..")
        assert len(segment.encode()) <= LONGEST_SEGMENT
        assert not segment.casefold().startswith(".iiifkit")


@pytest.mark.parametrize(
    "key",
    [
        "photo.jpg/full/400,300/0/default.jpg",
        "2019%2Fmuseum%2Fphoto.jpg/pct:1,2,3,4/!200,200/!90.5/primitive:5,200,255.gif",
        "Zürich/100%/a+b&c=d/with blank/info.json",
        "%pyramids/0123456789abcdef",
    ],
)
def test_ordinary_keys_stay_as_they_are(key: str) -> None:
    assert entry_key("", key) == key


@given(st.text(max_size=50))
def test_an_identifier_is_a_key_below_the_prefix_or_not_found(identifier: str) -> None:
    try:
        key = image_key("p/", identifier)
    except ImageNotFound:
        return
    assert key == f"p/{identifier}"
    assert not {"", ".", ".."} & set(key.split("/"))


def test_long_names() -> None:
    assert len(image_key("p/", "x" * 1022)) == 1024
    for identifier in ("x" * 1023, "ä" * 600):
        with pytest.raises(ImageNotFound):
            image_key("p/", identifier)
    with pytest.raises(CacheError):
        entry_key("p/", "/".join("x" * 250 for _ in range(5)))


@given(KEYS, KEYS)
def test_leases_are_apart_from_entries_and_from_each_other(one: str, other: str) -> None:
    assert (lease_key("p/", one) == lease_key("p/", other)) == (one == other)
    assert not lease_key("p/", one).startswith(entry_key("p/", other) + "/")
