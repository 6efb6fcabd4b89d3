"""Looking at a bucket past the plugin: plain requests of botocore."""

from typing import Any

from between import Request
from botocore.session import Session
from seaweed import KEY, SECRET

from iiifkit_s3.options import BucketOptions

_clients: dict[str, Any] = {}


def client(endpoint: str) -> Any:
    """A client for a server, made once."""
    if endpoint not in _clients:
        _clients[endpoint] = Session().create_client(
            "s3", "us-east-1", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET
        )
    return _clients[endpoint]


def full_key(options: BucketOptions, name: str) -> str:
    return f"{options.prefix}/{name}" if options.prefix else name


def put(options: BucketOptions, name: str, data: bytes, **more: Any) -> None:
    client(options.endpoint).put_object(Bucket=options.path, Key=full_key(options, name), Body=data, **more)


def head(options: BucketOptions, name: str) -> Any:
    return client(options.endpoint).head_object(Bucket=options.path, Key=full_key(options, name))


def names(options: BucketOptions) -> list[str]:
    """The keys below the prefix, without it."""
    prefix = full_key(options, "")
    pages = client(options.endpoint).get_paginator("list_objects_v2").paginate(Bucket=options.path, Prefix=prefix)
    return [entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", ())]


def relisted(name: str, other: str) -> Any:
    """What a server between does so that a listing shows another name in the place of one."""

    def change(_: Request, headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        return kept, body.replace(f"<Key>{name}<".encode(), f"<Key>{other}<".encode())

    return change


def emptied(options: BucketOptions) -> None:
    for name in names(options):
        client(options.endpoint).delete_object(Bucket=options.path, Key=full_key(options, name))
