"""The file names of cache keys: readable, one to one, and inside the root."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.caches.keys import LONGEST, relative_path
from iiifkit.errors import CacheError
from iiifkit.testing.caches import KEYS, ODD_KEYS

# Keys made of what the escaping itself uses, so that accidents are likely.
TRICKY = st.text(st.sampled_from("%25ECcuUD8~. \\:a/\ud800é"), min_size=1, max_size=12).filter(
    lambda key: all(segment not in ("", ".", "..") for segment in key.split("/"))
)
ESCAPE = re.compile(r"%(?:u([0-9A-F]{4})|([013-7][0-9A-F]|2[0-9A-E]))")
ANY_KEY = KEYS | TRICKY | st.sampled_from(ODD_KEYS)


def key_of(path: str) -> str | None:
    """The only key that can have this path; None if a name was shortened."""
    if "%~" in path:
        return None
    return ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), path)


@given(ANY_KEY, ANY_KEY, st.booleans())
def test_two_keys_never_share_a_file(first: str, second: str, strict: bool) -> None:
    assert (first == second) == (relative_path(first, strict) == relative_path(second, strict))


@given(ANY_KEY, st.booleans())
def test_a_path_gives_its_key_back(key: str, strict: bool) -> None:
    path = relative_path(key, strict)
    found = key_of(path)
    assert found == key or (found is None and any(len(name.encode()) > LONGEST - 4 for name in path.split("/")))


@given(ANY_KEY, st.booleans())
def test_names_are_what_a_file_system_holds(key: str, strict: bool) -> None:
    names = relative_path(key, strict).split("/")
    assert len(names) == len(key.split("/"))
    for name in names:
        assert 0 < len(name.encode()) <= LONGEST
        assert not any(character < " " or character in "\x7f\\" for character in name)
        assert name not in (".", "..")
        assert not name.casefold().startswith(".iiifkit")
        if strict:
            assert not set(name) & set('<>:"|?*')
            assert name[-1] not in ". "
            assert name.split(".")[0].rstrip().lower() not in ("con", "prn", "aux", "nul", "com1", "lpt9", "conin$")


@pytest.mark.parametrize(
    "key",
    [
        "photo.jpg/0,0,512,512/256,256/0/default.jpg",
        "2019%2Fmuseum%2Fphoto.jpg/full/max/!90.5/primitive:5,200,255.gif",
        "ark:%2F12148%2Fbtv1b/info.json",
        "Zürich 日本語/full/pct:50/0/gray.webp",
        "100%/caf%C3%A9",
        ".hidden/a..b/c.",
    ],
)
def test_ordinary_keys_are_their_own_paths(key: str) -> None:
    assert relative_path(key) == key


@pytest.mark.parametrize(
    ("key", "strict", "path"),
    [
        ("a\\b", False, "a%5Cb"),
        ("a%5Cb", False, "a%255Cb"),
        ("a%5cb", False, "a%255cb"),
        ("a\nb", False, "a%0Ab"),
        (".iiifkit/locks", False, "%2Eiiifkit/locks"),
        (".IIIFkit-x", False, "%2EIIIFkit-x"),
        ("pct:1", True, "pct%3A1"),
        ("con/nul.jpg", True, "%63on/%6Eul.jpg"),
        ("a./b ", True, "a%2E/b%20"),
        ("\udc80", False, "%uDC80"),
    ],
)
def test_escapes(key: str, strict: bool, path: str) -> None:
    assert relative_path(key, strict) == path
    assert key_of(path) == key


def test_long_names_keep_their_beginning() -> None:
    one, two = relative_path("日" * 200 + "1"), relative_path("日" * 200 + "2")
    assert one != two
    assert one.startswith("日" * 70)
    assert len(one.encode()) <= LONGEST
    assert relative_path("e" * 255) == "e" * 255


@pytest.mark.parametrize("key", ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/."])
def test_keys_that_could_lead_out_are_refused(key: str) -> None:
    with pytest.raises(CacheError):
        relative_path(key)
