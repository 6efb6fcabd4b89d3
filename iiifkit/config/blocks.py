"""The config's own blocks as they stand in the JSON: keys, ranges, defaults."""

import ipaddress
import re
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from ..image_api.features import PARAMETERS
from .decoding import Check


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object of the config."""


Count = Annotated[int, Meta(ge=1, le=2**53, description="a whole number from 1")]
Whole = Annotated[int, Meta(ge=0, le=2**53, description="a whole number from 0")]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Line = Annotated[str, Meta(pattern=r"\A[\x20-\x7e]*\Z", max_length=1000, description="one line of plain ASCII text")]


def _base_url(text: str | None) -> str | None:
    if text is None:
        return None
    wrong = ValueError(f'expected a URL such as "https://images.example.org/iiif", found {text[:80]!r}')
    try:
        parts = urlsplit(text)
        port_is_possible = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_possible:
        raise wrong
    if parts.username is not None:
        raise ValueError("expected a URL without a user and password")
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise wrong
    if "?" in text or "#" in text:
        raise ValueError("a base URL has neither a query nor a fragment")
    return text.rstrip("/")


def _network(text: str) -> str:
    if text == "*":
        raise ValueError('"*" would believe anyone; list the proxies\' addresses or networks, such as "10.0.0.0/8"')
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('expected an IP address or a network, such as "10.0.0.7" or "10.0.0.0/8"') from None
    raise ValueError(f'the address lies inside a network; write the network "{meant}", or the address without "/"')


def _pattern(text: str) -> str:
    try:
        re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        reason = error.msg if isinstance(error, re.error) else "it is too large"
        raise ValueError(f"expected a regular expression, but {reason}") from None
    return text


class Level(Block, frozen=True):
    """``level``. ``"2"`` serves all that is on; ``"0"`` and ``"1"`` publish that level and refuse what it lacks."""

    compliance: Literal["0", "1", "2"] = "2"


class AppendedFeature(Block, frozen=True):
    """One feature of ``features.append``. All four keys are required, as in go-iiif."""

    syntax: Annotated[str, Meta(max_length=200)]
    required: bool
    supported: bool
    match: Annotated[str, Meta(max_length=1000), Check(_pattern)]


class Names(Block, frozen=True):
    """``features.enable`` and ``features.disable``: names of features by parameter."""

    region: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    rotation: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    format: tuple[str, ...] = ()

    def given(self) -> dict[str, tuple[str, ...]]:
        """Return the parameters that have names."""
        return {parameter: names for parameter in PARAMETERS if (names := getattr(self, parameter))}


class Appended(Block, frozen=True):
    """``features.append``: new or redefined features by parameter and name."""

    region: dict[str, AppendedFeature] = {}
    size: dict[str, AppendedFeature] = {}
    rotation: dict[str, AppendedFeature] = {}
    quality: dict[str, AppendedFeature] = {}
    format: dict[str, AppendedFeature] = {}

    def given(self) -> dict[str, dict[str, AppendedFeature]]:
        """Return the parameters that have features."""
        return {parameter: features for parameter in PARAMETERS if (features := getattr(self, parameter))}


DITHER = AppendedFeature(syntax="dither", required=False, supported=True, match="^dither$")


class Features(Block, frozen=True):
    """``features``. An absent ``append`` appends dither; ``default_quality`` is what ``default`` stands for."""

    append: Appended | None = None
    enable: Names = Names()
    disable: Names = Names()
    default_quality: Annotated[str, Meta(min_length=1, max_length=100)] = "color"


class Api(Block, frozen=True):
    """``api``. ``base_url`` is what the server is called from outside; None takes it from each request."""

    default_version: Literal["2", "3"] = "2"
    base_url: Annotated[str | None, Check(_base_url)] = None
    trusted_proxies: tuple[Annotated[str, Check(_network)], ...] = ()

    @property
    def proxies(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The networks whose forwarding headers are believed."""
        return tuple(ipaddress.ip_network(network) for network in self.trusted_proxies)


