from iiifkit import Offer, QualityRequest, Raster, hookimpl


class Sepia:
    def check(self, text: str) -> None: ...

    def apply(self, raster: Raster, request: QualityRequest) -> Raster:
        from PIL import ImageOps

        picture = raster.to_pillow().convert("RGBA")
        brown = ImageOps.colorize(picture.convert("L"), "#2b1a0d", "#fff0d2")
        brown.putalpha(picture.getchannel("A"))
        return Raster.from_pillow(brown)


@hookimpl
def iiifkit_qualities() -> dict[str, Offer[Sepia]]:
    return {"sepia": Offer(lambda options, environment: Sepia(), summary="brown tones, as in old photographs")}
