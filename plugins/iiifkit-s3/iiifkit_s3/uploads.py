"""Putting objects: small ones at once, large ones in parts, and none is seen before it is whole."""

import io
import logging
from typing import Any, BinaryIO

from iiifkit import CacheError, Overloaded, SourceError

from .bucket import Bucket

LARGEST_PUT = 8 * 1024 * 1024
"""Bytes that are sent at once; a larger object is sent in parts of at least this size."""

_MOST_PARTS = 10_000

logger = logging.getLogger("iiifkit")


def upload(bucket: Bucket, key: str, data: bytes | BinaryIO, size: int, **headers: Any) -> None:
    """Put an object of ``size`` bytes. ``headers`` are botocore's parameters, such as ``ContentType``.

    Raises a `SourceError`, `Overloaded`, or `CacheError` if the file does not have these bytes; nothing is kept then.
    """
    if size <= LARGEST_PUT:
        body = data if isinstance(data, bytes) else _read(data, size)
        bucket.ask("put_object", _nothing, Key=key, Body=body, **headers)
        return
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    number: str = bucket.ask("create_multipart_upload", lambda answer: answer["UploadId"], Key=key, **headers)
    try:
        parts = _send(bucket, key, number, stream, size)
        bucket.ask("complete_multipart_upload", _nothing, Key=key, UploadId=number, MultipartUpload={"Parts": parts})
    except BaseException:
        _abort(bucket, key, number)
        raise


def _send(bucket: Bucket, key: str, number: str, stream: BinaryIO, size: int) -> list[dict[str, Any]]:
    length = max(LARGEST_PUT, -(-size // _MOST_PARTS))
    parts = []
    for index, start in enumerate(range(0, size, length), 1):
        body = _read(stream, min(length, size - start))
        etag = bucket.ask(
            "upload_part", lambda answer: answer["ETag"], Key=key, UploadId=number, PartNumber=index, Body=body
        )
        parts.append({"PartNumber": index, "ETag": etag})
    return parts


def _read(stream: BinaryIO, length: int) -> bytes:
    try:
        data = stream.read(length)
    except OSError as error:
        raise CacheError("The file to be cached cannot be read.") from error
    if len(data) != length:
        raise CacheError("The file to be cached changed while it was read.")
    return data


def _abort(bucket: Bucket, key: str, number: str) -> None:
    try:
        bucket.without_rest().ask("abort_multipart_upload", _nothing, Key=key, UploadId=number)
    except (SourceError, Overloaded) as error:
        logger.warning("Parts of an unfinished upload stay in the bucket: %s", error)


def _nothing(_: object) -> None:
    return None
