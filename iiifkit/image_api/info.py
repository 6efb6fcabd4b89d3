"""info.json, in 2.1 and 3.0 (section 5 of both)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from .feature_set import FeatureSet
from .formats import FORMATS
from .geometry import Limits
from .image import ImageInfo
from .tiles import scale_factors, sizes, tile_size

LONGEST_SIDE = FORMATS["jpg"].max_side
"""Sizes with longer sides are not listed, because jpg, which every level has, cannot hold them."""

PROTOCOL = "http://iiif.io/api/image"
CONTEXTS = {2: "http://iiif.io/api/image/2/context.json", 3: "http://iiif.io/api/image/3/context.json"}


def profile_uri(version: int, level: int) -> str:
    """Return the URI of a compliance level's document (section 6)."""
    return f"http://iiif.io/api/image/{version}/level{level}.json"


class Notices(msgspec.Struct, frozen=True):
    """What the config's ``info`` block adds to every info.json: rights and linked services (5.4 to 5.8)."""

    rights: str | None = None
    license: str | Sequence[str] | None = None
    attribution: Any = None
    logo: Any = None
    service: Sequence[Any] = ()


class InfoBuilder(msgspec.Struct, frozen=True):
    """Builds info.json documents; one for a server. ``prepared_tile`` is the tile size of prepared pyramids."""

    features: FeatureSet
    limits: Limits
    notices: Notices = Notices()
    prepared_tile: int = 256

    def build(self, image: ImageInfo, uri: str, version: int) -> dict[str, Any]:
        """Return the document of one image; ``uri`` is its base URI as the client spelled it, no slash at the end."""
        return self._version_2(image, uri) if version == 2 else self._version_3(image, uri)

    def _version_2(self, image: ImageInfo, uri: str) -> dict[str, Any]:
        level = self.features.level(2, image.color)
        profile: dict[str, Any] = {
            "formats": self.features.extras(2, ("format",), level),
            "qualities": self._qualities(image, 2, level),
            "supports": self.features.extras(2, ("region", "size", "rotation", "http"), level),
            **self._limits(),
        }
        extra = {name: value for name, value in profile.items() if value}
        document = {
            "@context": CONTEXTS[2],
            "@id": uri,
            "@type": "iiif:Image",
            "protocol": PROTOCOL,
            **self._dimensions(image),
            "profile": [profile_uri(2, level), *([extra] if extra else [])],
            "license": self.notices.license or self.notices.rights,
            "attribution": self.notices.attribution,
            "logo": self.notices.logo,
            "service": list(self.notices.service),
        }
        return {name: value for name, value in document.items() if value}

    def _version_3(self, image: ImageInfo, uri: str) -> dict[str, Any]:
        level = self.features.level(3, image.color)
        license = self.notices.license
        document = {
            "@context": CONTEXTS[3],
            "id": uri,
            "type": "ImageService3",
            "protocol": PROTOCOL,
            "profile": f"level{level}",
            **self._dimensions(image),
            **self._limits(),
            "extraFormats": self.features.extras(3, ("format",), level),
            "extraQualities": self._qualities(image, 3, level),
            "extraFeatures": self._extra_features_3(level),
            "rights": self.notices.rights or (license if isinstance(license, str) else None),
            "service": list(self.notices.service),
        }
        return {name: value for name, value in document.items() if value}

    def _extra_features_3(self, level: int) -> list[str]:
        """Leave out enlarging if there is no limit: who announces it must publish one (3.0, 5.7)."""
        names = self.features.extras(3, ("region", "size", "rotation", "http"), level)
        return [name for name in names if name != "sizeUpscaling" or self._limits()]

    def _qualities(self, image: ImageInfo, version: int, level: int) -> list[str]:
        """Leave out ``color`` for a picture that has none (3.0, 4.4)."""
        names = self.features.extras(version, ("quality",), level)
        return [name for name in names if name != "default" and (image.color or name != "color")]

    def _limits(self) -> dict[str, int]:
        """``maxWidth`` must be there if ``maxHeight`` is, and alone it holds for both (5.2)."""
        limits = {"maxWidth": self.limits.width, "maxHeight": self.limits.height, "maxArea": self.limits.max_area}
        if self.limits.height == self.limits.width:
            del limits["maxHeight"]
        return {name: value for name, value in limits.items() if value is not None}

    def _dimensions(self, image: ImageInfo) -> dict[str, Any]:
        tile_width, tile_height = tile_size(image, self.prepared_tile, self.limits.allow)
        factors = scale_factors(image.width, image.height, tile_width, tile_height)
        tile: dict[str, Any] = {"width": tile_width, "scaleFactors": factors}
        if tile_height != tile_width:
            tile["height"] = tile_height
        return {
            "width": image.width,
            "height": image.height,
            "sizes": [
                {"width": width, "height": height}
                for width, height in sizes(image.width, image.height, factors)
                if self.limits.allow(width, height) and max(width, height) <= LONGEST_SIDE
            ],
            "tiles": [tile],
        }
