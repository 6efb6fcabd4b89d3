"""Makes the README's picture: one photograph in every mode.

python docs/sheet.py
"""

from pathlib import Path

import skimage
from iiifkit import QualityRequest, Raster
from PIL import Image, ImageDraw, ImageFont

from iiifkit_primitive.options import PrimitiveOptions
from iiifkit_primitive.quality import PrimitiveQuality
from iiifkit_primitive.wish import MODES

WIDTH, COLUMNS, GAP, LABEL = 420, 3, 12, 34


def main() -> None:
    """Write ``modes.jpg`` beside this file: each mode's picture, and below it the mode's number and name."""
    quality = PrimitiveQuality(PrimitiveOptions())
    with Image.open(Path(skimage.__file__).parent / "data" / "coffee.png") as image:
        photograph = image.convert("RGB")
    height = round(photograph.height * WIDTH / photograph.width)
    raster = Raster.from_pillow(photograph.resize((WIDTH, height), Image.Resampling.LANCZOS))
    modes = [*range(1, len(MODES)), 0]
    rows = -(-len(modes) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, rows * (height + LABEL)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for place, mode in enumerate(modes):
        picture = quality.apply(raster, QualityRequest(f"primitive:{mode},100,0"))
        assert isinstance(picture, Raster)
        row, column = divmod(place, COLUMNS)
        left, top = column * (WIDTH + GAP), row * (height + LABEL)
        sheet.paste(picture.to_pillow(), (left, top))
        draw.text((left + WIDTH // 2, top + height + LABEL // 2), f"{mode}  {MODES[mode]}", "#333333", font, "mm")
    sheet.save(Path(__file__).with_name("modes.jpg"), quality=88)


if __name__ == "__main__":
    main()
