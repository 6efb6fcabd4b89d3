"""The formats of the specification: names, media types, and what each can hold (Image API 4.5)."""

import msgspec

LONGEST_SIDE = 10_000_000
"""Pixels of the longest side that libvips promises to handle."""


class Format(msgspec.Struct, frozen=True):
    """One image format. ``max_side`` is the longest side, in pixels, that it can store and engines can make."""

    name: str
    media_type: str
    alpha: bool
    max_side: int = LONGEST_SIDE
    animated: bool = False


FORMATS = {
    format.name: format
    for format in (
        Format("jpg", "image/jpeg", alpha=False, max_side=65_500),
        Format("png", "image/png", alpha=True),
        Format("tif", "image/tiff", alpha=True),
        Format("gif", "image/gif", alpha=True, max_side=65_535, animated=True),
        Format("webp", "image/webp", alpha=True, max_side=16_383, animated=True),
        Format("jp2", "image/jp2", alpha=True),
        Format("pdf", "application/pdf", alpha=False, max_side=14_400),
        Format("avif", "image/avif", alpha=True, max_side=16_384),
    )
}


def recognize(head: bytes) -> str | None:
    """Return the name of the format that a file's first 32 bytes announce; None if they announce none.

    ``svg`` and ``pdf`` are recognized too, so that they can be refused by name.
    """
    for name, signatures in _SIGNATURES.items():
        if head.startswith(signatures):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and any(brand in head[8:32] for brand in (b"avif", b"avis")):
        return "avif"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "svg" if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")) else None


_SIGNATURES: dict[str, bytes | tuple[bytes, ...]] = {
    "jpg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n",
    "gif": (b"GIF87a", b"GIF89a"),
    "tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "pdf": b"%PDF-",
}