SOURCE_PIXELS: dict[str, int | None] = {
    "default": 1_000_000_000,
    "webp": 120_000_000,
    "avif": 100_000_000,
    "gif": 120_000_000,
    "jp2": 100_000_000,
}
"""The largest pictures that are opened, in pixels. Decoders that hold the whole picture get less."""

SourceFormat = Literal["jpg", "png", "webp", "tif", "gif", "avif", "jp2", "pdf"]


def _by_format(value: int | dict[str, int | None] | None) -> int | dict[str, int | None] | None:
    known = {"default", *get_args(SourceFormat)}
    for name in value if isinstance(value, dict) else ():
        if name not in known:
            raise ValueError(f"{name[:40]!r} is no format; there is {', '.join(sorted(known))}")
    return value


class Limits(Block, frozen=True):
    """``limits``. Pixels of results, pixels and bytes of sources, megabytes, seconds, waiting renders; null is none."""

    max_width: Count | None = None
    max_height: Count | None = None
    max_area: Count | None = 100_000_000
    max_source_pixels: Annotated[Count | dict[str, Count | None] | None, Check(_by_format)] = msgspec.field(
        default_factory=lambda: dict(SOURCE_PIXELS)
    )
    max_source_bytes: Count | None = 2_000_000_000
    memory: Annotated[int, Meta(ge=64, le=2**30, description="a number of megabytes from 64")] = 2048
    deadline: Seconds = 30
    queue: Annotated[int, Meta(ge=0, le=1_000_000)] = 256

    def source_pixels(self, format: str) -> int | None:
        """Return how many pixels a source of this format may have; None is no limit.

        A number stands for every format. An object is asked for the format, then for its ``default``, then
        what it would be without the config.
        """
        given = self.max_source_pixels
        if not isinstance(given, dict):
            return given
        for name in (format, "default"):
            if name in given:
                return given[name]
        return SOURCE_PIXELS.get(format, SOURCE_PIXELS["default"])


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


class Formats(Block, frozen=True):
    """``formats``. Files of other formats than ``read`` are not opened."""

    read: Annotated[tuple[SourceFormat, ...], Meta(min_length=1), Check(_once)] = (
        *("jpg", "png", "webp", "tif", "gif", "avif", "jp2"),
    )


class Prepare(Block, frozen=True):
    """``prepare``: the tiled pyramid that is made once of an image that is slow to cut.

    ``quality`` is the JPEG quality of its tiles, ``tile`` their side in pixels. Images below ``min_pixels`` are left
    alone; a pyramid above ``max_bytes`` is not kept.
    """

    enabled: bool = True
    quality: Annotated[int, Meta(ge=1, le=89)] = 80
    tile: Annotated[int, Meta(ge=128, le=1024, multiple_of=16)] = 256
    min_pixels: Whole = 4_000_000
    max_bytes: Count = 4_000_000_000


Text = str | dict[str, Any] | list[Any]


class Info(Block, frozen=True):
    """``info``: what every info.json says of rights, and the services that it links to, in the specification's form."""

    rights: Annotated[str, Meta(max_length=2000)] | None = None
    license: str | list[str] | None = None
    attribution: Text | None = None
    logo: Text | None = None
    service: dict[str, Any] | list[dict[str, Any]] | None = None


class Plugins(Block, frozen=True):
    """``plugins``. ``allow`` names the distributions whose code may run; None allows all that are installed."""

    allow: tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...] | None = None


class Server(Block, frozen=True):
    """``server``. ``gallery`` None shows it to this machine only. TLS needs both the certificate and the key file."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "localhost"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    gallery: bool | None = None
    cache_control: Line = "public, max-age=86400"
    max_header_bytes: Annotated[int, Meta(ge=1024, le=1_048_576)] = 32_768
    header_timeout: Seconds = 10
    tls_cert: str | None = None
    tls_key: str | None = None
    access_log: bool = True

    def __post_init__(self) -> None:
        """Refuse half of a TLS setting. Raises `ValueError`."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together; give both, or neither")
