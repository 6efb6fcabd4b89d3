"""The config: go-iiif's own words load, everything else is refused with its path and a hint."""

import copy
import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iiifkit import registry as registries
from iiifkit.config import (
    Config,
    allowed_plugins,
    check_overlap,
    default_cache_folder,
    default_config,
    load_config,
    parse_config,
    read_config,
)
from iiifkit.contracts import Location, location_of_folder
from iiifkit.errors import ConfigError, PluginError
from iiifkit.hookspecs import Environment, Offer
from iiifkit.image_api.feature_set import FeatureSet
from iiifkit.image_api.formats import FORMATS
from iiifkit.listing import plugin_rows
from iiifkit.plugins import discover
from iiifkit.registry import BarredPlugin, BrokenPlugin, Entry, Registry

EXAMPLE = Path(__file__).parent.parent / "config.example.json"


class Bucket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    prefix: str = ""
    region: str | None = None
    credentials: str = ""


class Mixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of many shapes, as a plugin may have them."""

    sizes: Annotated[tuple[Annotated[int, msgspec.Meta(gt=0)], ...], msgspec.Meta(max_length=2)] = ()
    inner: Bucket | None = None
    either: int | str | list[float] = 0
    by_name: dict[str, Bucket] = {}
    long_name: bool = msgspec.field(default=False, name="longName")
    even: int = 0

    def __post_init__(self) -> None:
        if self.even % 2:
            raise ValueError("even must be even")


class Flickr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    apikey: str
    apisecret: str = ""


class Primitive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_iterations: Annotated[int, msgspec.Meta(ge=1)] = 100


def build(options: Any, environment: Environment) -> tuple[Any, Environment]:
    return options, environment


def explode(options: Any, environment: Environment) -> None:
    raise RuntimeError("no powder in (/srv/powder)")


def entry(kind: str, name: str, distribution: str, offer: Offer[Any]) -> Entry:
    return Entry(name, kind, offer, distribution, "2.0")


CORE = discover([])
EXTRA = (
    entry("source", "S3", "iiifkit-s3", Offer(build, Bucket)),
    entry("cache", "S3", "iiifkit-s3", Offer(build, Bucket)),
    entry("source", "Flickr", "iiifkit-flickr", Offer(build, block="flickr", block_options=Flickr)),
    entry("quality", "primitive", "iiifkit-primitive", Offer(build, block="primitive", block_options=Primitive)),
    entry("source", "Mixed", "mixed", Offer(build, Mixed)),
    entry("source", "Explosive", "mixed", Offer(explode)),
)
FULL = Registry.of([*CORE.entries(), *EXTRA])

DITHER = {"syntax": "dither", "required": False, "supported": True, "match": "^dither$"}
JPG = {"syntax": "jpg", "required": True, "supported": True, "match": "^jpe?g$"}
PRIMITIVE = {
    "syntax": "primitive:mode,iterations,alpha",
    "required": False,
    "supported": True,
    "match": "^primitive\\:[0-5]\\,\\d+\\,\\d+$",
}
S3 = {"name": "S3", "path": "your.S3.bucket", "region": "us-east-1", "credentials": "default"}

README: dict[str, dict[str, Any]] = {
    "level": {"level": {"compliance": "2"}},
    "graphics": {"graphics": {"source": {"name": "VIPS"}}},
    "features": {"features": {"enable": {}, "disable": {"rotation": ["rotationArbitrary"]}, "append": {}}},
    "enable": {"features": {"enable": {"size": ["max"], "format": ["webp", "tif"]}}},
    "disable": {
        "features": {
            "disable": {"size": ["sizeByDistortedWh"], "rotation": ["rotationArbitrary"], "quality": ["bitonal"]}
        }
    },
    "append dither": {"features": {"append": {"quality": {"dither": DITHER}}}},
    "append jpg": {"features": {"append": {"format": {"jpg": JPG}}}},
    "images": {
        "images": {
            "source": {"name": "Disk", "path": "example/images"},
            "cache": {"name": "Memory", "ttl": 300, "limit": 100},
        }
    },
    "source Disk": {"images": {"source": {"name": "Disk", "path": "example/images"}}},
    "source Flickr": {
        "images": {"source": {"name": "Flickr"}, "cache": {"name": "Memory", "ttl": 60, "limit": 100}},
        "flickr": {"apikey": "YOUR-FLICKR-API-KEY"},
    },
    "source S3": {"images": {"source": S3}},
    "source URI": {"images": {"source": {"name": "URI", "path": "https://images.collection.cooperhewitt.org/{id}"}}},
    "images.cache Disk": {"images": {"cache": {"name": "Disk", "path": "example/cache"}}},
    "images.cache Memory": {"images": {"cache": {"name": "Memory", "ttl": 300, "limit": 100}}},
    "images.cache Null": {"images": {"cache": {"name": "Null"}}},
    "derivatives.cache Disk": {"derivatives": {"cache": {"name": "Disk", "path": "example/cache"}}},
    "derivatives.cache Memory": {"derivatives": {"cache": {"name": "Memory", "ttl": 300, "limit": 100}}},
    "derivatives.cache Null": {"derivatives": {"cache": {"name": "Null"}}},
    "derivatives.cache S3": {"derivatives": {"cache": S3}},
    "primitive": {
        "features": {"append": {"quality": {"primitive": PRIMITIVE}}},
        "primitive": {"max_iterations": 100},
    },
}

SAMPLE: dict[str, Any] = {
    "level": {"compliance": "2"},
    "graphics": {"source": {"name": "VIPS"}},
    "features": {
        "enable": {"size": ["max"], "format": ["webp", "tif", "gif"]},
        "disable": {"size": ["sizeByDistortedWh"], "rotation": ["rotationArbitrary"], "quality": ["bitonal"]},
        "append": {"quality": {"dither": DITHER}},
    },
    "images": {
        "source": {"name": "Disk", "path": "example/images"},
        "cache": {"name": "Memory", "ttl": 300, "limit": 100},
    },
    "derivatives": {"cache": {"name": "Disk", "path": "example/cache"}},
}


def feature_set(config: Config) -> FeatureSet:
    return FeatureSet.build(
        writes=frozenset(FORMATS),
        qualities=FULL.qualities,
        append=config.features.append,
        enable=config.features.enable,
        disable=config.features.disable,
        forced_level=config.forced_level,
        default_quality=config.features.default_quality,
    )


@pytest.mark.parametrize("raw", [*README.values(), SAMPLE], ids=[*README, "sample"])
def test_every_snippet_of_go_iiif_loads(raw: dict[str, Any]) -> None:
    config = load_config(raw, FULL)
    assert config.warnings == ()
    assert feature_set(config).offers("format", "jpg")


def test_the_sample_is_read_as_it_was_meant() -> None:
    config = load_config(SAMPLE, FULL)
    assert config.source.entry.name == "Disk"
    assert msgspec.to_builtins(config.source.options)["path"] == "example/images"
    assert config.images_cache.entry.name == "Memory"
    assert msgspec.to_builtins(config.images_cache.options) == {"ttl": 300, "limit": 100}
    assert config.derivatives_cache.entry.name == "Disk"
    assert config.features.enable == {"size": ("max",), "format": ("webp", "tif", "gif")}
    assert config.features.disable["quality"] == ("bitonal",)
    assert config.features.append["quality"]["dither"].match == "^dither$"
    assert list(config.qualities) == ["dither"]
    assert config.forced_level is None
    features = feature_set(config)
    assert not features.offers("quality", "bitonal")
    assert not features.offers("rotation", "rotationArbitrary")


@pytest.mark.parametrize(
    ("snippet", "expected"),
    [
        ("source S3", "images.source.name: the source 'S3' is not installed; install it with: pip install iiifkit-s3"),
        ("derivatives.cache S3", "derivatives.cache.name: the cache 'S3' is not installed; install it with: pip"),
        ("source Flickr", "pip install iiifkit-flickr"),
        ("primitive", "pip install iiifkit-primitive"),
    ],
)
def test_without_the_plugin_the_package_to_install_is_named(snippet: str, expected: str) -> None:
    with pytest.raises(PluginError) as raised:
        load_config(README[snippet], CORE)
    assert expected in str(raised.value)


def test_an_appended_quality_without_its_plugin_names_it_and_the_loaded_ones() -> None:
    raw = {"features": {"append": {"quality": {"sepia": {**DITHER, "match": "sepia"}}}}}
    with pytest.raises(ConfigError) as raised:
        load_config(raw, FULL)
    assert str(raised.value) == (
        "features.append.quality.sepia: there is no quality 'sepia'; loaded: dither, primitive"
    )
    raw["features"]["append"]["quality"]["sepia"]["supported"] = False
    assert load_config(raw, FULL).qualities == {}


def test_the_example_is_the_default() -> None:
    example = load_config(read_config(EXAMPLE), FULL)
    assert example == default_config(FULL)
    assert example == load_config(read_config(None), FULL)
    assert feature_set(example).offers("quality", "dither")


def test_the_default_works_with_the_core_alone() -> None:
    config = default_config(CORE)
    assert {choice.entry.distribution for choice in config.choices()} == {"iiifkit"}
    assert config.api.default_version == "2"
    assert config.limits.max_area == 100_000_000
    assert (config.limits.deadline, config.limits.queue) == (30, 256)
    assert (config.prepare.quality, config.prepare.tile) == (80, 256)
    assert (config.server.host, config.server.port, config.server.workers) == ("localhost", 8080, 1)
    assert config.features.default_quality == "color"
    assert msgspec.to_builtins(config.images_cache.options)["limit"] == 10_000


def test_a_cache_for_images_without_a_path_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    named = load_config({"images": {"cache": {"name": "disk", "ttl": 5}}}, FULL)
    options = msgspec.to_builtins(named.images_cache.options)
    assert Path(options["path"]) == Path("/somewhere/cache/iiifkit/images")
    assert (options["ttl"], options["limit"]) == (5, 10_000)
    with pytest.raises(ConfigError, match=r"^derivatives\.cache\.path: missing; expected text$"):
        load_config({"derivatives": {"cache": {"name": "Disk"}}}, FULL)


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "linux", "/x/iiifkit/images"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "linux", "/h/.cache/iiifkit/images"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches/iiifkit/images"),
        ({"LOCALAPPDATA": "/l", "HOME": "/h"}, "win32", "/l/iiifkit/images"),
    ],
)
def test_the_cache_folder_is_the_platforms(environ: dict[str, str], platform: str, folder: str) -> None:
    assert default_cache_folder(environ, platform) == Path(folder)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"imagse": {}}, "imagse: unknown key; did you mean images?"),
    ({"flikr": {}}, "flikr: unknown key; did you mean flickr?"),
    ({"zzz": {}}, "zzz: unknown key; there are: level, graphics, features, images"),
    ({"images": []}, "images: expected an object, found a list"),
    ({"images": {"sorce": {}}}, "images.sorce: unknown key; did you mean source?"),
    ({"images": {"source": "Disk"}}, "images.source: expected an object, found text"),
    ({"images": {"source": {"path": "x"}}}, "images.source.name: missing; expected the name of a source: Disk, "),
    ({"images": {"source": {"name": 7}}}, "images.source.name: expected text, found 7"),
    ({"images": {"source": {"name": "Dsik"}}}, "images.source.name: there is no source 'Dsik'; loaded: Disk, "),
    ({"images": {"source": {**S3, "prefxi": "a"}}}, "images.source.prefxi: unknown key; did you mean prefix?"),
    ({"images": {"source": {**S3, "path": None}}}, "images.source.path: expected text, found null"),
    ({"images": {"source": {**S3, "ttl": 7}}}, "images.source.ttl: unknown key; there is path, prefix, region, cred"),
    ({"images": {"source": {"name": "S3"}}}, "images.source.path: missing; expected text"),
    ({"images": {"cache": {"name": "Memory", "ttl": -1}}}, "images.cache.ttl: expected a number from 0, found -1"),
    ({"derivatives": {"cache": {"name": "Memory", "limit": "1"}}}, "derivatives.cache.limit: expected a number above"),
    ({"derivatives": {"source": {}}}, "derivatives.source: unknown key; there is cache"),
    ({"level": {"compliance": 2}}, 'level.compliance: expected "0", "1" or "2", found 2'),
    ({"level": {"compliance": "3"}}, 'level.compliance: expected "0", "1" or "2", found "3"'),
    ({"graphics": {"source": {"name": "VIPS", "tmpdir": 3}}}, "graphics.source.tmpdir: expected text or null, found 3"),
    ({"graphics": {"source": {"name": "VPIS"}}}, "graphics.source.name: there is no engine 'VPIS'; loaded: "),
    ({"features": {"enable": {"http": []}}}, "features.enable.http: unknown key; there is region, size, rotation"),
    ({"features": {"enable": {"size": "max"}}}, 'features.enable.size: expected a list, found "max"'),
    ({"features": {"disable": {"size": ["max", 3]}}}, "features.disable.size[1]: expected text, found 3"),
    ({"features": {"append": {"quality": {"dither": {}}}}}, "features.append.quality.dither.syntax: missing; expected"),
    (
        {"features": {"append": {"quality": {"dither": {**DITHER, "default": False}}}}},
        "features.append.quality.dither.default: unknown key; there is syntax, required, supported, match",
    ),
    (
        {"features": {"append": {"quality": {"dither": {**DITHER, "match": "(dither"}}}}},
        "features.append.quality.dither.match: expected a regular expression, but missing )",
    ),
    (
        {"features": {"append": {"quality": {"dither": {**DITHER, "supported": "yes"}}}}},
        'features.append.quality.dither.supported: expected true or false, found "yes"',
    ),
    (
        {"features": {"default_quality": ""}},
        "features.default_quality: expected text of 1 to 100 characters, found",
    ),
    ({"api": {"default_version": "4"}}, 'api.default_version: expected "2" or "3", found "4"'),
    ({"api": {"base_url": "ftp://example.org"}}, 'api.base_url: expected a URL such as "https://'),
    ({"api": {"base_url": "https://"}}, 'api.base_url: expected a URL such as "https://'),
    ({"api": {"base_url": "https://example.org:99999"}}, 'api.base_url: expected a URL such as "https://'),
    ({"api": {"base_url": "https://exa mple.org"}}, 'api.base_url: expected a URL such as "https://'),
    ({"api": {"base_url": "https://[::1"}}, 'api.base_url: expected a URL such as "https://'),
    ({"api": {"base_url": "https://me:secret@example.org"}}, "api.base_url: expected a URL without a user and pass"),
    ({"api": {"base_url": "https://example.org/?a"}}, "api.base_url: a base URL has neither a query nor a fragment"),
    ({"api": {"base_url": 7}}, "api.base_url: expected text or null, found 7"),
    ({"api": {"trusted_proxies": "*"}}, 'api.trusted_proxies: expected a list, found "*"'),
    ({"api": {"trusted_proxies": ["*"]}}, 'api.trusted_proxies[0]: "*" would believe anyone; list the'),
    ({"api": {"trusted_proxies": ["10.1.2.3/8"]}}, "api.trusted_proxies[0]: the address lies inside a network; write"),
    ({"api": {"trusted_proxies": ["10.0.0.1", "me"]}}, "api.trusted_proxies[1]: expected an IP address or a network"),
    ({"limits": {"max_with": 1}}, "limits.max_with: unknown key; did you mean max_width?"),
    ({"limits": {"max_width": 0}}, "limits.max_width: expected a whole number from 1 or null, found 0"),
    ({"limits": {"max_width": 1.5}}, "limits.max_width: expected a whole number from 1 or null, found 1.5"),
    ({"limits": {"max_width": True}}, "limits.max_width: expected a whole number from 1 or null, found true"),
    ({"limits": {"max_width": 10**50}}, "limits.max_width: expected a whole number from 1 or null, found a number th"),
    ({"limits": {"max_source_pixels": {"jgp": 1}}}, "limits.max_source_pixels: 'jgp' is no format; there is avif, d"),
    ({"limits": {"max_source_pixels": {"jpg": -1}}}, "limits.max_source_pixels.jpg: expected a whole number from 1"),
    ({"limits": {"deadline": 0}}, "limits.deadline: expected a number above 0"),
    ({"limits": {"deadline": None}}, "limits.deadline: expected a number above 0"),
    ({"limits": {"queue": -1}}, "limits.queue: expected a whole number from 0 to 1000000, found -1"),
    ({"limits": {"memory": 1}}, "limits.memory: expected a number of megabytes from 64, found 1"),
    ({"formats": {"read": []}}, "formats.read: expected a list of at least 1, found 0"),
    ({"formats": {"read": ["jpg", "JPEG"]}}, 'formats.read[1]: expected "jpg", "png", "webp", "tif", "gif", "avif"'),
    ({"formats": {"read": ["svg"]}}, 'formats.read[0]: expected "jpg"'),
    ({"encode": {"jpeg": {}}}, "encode.jpeg: unknown key; did you mean jpg?"),
    ({"encode": {"jpg": {"quality": 101}}}, "encode.jpg.quality: expected a whole number from 1 to 100, found 101"),
    ({"prepare": {"quality": 90}}, "prepare.quality: expected a whole number from 1 to 89, found 90"),
    ({"prepare": {"tile": 100}}, "prepare.tile: expected a whole number from 128 to 1024, a multiple of 16, found 100"),
    ({"prepare": {"tile": 250}}, "prepare.tile: expected a whole number from 128 to 1024, a multiple of 16, found 250"),
    ({"info": {"rights": 3}}, "info.rights: expected text of at most 2000 characters or null, found 3"),
    ({"info": {"service": ["x"]}}, 'info.service[0]: expected an object, found "x"'),
    ({"plugins": {"allow": "x"}}, 'plugins.allow: expected a list or null, found "x"'),
    ({"plugins": {"alow": []}}, "plugins.alow: unknown key; did you mean allow?"),
    ({"server": {"port": 65_536}}, "server.port: expected a whole number from 0 to 65535, found 65536"),
    ({"server": {"port": "8080"}}, 'server.port: expected a whole number from 0 to 65535, found "8080"'),
    ({"server": {"workers": 0}}, "server.workers: expected a whole number from 1 to 256, found 0"),
    ({"server": {"cache_control": "a\r\nb: c"}}, "server.cache_control: expected one line of plain ASCII text, found"),
    ({"server": {"cache_control": "a\n"}}, "server.cache_control: expected one line of plain ASCII text, found"),
    ({"server": {"tls_cert": "a.pem"}}, "server: tls_cert and tls_key go together; give both, or neither"),
    ({"server": {"max_header_bytes": 0}}, "server.max_header_bytes: expected a whole number from 1024 to 1048576"),
    ({"flickr": {}}, "flickr.apikey: missing; expected text"),
    ({"flickr": {"apikey": 123456}}, "flickr.apikey: expected text, found a number"),
    ({"primitive": {"max_iteration": 3}}, "primitive.max_iteration: unknown key; did you mean max_iterations?"),
    ({"images": {"source": {"name": "Mixed", "sizes": [1, 0]}}}, "images.source.sizes[1]: expected a whole number abo"),
    (
        {"images": {"source": {"name": "Mixed", "sizes": [1, 2, 3]}}},
        "images.source.sizes: expected a list of at most 2",
    ),
    ({"images": {"source": {"name": "Mixed", "inner": {}}}}, "images.source.inner.path: missing; expected text"),
    ({"images": {"source": {"name": "Mixed", "inner": 3}}}, "images.source.inner: expected an object or null, found 3"),
    ({"images": {"source": {"name": "Mixed", "either": ["a"]}}}, "images.source.either[0]: expected a number, found"),
    ({"images": {"source": {"name": "Mixed", "either": {}}}}, "images.source.either: expected a whole number, text or"),
    ({"images": {"source": {"name": "Mixed", "by_name": {"a": {"x": 1}}}}}, "images.source.by_name.a.x: unknown key"),
    (
        {"images": {"source": {"name": "Mixed", "long_name": True}}},
        "images.source.long_name: unknown key; did you mean",
    ),
    ({"images": {"source": {"name": "Mixed", "even": 3}}}, "images.source: even must be even"),
    ({"profile": {"services": {"enable": ["palette"]}}}, "profile: iiifkit computes no palettes or hashes; "),
    ({"blurhash_service": {"x": 8}}, "blurhash_service: iiifkit computes no blurhashes; "),
    ({"imagehash_service": {}}, "imagehash_service: iiifkit computes no image hashes; "),
    ({"palette_service": {}}, "palette_service: iiifkit computes no palettes; "),
    (
        {"graphics": {"driver": "vips://"}},
        'graphics.driver: iiifkit reads go-iiif\'s 2016 form; write "source": {"name": "V',
    ),
    (
        {"graphics": {"driver": "native://"}},
        'graphics.driver: iiifkit reads go-iiif\'s 2016 form; write "source": {"name": "P',
    ),
]

NEWER_URIS = [
    ("images.source", "file:///a/b%20c", '"source": {"name": "Disk", "path": "/a/b c"}'),
    (
        "images.source",
        "rfc6570://?template=https://a.org/{id}",
        '"source": {"name": "URI", "path": "https://a.org/{id}"}',
    ),
    ("images.source", "flickr://?client-uri=oauth1://?consumer_key=hidden", '"source": {"name": "Flickr"}'),
    (
        "images.source",
        "s3blob://bucket?region=eu&prefix=p/&credentials=iam:",
        '"source": {"name": "S3", "path": "bucket", "prefix": "p/", "region": "eu", "credentials": "iam:"}',
    ),
    ("images.cache", "memory://", '"cache": {"name": "Memory", "ttl": 300, "limit": 100}'),
    ("derivatives.cache", "file:///cache", '"cache": {"name": "Disk", "path": "/cache"}'),
    ("derivatives.cache", "s3://bucket", '"cache": {"name": "S3", "path": "bucket"}'),
    ("derivatives.cache", "null://", '"cache": {"name": "Null"}'),
    ("images.source", "mem://", "it has no source like this one"),
    ("images.source", "file://[", "it has no source like this one"),
]


@pytest.mark.parametrize(("raw", "expected"), REFUSED, ids=[expected.partition(" ")[0] for _, expected in REFUSED])
def test_what_is_wrong_is_named_with_its_path(raw: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(raw, FULL)
    assert str(raised.value).startswith(expected)
    assert raised.value.path == expected.partition(":")[0]


@pytest.mark.parametrize(("path", "uri", "expected"), NEWER_URIS)
def test_newer_go_iiif_is_told_the_2016_form(path: str, uri: str, expected: str) -> None:
    block, _, key = path.partition(".")
    for form in ({"uri": uri}, {"uri": uri, "name": "Disk" if key == "source" else "Null"}):
        with pytest.raises(ConfigError) as raised:
            load_config({block: {key: form}}, FULL)
        assert raised.value.path == f"{path}.uri"
        assert expected in str(raised.value)
        assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(("path", "expected"), [(path, said) for path, _, said in NEWER_URIS if said.startswith('"')])
def test_what_newer_go_iiif_is_told_to_write_is_read(path: str, expected: str) -> None:
    block = path.partition(".")[0]
    assert load_config({block: json.loads(f"{{{expected}}}")}, FULL).warnings == ()


def test_go_iiifs_keys_that_are_not_used_are_dropped_with_a_warning() -> None:
    raw = {
        "images": {
            "source": {"name": "Disk", "path": "x", "region": "us", "credentials": "hidden", "tmpdir": "t"},
            "cache": {"name": "Memory", "ttl": 1, "limit": 2, "path": "x"},
        },
        "derivatives": {"cache": {"name": "Null", "ttl": 300}},
    }
    config = load_config(raw, FULL)
    assert config.warnings == (
        "images.source.credentials: Disk does not use it",
        "images.source.region: Disk does not use it",
        "images.source.tmpdir: Disk does not use it",
        "images.cache.path: Memory does not use it",
        "derivatives.cache.ttl: Null does not use it",
    )


def test_names_and_whatever_the_plugins_call_themselves_ignore_case() -> None:
    config = load_config({"images": {"source": {**S3, "name": "s3"}, "cache": {"name": "NULL"}}}, FULL)
    assert (config.source.entry.name, config.images_cache.entry.name) == ("S3", "Null")
    assert config.source.options == Bucket("your.S3.bucket", region="us-east-1", credentials="default")


def test_a_plugin_gets_its_options_and_its_own_block() -> None:
    raw = copy.deepcopy(README["source Flickr"])
    raw["graphics"] = {"source": {"name": "VIPS", "tmpdir": "/big/tmp"}}
    raw["limits"] = {"max_source_bytes": 1000}
    raw["encode"] = {"jpg": {"quality": 33}}
    config = load_config(raw, FULL)
    _, environment = config.build("source", config.source)
    assert environment.block == Flickr("YOUR-FLICKR-API-KEY")
    assert (environment.role, environment.temporary_folder, environment.max_source_bytes) == (
        "source",
        "/big/tmp",
        1000,
    )
    assert environment.encode.jpg.quality == 33
    assert config.build("images", load_config({"images": {"source": {"name": "Flickr"}}}, FULL).source)[1].block is None


def test_a_plugin_that_does_not_start_is_blamed() -> None:
    config = load_config({"images": {"source": {"name": "Explosive"}}}, FULL)
    with pytest.raises(PluginError) as raised:
        config.build("source", config.source)
    assert str(raised.value) == "The source Explosive of mixed 2.0 does not start: RuntimeError: no powder in."


def test_quality_plugins_are_switched_on_by_append_with_their_block() -> None:
    config = load_config(README["primitive"], FULL)
    assert list(config.qualities) == ["primitive"]
    assert config.qualities["primitive"].block == Primitive(100)
    redefined = {"features": {"append": {"quality": {"gray": {**DITHER, "match": "gr[ae]y"}}}}}
    assert load_config(redefined, FULL).qualities == {}


@pytest.mark.parametrize(("level", "forced"), [("0", 0), ("1", 1), ("2", None)])
def test_levels_0_and_1_are_published_and_append_nothing_by_themselves(level: str, forced: int | None) -> None:
    config = load_config({"level": {"compliance": level}}, FULL)
    assert config.forced_level == forced
    assert bool(config.qualities) is (forced is None)


def test_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("BUCKET", "photos")
    monkeypatch.setenv("ON", "false")
    monkeypatch.setenv("WIDTHS", "64")
    raw = {
        "images": {"source": {"name": "S3", "path": {"$env": "BUCKET"}}},
        "server": {"port": {"$env": "PORT"}, "access_log": {"$env": "ON"}, "host": {"$env": "PORT"}},
        "limits": {"max_source_pixels": {"default": {"$env": "WIDTHS"}}, "max_width": {"$env": "WIDTHS"}},
        "info": {"service": {"label": [{"$env": "BUCKET"}]}},
    }
    config = load_config(raw, FULL)
    assert config.source.options == Bucket("photos")
    assert (config.server.port, config.server.host, config.server.access_log) == (9000, "9000", False)
    assert config.limits.max_source_pixels == {"default": 64}
    assert config.limits.max_width == 64
    assert config.info.service == {"label": ["photos"]}
    assert type(config.info.service["label"][0]) is str
    assert type(config.server.host) is str


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"$env": "NOT_SET_ANYWHERE"}, "server.port: the environment variable NOT_SET_ANYWHERE is not set"),
        (
            {"$env": "PASSPHRASE"},
            "server.port: expected a whole number from 0 to 65535, found something else in the env",
        ),
        ({"$env": 3}, "server.port.$env: expected the name of an environment variable, found a number"),
        ({"$env": "PASSPHRASE", "default": 1}, 'server.port: {"$env": "NAME"} must stand alone'),
    ],
)
def test_wrong_values_from_the_environment(monkeypatch: pytest.MonkeyPatch, value: Any, expected: str) -> None:
    monkeypatch.setenv("PASSPHRASE", "open sesame")
    with pytest.raises(ConfigError) as raised:
        load_config({"server": {"port": value}}, FULL)
    assert str(raised.value).startswith(expected)
    assert "sesame" not in str(raised.value)


def test_texts_in_the_file_are_no_numbers_even_beside_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    with pytest.raises(ConfigError, match=r"^server\.workers: "):
        load_config({"server": {"port": {"$env": "PORT"}, "workers": "2"}}, FULL)


def test_overrides_replace_values_by_path() -> None:
    raw = {"images": {"source": {"name": "S3", "path": "b"}}, "server": {"port": 1}}
    before = copy.deepcopy(raw)
    config = load_config(
        raw, FULL, {"server.port": 2, "images.source": {"name": "Disk", "path": "p"}, "info.rights": "r"}
    )
    assert (config.server.port, config.source.entry.name, config.info.rights) == (2, "Disk", "r")
    assert raw == before
    with pytest.raises(ConfigError, match=r"^server\.prot: unknown key"):
        load_config(raw, FULL, {"server.prot": 2})
    with pytest.raises(ConfigError, match=r"^server\.port: expected an object, found a number"):
        load_config(raw, FULL, {"server.port.number": 2})


def test_the_allow_list_is_known_before_anything_else() -> None:
    raw = {"plugins": {"allow": ["iiifkit-s3"]}, "unknown": {"$env": "NOT_SET_ANYWHERE"}}
    assert allowed_plugins(raw) == ("iiifkit-s3",)
    assert allowed_plugins({}) is None
    assert allowed_plugins({"plugins": {"allow": []}}) == ()
    with pytest.raises(ConfigError, match=r"^plugins\.allow"):
        allowed_plugins({"plugins": {"allow": 3}})


def test_an_allowed_plugin_that_is_not_there_is_a_warning() -> None:
    config = load_config({"plugins": {"allow": ["Iiifkit_S3", "iiifkit-zoom"]}}, FULL)
    assert config.warnings == ("plugins.allow: iiifkit-zoom is not installed, or has no plugin for iiifkit",)


def test_normalized_values() -> None:
    raw = {
        "api": {"base_url": "https://a.org/iiif//", "trusted_proxies": ["10.0.0.0/8", "::1"]},
        "formats": {"read": ["png", "jpg", "png"]},
    }
    config = load_config(raw, FULL)
    assert config.api.base_url == "https://a.org/iiif"
    assert [str(network) for network in config.api.proxies] == ["10.0.0.0/8", "::1/128"]
    assert config.formats.read == ("png", "jpg")


@pytest.mark.parametrize(
    ("given", "pixels"),
    [
        (5, {"jpg": 5, "webp": 5}),
        (None, {"jpg": None, "webp": None}),
        ({"jpg": 7}, {"jpg": 7, "webp": 120_000_000, "tif": 1_000_000_000}),
        ({"jpg": 7, "default": 9}, {"jpg": 7, "webp": 9}),
        ({"jpg": None}, {"jpg": None}),
    ],
)
def test_source_pixels_by_format(given: Any, pixels: dict[str, int | None]) -> None:
    limits = load_config({"limits": {"max_source_pixels": given}}, FULL).limits
    assert {name: limits.source_pixels(name) for name in pixels} == pixels


def test_the_cores_blocks_are_known_to_the_registry() -> None:
    raw = read_config(EXAMPLE)
    assert tuple(raw) == registries.CORE_BLOCKS


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"level": \n  {"compliance" "2"}}',
            "The config file is not JSON: Expecting ':' delimiter at line 2, column 17.",
        ),
        (b"", "The config file is not JSON: Expecting value at line 1, column 1."),
        (b"[]", "The config file must hold a JSON object, not a list."),
        (b'{"a": NaN}', "The config file is not JSON: NaN is not a JSON number."),
        (b'{"a": "\xff"}', "The config file is not UTF-8: byte 7 does not belong there."),
        (
            b'{"images": {"cache": [{}, {"a": 1, "b": 2, "a": 3}]}}',
            "images.cache[1].a: the key stands twice in one object",
        ),
        (b'{"a": 1, "a": 1}', "a: the key stands twice in one object"),
        (b"[" * 100_000, "The config file nests deeper than 32 levels."),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "The config nests deeper than 32 levels."),
        (b'{"a": ' + b"9" * 5000 + b"}", "The config file is not JSON: "),
    ],
)
def test_files_that_are_no_config(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as raised:
        read_config(path)
    assert str(raised.value).startswith(expected)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * 1_000_001)
    for path, expected in [
        (tmp_path, "is a folder; name the JSON file in it."),
        (tmp_path / "none.json", "There is no config file 'none.json'."),
        (tmp_path / ("x" * 300), "cannot be read: "),
        (large, "The config file 'large.json' is larger than 1000000 bytes."),
        (Path("a\0b"), "config file 'a\N{REPLACEMENT CHARACTER}b'"),
        (Path("/dev/zero"), "The config file 'zero' is not a regular file."),
    ]:
        with pytest.raises(ConfigError) as raised:
            read_config(path)
        assert expected in str(raised.value)
        assert str(tmp_path) not in str(raised.value)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse_config(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_cache_on_top_of_the_originals_stops_start_up(tmp_path: Path) -> None:
    source = location_of_folder(tmp_path / "images")
    for folder, where in [("images", "lies in the place"), ("images/cache", "inside the place"), (".", "around the")]:
        with pytest.raises(ConfigError) as raised:
            check_overlap(source, {"images.cache": None, "derivatives.cache": location_of_folder(tmp_path / folder)})
        assert raised.value.path == "derivatives.cache"
        assert where in str(raised.value)
        assert str(tmp_path) not in str(raised.value)
    both = location_of_folder(tmp_path / "cache")
    check_overlap(source, {"images.cache": both, "derivatives.cache": both})
    check_overlap(None, {"images.cache": source})
    hiding = location_of_folder(tmp_path / "images", hides=True)
    check_overlap(hiding, {"images.cache": location_of_folder(tmp_path / "images" / ".cache" / "iiifkit")})
    with pytest.raises(ConfigError):
        check_overlap(source, {"images.cache": location_of_folder(tmp_path / "images" / ".cache")})
    with pytest.raises(ConfigError):
        check_overlap(hiding, {"images.cache": location_of_folder(tmp_path)})
    check_overlap(location_of_folder(Path("/srv/a")), {"images.cache": Location("s3://bucket", "")})
    check_overlap(
        Location("s3://bucket", "originals"), {"derivatives.cache": Location("s3://bucket", "originals-small")}
    )
    with pytest.raises(ConfigError):
        check_overlap(Location("s3://bucket", ""), {"derivatives.cache": Location("s3://bucket", "cache")})


def test_the_folders_of_the_config_overlap_as_the_built_things_say(tmp_path: Path) -> None:
    def checked(source: str, cache: str) -> None:
        raw = {
            "images": {"source": {"name": "Disk", "path": str(tmp_path / source)}, "cache": {"name": "Null"}},
            "derivatives": {"cache": {"name": "Disk", "path": str(tmp_path / cache)}},
        }
        (tmp_path / source).mkdir(parents=True, exist_ok=True)
        config = load_config(raw, FULL)
        built = config.build("source", config.source)
        caches = {
            "images.cache": config.build("images", config.images_cache).location,
            "derivatives.cache": config.build("derivatives", config.derivatives_cache).location,
        }
        check_overlap(built.location, caches)

    checked("example/images", "example/cache")
    with pytest.raises(ConfigError):
        checked("example/images", "example/images/cache")


def test_plugin_rows() -> None:
    registry = Registry.of(
        FULL.entries(), [BrokenPlugin("bad", "1", "point", "it burns")], [BarredPlugin("barred", "1", "other")]
    )
    config = load_config(README["source S3"], registry)
    rows = plugin_rows(registry, config)
    assert len(rows) == len(FULL.entries()) + 2
    used = {(row["kind"], row["name"]) for row in rows if row["used"]}
    assert used == {("source", "S3"), ("cache", "Disk"), ("cache", "Memory"), ("engine", "VIPS"), ("quality", "dither")}
    assert rows[-2]["broken"] == "it burns"
    assert rows[-1]["broken"] == "plugins.allow does not list it"
    assert {frozenset(row) for row in rows} == {
        frozenset({"name", "kind", "distribution", "version", "used", "summary", "broken"})
    }
    assert json.loads(json.dumps(rows)) == rows
    assert {row["used"] for row in plugin_rows(FULL, None)} == {None}


patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    return found


WHOLE = read_config(EXAMPLE) | {"flickr": {"apikey": "k"}, "primitive": {"max_iterations": 3}, "$env": {"$env": "x"}}


@patient
@given(st.dictionaries(st.sampled_from([*WHOLE, "profile", "other"]), JSON, max_size=4))
def test_any_json_is_loaded_or_refused_in_words(raw: dict[str, Any]) -> None:
    try:
        load_config(raw, FULL)
    except (ConfigError, PluginError) as error:
        assert str(error).isprintable()


@settings(patient, max_examples=300)
@given(st.sampled_from(paths(WHOLE)), JSON, st.text(max_size=8))
def test_any_value_at_any_key_is_loaded_or_refused_in_words(path: tuple[str, ...], value: Any, key: str) -> None:
    raw = copy.deepcopy(read_config(EXAMPLE))
    inner = raw
    for step in path[:-1]:
        inner = inner.setdefault(step, {})
    for changed in (path[-1], key):
        inner[changed] = value
        try:
            load_config(raw, FULL)
        except (ConfigError, PluginError) as error:
            assert str(error).isprintable()


@patient
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_parsed_or_refused_in_words(data: bytes) -> None:
    try:
        assert isinstance(parse_config(data), dict)
    except ConfigError as error:
        assert str(error).isprintable()
