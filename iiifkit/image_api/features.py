"""The one table of features (compliance documents of 2.1 and 3.0).

Names, syntax and match are the vocabulary of everything else: requests are validated with them, the config enables,
disables and appends them, ``dump-config`` prints them and info.json publishes them.
"""

import re

import msgspec

PARAMETERS = ("region", "size", "rotation", "quality", "format")

NEVER = 9
"""A level that does not exist: the feature is optional everywhere."""


class Feature(msgspec.Struct, frozen=True):
    """One feature. ``level2`` and ``level3`` are the lowest compliance levels that require it in 2.1 and 3.0.

    None in either means that the version does not know the feature.
    """

    parameter: str
    name: str
    syntax: str
    match: str
    level2: int | None = NEVER
    level3: int | None = NEVER

    def level(self, version: int) -> int | None:
        """Return the lowest level that requires the feature in API version 2 or 3; None if it is unknown there."""
        return self.level2 if version == 2 else self.level3


_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"

TABLE = (
    Feature("region", "full", "full", r"full", 0, 0),
    Feature("region", "regionByPx", "x,y,w,h", r"[0-9]+,[0-9]+,[0-9]+,[0-9]+", 1, 1),
    Feature("region", "regionByPct", "pct:x,y,w,h", rf"pct:{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}", 2, 2),
    Feature("region", "regionSquare", "square", r"square", NEVER, 1),
    Feature("size", "full", "full", r"full", 0, None),
    Feature("size", "max", "max", r"max", NEVER, 0),
    Feature("size", "sizeByW", "w,", r"[0-9]+,", 1, 1),
    Feature("size", "sizeByH", ",h", r",[0-9]+", 1, 1),
    Feature("size", "sizeByPct", "pct:n", rf"pct:{_NUMBER}", 1, 2),
    Feature("size", "sizeByConfinedWh", "!w,h", r"![0-9]+,[0-9]+", 2, 2),
    Feature("size", "sizeByWh", "w,h", r"[0-9]+,[0-9]+", 2, 1),
    Feature("size", "sizeByDistortedWh", "w,h", r"[0-9]+,[0-9]+", 2, None),
    Feature("size", "sizeUpscaling", "^", r"\^.+", NEVER, NEVER),
    Feature("rotation", "none", "0", r"0", 0, 0),
    Feature("rotation", "rotationBy90s", "90,180,270", r"90|180|270", 2, 2),
    Feature("rotation", "rotationArbitrary", "n", _NUMBER, NEVER, NEVER),
    Feature("rotation", "mirroring", "!n", rf"!{_NUMBER}", NEVER, NEVER),
    Feature("quality", "default", "default", r"default", 0, 0),
    Feature("quality", "color", "color", r"color", NEVER, NEVER),
    Feature("quality", "gray", "gray", r"gray", NEVER, NEVER),
    Feature("quality", "bitonal", "bitonal", r"bitonal", 2, NEVER),
    Feature("format", "jpg", "jpg", r"jpg", 0, 0),
    Feature("format", "png", "png", r"png", 2, 2),
    Feature("format", "tif", "tif", r"tif"),
    Feature("format", "gif", "gif", r"gif"),
    Feature("format", "webp", "webp", r"webp"),
    Feature("format", "jp2", "jp2", r"jp2"),
    Feature("format", "pdf", "pdf", r"pdf"),
    Feature("format", "avif", "avif", r"avif", None, None),
    Feature("http", "baseUriRedirect", "", "", 1, 1),
    Feature("http", "cors", "", "", 1, 1),
    Feature("http", "jsonldMediaType", "", "", 1, 1),
    Feature("http", "profileLinkHeader", "", ""),
    Feature("http", "canonicalLinkHeader", "", ""),
)

FEATURES = {(feature.parameter, feature.name): feature for feature in TABLE}

ALIASES = {"sizeAboveFull": "sizeUpscaling"}
"""2.1's name for enlarging; both names stand for one switch."""

UNNAMED = frozenset({"full", "max", "none"})
"""Names that only the config uses: the specification has none for these, so info.json cannot list them."""

PATTERNS = {key: re.compile(feature.match, re.ASCII) for key, feature in FEATURES.items()}


def identify(parameter: str, text: str, version: int) -> str | None:
    """Return the name of the standard feature that ``text`` is written in; None if it is none of them."""
    for feature in TABLE:
        known = feature.parameter == parameter and feature.level(version) is not None
        if known and PATTERNS[parameter, feature.name].fullmatch(text):
            return feature.name
    return None
