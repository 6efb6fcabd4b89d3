"""Which URL an identifier means, and which addresses are public."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.errors import ImageNotFound, SourceError
from iiifkit.sources.addresses import Template, is_public, redirected

HOSTILE_TEXT = st.text(st.sampled_from("a./\\%2eE5cC:@?#[]\0\n é;&=~"), max_size=15) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("template", "identifier", "url"),
    [
        ("https://example.org/{id}", "photo.jpg", "https://example.org/photo.jpg"),
        ("https://example.org/{id}", "a b/c?d#e%", "https://example.org/a%20b%2Fc%3Fd%23e%25"),
        ("https://example.org/{+id}", "2019/photo.jpg", "https://example.org/2019/photo.jpg"),
        ("https://example.org/{+id}?raw=1", "日", "https://example.org/%E6%97%A5?raw=1"),
        ("https://example.org{/id}/full.jpg", "a", "https://example.org/a/full.jpg"),
        ("https://example.org/get{?id}", "a&b=c", "https://example.org/get?id=a%26b%3Dc"),
        ("https://example.org/get?x=1{&id}", "../a", "https://example.org/get?x=1&id=..%2Fa"),
        ("https://example.org/{id:2}/{id}", "photo", "https://example.org/ph/photo"),
        ("https://example.org/{.id}", "jpg", "https://example.org/.jpg"),
        ("http://[2001:db8::1]:8080/{id}", "a", "http://[2001:db8::1]:8080/a"),
    ],
)
def test_urls(template: str, identifier: str, url: str) -> None:
    assert Template(template).url(identifier) == url


@pytest.mark.parametrize("template", ["https://example.org/a/{id}", "https://example.org/a/{+id}"])
@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "..",
        ".",
        "../b",
        "c/../../b",
        "%2e%2e/b",
        "..%2fb",
        "..\\b",
        "..%5cb",
        "a\nb",
        "a\0b",
        "a%00b",
        "a%0d%0aHost:%20evil",
        "x" * 9000,
        "\ud800",
    ],
)
def test_refused(template: str, identifier: str) -> None:
    with pytest.raises(ImageNotFound):
        Template(template).url(identifier)


@pytest.mark.parametrize("identifier", ["a#b", "a/../b?x#y", "#", "%252e%252e/b"])
def test_refused_where_reserved_characters_pass(identifier: str) -> None:
    with pytest.raises(ImageNotFound):
        Template("https://example.org/{+id}").url(identifier)


@given(
    st.sampled_from(
        [
            "https://example.org/a/{id}",
            "https://example.org/a/{+id}",
            "https://example.org/a{/id}",
            "https://example.org/a{.id}",
            "https://example.org/a{;id}",
            "https://example.org/a{?id}",
        ]
    ),
    HOSTILE_TEXT,
)
def test_an_identifier_never_leaves_the_folder(template: str, identifier: str) -> None:
    try:
        url = Template(template).url(identifier)
    except ImageNotFound:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "example.org", "")
    assert parts.path.startswith("/a")
    assert not {"..", "."} & set(unquote(unquote(parts.path)).replace("\\", "/").split("/"))
    assert url.isascii()
    assert url.isprintable()


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://example.org/a", "https://example.org/a", "https://example.org/a"),
        ("http://example.org:80/a", "https://EXAMPLE.org:443/b", "https://EXAMPLE.org:443/b"),
        ("http://example.org/a/b", "../c", "http://example.org/c"),
        ("https://example.org/a", "?x=1", "https://example.org/a?x=1"),
    ],
)
def test_redirects_that_are_followed(url: str, location: str, target: str) -> None:
    assert redirected(url, location) == target


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://example.org/a", "http://example.org/a"),
        ("http://example.org:8080/a", "https://example.org/a"),
        ("http://example.org/a", "https://example.org:8443/a"),
        ("http://example.org/a", "http://www.example.org/a"),
        ("http://example.org/a", "javascript:alert(1)"),
    ],
)
def test_redirects_that_are_not(url: str, location: str) -> None:
    with pytest.raises(SourceError):
        redirected(url, location)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public
