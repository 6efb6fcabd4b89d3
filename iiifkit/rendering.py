"""Making a picture: the engine that can read it, the quality that was asked for, the engine that can write it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from .blob import Blob
from .contracts import NO_LIMIT, Engine, PyramidSettings, Quality, QualityRequest, Work
from .errors import IIIFKitError, PluginFailed, UnsupportedImage
from .image_api.feature_set import FeatureSet
from .image_api.image import ImageInfo
from .image_api.plan import Plan, whole
from .raster import Animation, Raster

log = logging.getLogger("iiifkit")


class Renderer:
    """Several engines as one: the first that can read a format reads it, the first that can write one writes it."""

    def __init__(self, engines: Sequence[Engine], qualities: Mapping[str, Quality], features: FeatureSet) -> None:
        self._engines = engines
        self._qualities = {name.lower(): quality for name, quality in qualities.items()}
        self._features = features
        self.fingerprint = "; ".join(engine.fingerprint for engine in engines)

    def probe(self, blob: Blob, format: str) -> ImageInfo:
        """Return size and nature of an image. Raises `UnsupportedImage` or `BrokenImage`."""
        return self._reader(format).probe(blob, format)

    def check(self, quality: str) -> None:
        """Let the quality's plugin refuse parameters it cannot serve, before any work.

        Raises `BadRequest` or `PluginFailed`.
        """
        if plugin := self._plugin(quality):
            with _blamed(quality):
                plugin.check(quality)

    def render(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> bytes:
        """Return the encoded picture. The Blob must stay open until then.

        Raises `BrokenImage`, `UnsupportedImage`, `Stopped` or `PluginFailed`.
        """
        reader = self._reader(info.format)
        writer = reader if plan.format in reader.writes else self._writer(plan.format)
        picture = reader.transform(blob, info, plan, work)
        plugin = self._plugin(plan.quality)
        if plugin is not None:
            return writer.encode(self._apply(plugin, picture.raster(), plan, work), plan, work)
        return writer.encode(picture if writer is reader else picture.raster(), plan, work)

    def pixels(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> Raster:
        """Return the picture as it is before a quality's plugin and before encoding; `finish` does the rest.

        Raises `BrokenImage`, `UnsupportedImage` or `Stopped`.
        """
        return self._reader(info.format).transform(blob, info, plan, work).raster()

    def finish(self, raster: Raster, plan: Plan, work: Work = NO_LIMIT) -> bytes:
        """Return a picture, or a part of one, that `pixels` made, in the plan's quality and format.

        Raises `Stopped` or `PluginFailed`.
        """
        plugin = self._plugin(plan.quality)
        result = raster if plugin is None else self._apply(plugin, raster, plan, work)
        return self._writer(plan.format).encode(result, plan, work)

    def build(self, blob: Blob, info: ImageInfo, path: Path, settings: PyramidSettings, work: Work = NO_LIMIT) -> None:
        """Write the whole picture, upright and in sRGB, as a pyramid.

        Raises an `ImageError`, `Stopped`, or `CacheError` if there is no room.
        """
        reader = self._reader(info.format)
        writer = reader if reader.saves_pyramids else next(e for e in self._engines if e.saves_pyramids)
        picture = reader.transform(blob, info, whole(info.width, info.height), work)
        writer.save_pyramid(picture if writer is reader else picture.raster(), path, settings, work)

    @property
    def builds(self) -> bool:
        """Whether pyramids can be built at all."""
        return any(engine.saves_pyramids for engine in self._engines)

    def estimate(self, info: ImageInfo, plan: Plan) -> int:
        """Return about how many bytes of memory a render will need at once."""
        turned = plan.width * plan.height * (2 if plan.degrees % 90 else 1)
        extra = 8 * turned if self._plugin(plan.quality) else 0
        return self._reader(info.format).estimate(info, plan) + extra

    def estimate_build(self, info: ImageInfo) -> int:
        """Return about how many bytes building a pyramid will need at once: as many as storing the whole as a JPEG."""
        return self.estimate(info, replace(whole(info.width, info.height), format="jpg"))

    def _reader(self, format: str) -> Engine:
        for engine in self._engines:
            if format in engine.reads:
                return engine
        raise UnsupportedImage(f"The image is stored as {format}, which no loaded graphics engine reads.")

    def _writer(self, format: str) -> Engine:
        return next(engine for engine in self._engines if format in engine.writes)

    def _plugin(self, quality: str) -> Quality | None:
        name = self._features.quality_plugin(quality)
        return self._qualities[name.lower()] if name else None

    def _apply(self, plugin: Quality, raster: Raster, plan: Plan, work: Work) -> Raster | Animation:
        with _blamed(plan.quality):
            result = plugin.apply(raster, QualityRequest(plan.quality, plan.format, work))
        if not isinstance(result, Raster | Animation):
            log.error("the quality %s returned a %s, not a Raster", plan.quality, type(result).__name__)
            raise PluginFailed(f"The plugin of the quality {plan.quality!r} did not return a picture.")
        return result


@contextmanager
def _blamed(quality: str) -> Iterator[None]:
    """Turn whatever a quality's plugin raises into `PluginFailed`, with the traceback in the log."""
    try:
        yield
    except IIIFKitError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("the quality %s failed", quality)
        raise PluginFailed(f"The plugin of the quality {quality!r} failed; the server's log has more.") from error
