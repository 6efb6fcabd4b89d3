"""Draws README's picture: the example picture at three depths, each cut by iiifkit itself.

``python docs/draw_zoom.py`` writes docs/images/zoom.jpg.
"""

import io
from pathlib import Path

from PIL import Image, ImageDraw

from iiifkit import open_service
from iiifkit.sources.example import IDENTIFIER, example_path

REGIONS = ["0,0,4608,3072", "1650,1290,1800,1200", "2080,1620,480,320"]
"""All of it, a part, a part of that: each of the same shape."""

WIDTH, HEIGHT, GAP = 480, 320, 6


def main() -> None:
    """Cut the regions and set them side by side, the next region framed in each."""
    service = open_service(folder=str(example_path().parent))
    sheet = Image.new("RGB", (3 * WIDTH + 2 * GAP, HEIGHT), "white")
    draw = ImageDraw.Draw(sheet)
    for index, region in enumerate(REGIONS):
        answer = service.answer(f"{IDENTIFIER}/{region}/{WIDTH},{HEIGHT}/0/default.png")
        left = index * (WIDTH + GAP)
        sheet.paste(Image.open(io.BytesIO(answer.body)), (left, 0))
        if index + 1 < len(REGIONS):
            x, y, width, _ = map(int, region.split(","))
            inner = list(map(int, REGIONS[index + 1].split(",")))
            scale = WIDTH / width
            corner = (left + (inner[0] - x) * scale, (inner[1] - y) * scale)
            draw.rectangle(
                (*corner, corner[0] + inner[2] * scale, corner[1] + inner[3] * scale), None, (200, 30, 30), 2
            )
    service.close()
    target = Path(__file__).resolve().parent / "images" / "zoom.jpg"
    target.parent.mkdir(exist_ok=True)
    sheet.save(target, quality=82, optimize=True)


if __name__ == "__main__":
    main()
