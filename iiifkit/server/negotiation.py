"""Which media type an info.json is sent as (2.1 5.1, 3.0 5.1), and whether a client's copy is still good."""

from ..image_api.info import CONTEXTS

JSON = "application/json"
JSON_LD = "application/ld+json"
MEDIA_TYPES = {2: JSON, 3: f'{JSON_LD};profile="{CONTEXTS[3]}"'}


def info_media_type(accept: str, version: int) -> str:
    """Return the media type for an Accept header; ``*/*`` and what browsers send count as no preference."""
    ranges = _ranges(accept[:2000])
    json_quality, linked_quality = ranges.get(JSON, 0.0), ranges.get(JSON_LD, 0.0)
    if version == 2:
        return JSON_LD if linked_quality and linked_quality >= json_quality else JSON
    anything = ranges.get("application/*", ranges.get("*/*", 0.0))
    return JSON if ranges.get(JSON, anything) > ranges.get(JSON_LD, anything) else MEDIA_TYPES[3]


def _ranges(accept: str) -> dict[str, float]:
    ranges = {}
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = min(1.0, max(0.0, float(parameter[2:])))
                except ValueError:
                    quality = 0.0
        ranges[name] = quality
    return ranges


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether an If-None-Match header names the ETag; the comparison is the weak one."""
    if if_none_match.strip() == "*":
        return True
    bare = etag.removeprefix("W/")
    return any(candidate.strip().removeprefix("W/") == bare for candidate in if_none_match.split(","))
