"""What source and cache are told about their bucket: the keys beside ``name`` in the config."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from iiifkit import ConfigError
from msgspec import Meta, Struct

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}|arn:[A-Za-z0-9:/_.-]{1,2000}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_LONGEST_PREFIX = 512


class BucketOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the bucket is, how it is spoken to, and how long it may take.

    ``path`` is the bucket's name, ``prefix`` the part of it that is used. ``credentials`` says where they are found:
    ``env:``, ``iam:``, ``anon:``, ``shared:FILE:PROFILE`` or a profile's name. ``endpoint`` is the server's URL if it
    is not AWS. ``timeout``, in seconds, bounds each request with its ``retries``; ``concurrency`` bounds how many there
    are at once. ``checksums`` is botocore's ``request_checksum_calculation``.
    """

    path: str
    prefix: str = ""
    region: str = ""
    credentials: str = ""
    endpoint: str = ""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    checksums: Literal["when_supported", "when_required"] | None = None
    timeout: Annotated[float, Meta(gt=0, le=600)] = 10
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16


def check(options: BucketOptions, where: str) -> None:
    """Raise `ConfigError`, with the path below ``where``, for what cannot be a bucket or an endpoint."""
    if not _BUCKET.fullmatch(options.path):
        hint = "; what comes after the slash belongs into prefix" if "/" in options.path else ""
        raise ConfigError(f"expected the name of a bucket{hint}", f"{where}.path")
    prefix = options.prefix.strip("/")
    if _CONTROL.search(prefix) or len(prefix) > _LONGEST_PREFIX:
        raise ConfigError("expected a path in the bucket, such as photos/2024", f"{where}.prefix")
    if prefix and any(segment in ("", ".", "..") for segment in prefix.split("/")):
        raise ConfigError("no part of a prefix between slashes is empty, '.' or '..'", f"{where}.prefix")
    if options.endpoint and not _is_endpoint(options.endpoint):
        raise ConfigError(
            "expected a URL such as https://s3.example.org, without user, password and query", f"{where}.endpoint"
        )


def _is_endpoint(text: str) -> bool:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain = url.username is None and not url.query and not url.fragment and not re.search(r"[\s\\]", text)
    return url.scheme in ("http", "https") and bool(url.hostname) and port != 0 and plain
