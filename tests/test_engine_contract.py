"""The engines' contract rejects engines that are wrong in ways that are easy to overlook."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image, ImageFile

from iiifkit.blob import Blob
from iiifkit.contracts import NO_LIMIT, Engine, Work
from iiifkit.engines.pillow import PillowEngine, PillowPicture
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.plan import Box, Plan
from iiifkit.testing.engines import EngineContract


class CounterClockwise(PillowEngine):
    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> PillowPicture:
        return super().transform(blob, info, replace(plan, degrees=-plan.degrees % 360), work)


class MirrorsAfterRotating(PillowEngine):
    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> PillowPicture:
        picture = super().transform(blob, info, replace(plan, mirror=False), work)
        if not plan.mirror:
            return picture
        return PillowPicture(picture.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


class IgnoresTheRegion(PillowEngine):
    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> PillowPicture:
        return super().transform(blob, info, replace(plan, region=Box(0, 0, info.width, info.height)), work)


class PaintsHalfPictures(PillowEngine):
    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> PillowPicture:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return super().transform(blob, info, plan, work)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False


class IgnoresTheOrientation(PillowEngine):
    def transform(self, blob: Blob, info: ImageInfo, plan: Plan, work: Work = NO_LIMIT) -> PillowPicture:
        with Image.open(io.BytesIO(blob.read_all())) as image:
            stored = replace(info, width=image.width, height=image.height, orientation=1)
        return super().transform(blob, stored, plan, work)


class PaintsTransparencyBlack(PillowEngine):
    def encode(self, picture: Any, plan: Plan, work: Work = NO_LIMIT) -> bytes:
        if plan.format == "jpg" and isinstance(picture, PillowPicture):
            picture = PillowPicture(picture.image.convert("RGB"))
        return super().encode(picture, plan, work)


def contract(engine: type[PillowEngine]) -> EngineContract:
    class Contract(EngineContract):
        def make_engine(self) -> Engine:
            return engine()

    return Contract()


REJECTED: list[tuple[type[PillowEngine], Callable[..., None]]] = [
    (CounterClockwise, EngineContract.test_quarter_turns_are_exact_and_clockwise),
    (CounterClockwise, EngineContract.test_any_angle),
    (MirrorsAfterRotating, EngineContract.test_quarter_turns_are_exact_and_clockwise),
    (IgnoresTheRegion, EngineContract.test_regions_are_exact),
    (IgnoresTheRegion, EngineContract.test_scaling_keeps_the_picture_in_place),
    (IgnoresTheRegion, EngineContract.test_large_jpeg_shrinks_in_place),
    (PaintsHalfPictures, EngineContract.test_truncated_files_are_broken),
    (IgnoresTheOrientation, EngineContract.test_orientations),
    (PaintsTransparencyBlack, EngineContract.test_transparency_becomes_white_in_jpg),
    (PaintsTransparencyBlack, EngineContract.test_turned_corners_are_white_in_jpg),
]


@pytest.mark.parametrize(("engine", "test"), REJECTED, ids=lambda value: value.__name__)
def test_broken_engines_are_rejected(engine: type[PillowEngine], test: Any, tmp_path: Any) -> None:
    arguments = (tmp_path,) if "tmp_path" in test.__code__.co_varnames[: test.__code__.co_argcount] else ()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(contract(engine), engine(), *arguments)


@pytest.mark.parametrize("test", sorted({test for _, test in REJECTED}, key=lambda test: test.__name__))
def test_the_engine_they_spoil_is_accepted(test: Any, tmp_path: Any) -> None:
    arguments = (tmp_path,) if "tmp_path" in test.__code__.co_varnames[: test.__code__.co_argcount] else ()
    test(contract(PillowEngine), PillowEngine(), *arguments)
