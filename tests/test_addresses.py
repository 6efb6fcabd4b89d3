"""Under which address clients see the server, and whom it believes."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.server.addresses import Addresses, is_forwarded, names_loopback

PROXY = Addresses(trusted=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
OPEN = Addresses()


def headers(**given: str) -> dict[bytes, bytes]:
    return {name.replace("_", "-").lower().encode(): value.encode("latin-1") for name, value in given.items()}


def base(addresses: Addresses, peer: str | None = "10.1.2.3", scheme: str = "http", **given: str) -> str:
    return addresses.base(scheme, headers(**{"Host": "inner:8080", **given}), peer, "127.0.0.1:8080")


def test_the_host_header_names_the_server() -> None:
    assert base(OPEN) == "http://inner:8080"
    assert base(OPEN, Host="images.example.org") == "http://images.example.org"
    assert base(OPEN, Host="[::1]:8080") == "http://[::1]:8080"
    assert base(OPEN, scheme="https", Host="a.example") == "https://a.example"


@pytest.mark.parametrize(
    "host",
    [
        "",
        'a"b',
        "a b",
        "a>b",
        "a<b",
        "a/b",
        "a\\b",
        "user@host",
        "a,b",
        "a;b",
        "a?b",
        "a#b",
        "a:b",
        "a:123456",
        "a:1\r\nX: y",
        "a\n",
        "a:1\n",
        "\x00",
        "é.example",
        "[::1",
        "::1",
        "[zz]",
        "x" * 254,
    ],
)
def test_a_host_that_is_none_is_passed_over(host: str) -> None:
    assert base(OPEN, Host=host) == "http://127.0.0.1:8080"
    first = host.split(",")[0].strip()
    assert base(PROXY, X_Forwarded_Host=host) == base(PROXY, X_Forwarded_Host=first)
    assert base(PROXY, X_Forwarded_Host=host) in ("http://inner:8080", "http://a", "http://a:1")


@given(host=st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_host_gets_anything_but_a_host_into_an_address(host: str) -> None:
    made = base(OPEN, Host=host)
    rest = made.removeprefix("http://")
    assert not set(rest) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")


def test_only_trusted_proxies_are_believed() -> None:
    forwarded = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.example", "X_Forwarded_Prefix": "/p"}
    for peer in ("192.0.2.1", "11.0.0.1", "127.0.0.1", "::1", "not an address", None):
        assert base(PROXY, peer, **forwarded) == "http://inner:8080"
        assert base(PROXY, peer, Forwarded="proto=https;host=evil.example") == "http://inner:8080"
    assert base(OPEN, "10.1.2.3", **forwarded) == "http://inner:8080"
    assert base(PROXY, "10.1.2.3", **forwarded) == "https://evil.example/p"
    assert base(PROXY, "fd00::1", **forwarded) == "https://evil.example/p"


def test_the_headers_of_a_trusted_proxy() -> None:
    assert base(PROXY, X_Forwarded_Proto="https") == "https://inner:8080"
    assert base(PROXY, X_Forwarded_Host="a.example", X_Forwarded_Proto="https") == "https://a.example"
    assert base(PROXY, X_Forwarded_Host="a.example, b.example") == "http://a.example"
    assert base(PROXY, X_Forwarded_Host="a.example", X_Forwarded_Port="8443", X_Forwarded_Proto="https") == (
        "https://a.example:8443"
    )
    assert base(PROXY, X_Forwarded_Host="a.example", X_Forwarded_Port="443", X_Forwarded_Proto="https") == (
        "https://a.example"
    )
    assert base(PROXY, X_Forwarded_Host="a.example:1", X_Forwarded_Port="2") == "http://a.example:1"
    assert base(PROXY, X_Forwarded_Prefix="/iiif-images/") == "http://inner:8080/iiif-images"


def test_the_standard_header_of_a_trusted_proxy() -> None:
    assert base(PROXY, Forwarded="for=192.0.2.1;proto=https;host=a.example") == "https://a.example"
    assert base(PROXY, Forwarded='proto=HTTPS; host="a.example:8443"') == "https://a.example:8443"
    assert base(PROXY, Forwarded='for="[2001:db8::1]:4711";host="[2001:db8::2]:80"') == "http://[2001:db8::2]:80"
    assert base(PROXY, Forwarded="host=a.example, host=b.example") == "http://a.example"
    assert base(PROXY, Forwarded="proto=https", X_Forwarded_Proto="http") == "https://inner:8080"


@pytest.mark.parametrize(
    "given_headers",
    [
        {"X_Forwarded_Proto": "javascript"},
        {"X_Forwarded_Proto": "https\x00"},
        {"X_Forwarded_Port": "99999999"},
        {"X_Forwarded_Port": "8²"},
        {"X_Forwarded_Port": "-1"},
        {"X_Forwarded_Prefix": "//evil.example"},
        {"X_Forwarded_Prefix": "evil.example"},
        {"X_Forwarded_Prefix": "/a b"},
        {"X_Forwarded_Prefix": '/a"'},
        {"X_Forwarded_Prefix": "/a>;rel=evil,<"},
        {"X_Forwarded_Prefix": "/" + "a" * 1000},
        {"X_Forwarded_Prefix": "/a" * 100},
        {"X_Forwarded_Prefix": "/?x"},
        {"Forwarded": 'host="a.example>"'},
        {"Forwarded": "host=" + "a" * 5000},
        {"Forwarded": ";;;===,,,"},
        {"Forwarded": '"' * 1000},
    ],
)
def test_what_makes_no_sense_is_passed_over(given_headers: dict[str, str]) -> None:
    assert base(PROXY, **{"Host": "inner", **given_headers}) == "http://inner"


def test_a_base_url_is_the_last_word() -> None:
    fixed = Addresses("https://images.example.org/iiif", (ip_network("10.0.0.0/8"),))
    assert base(fixed, Host="evil.example", X_Forwarded_Host="evil.example", X_Forwarded_Prefix="/p") == (
        "https://images.example.org/iiif"
    )
    assert fixed.prefix == "/iiif"
    assert Addresses("https://images.example.org").prefix == ""
    assert Addresses("https://images.example.org/a/b").prefix == "/a/b"


@pytest.mark.parametrize(
    "name",
    ["Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded"],
)
def test_what_proxies_add_is_noticed(name: str) -> None:
    assert is_forwarded([b"host", name.lower().encode()])
    assert not is_forwarded([b"host", b"accept", b"user-agent", b"origin", b"referer"])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("127.0.0.1:1", True),
        ("127.9.9.9", True),
        ("[::1]:80", True),
        ("rebound.example", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("192.0.2.1", False),
        ("", False),
        ("localhost\n", False),
    ],
)
def test_a_name_of_this_machine(host: str, expected: bool) -> None:
    assert names_loopback(host) is expected
