"""Makes the README's picture: one photograph in every mode.

python docs/sheet.py
"""

from pathlib import Path

import skimage
from iiifkit import QualityRequest, Raster
from PIL import Image

from iiifkit_primitive.options import PrimitiveOptions
from iiifkit_primitive.quality import PrimitiveQuality

WIDTH, COLUMNS, GAP = 320, 3, 6


def main() -> None:
    """Write ``modes.jpg`` beside this file: triangles, rectangles, ellipses, circles, rotated rectangles, mixture."""
    quality = PrimitiveQuality(PrimitiveOptions())
    with Image.open(Path(skimage.__file__).parent / "data" / "coffee.png") as image:
        photograph = image.convert("RGB")
    height = round(photograph.height * WIDTH / photograph.width)
    raster = Raster.from_pillow(photograph.resize((WIDTH, height), Image.Resampling.LANCZOS))
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, 2 * (height + GAP) - GAP), "white")
    for place, mode in enumerate((1, 2, 3, 4, 5, 0)):
        picture = quality.apply(raster, QualityRequest(f"primitive:{mode},100,0"))
        assert isinstance(picture, Raster)
        row, column = divmod(place, COLUMNS)
        sheet.paste(picture.to_pillow(), (column * (WIDTH + GAP), row * (height + GAP)))
    sheet.save(Path(__file__).with_name("modes.jpg"), quality=85)


if __name__ == "__main__":
    main()
