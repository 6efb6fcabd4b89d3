"""Draws the example picture that ships with iiifkit: the chart of an archipelago that exists nowhere.

``python docs/draw_example.py [FILE]`` needs NumPy and Pillow and about ten seconds. The same picture comes out every
time: heights are noise hashed from their grid, rivers flow where the heights lead them.
"""

import math
import sys
from pathlib import Path

import numpy
from example_terrain import Array, blurred, distance, drained, heights, lattice, noise, resized
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 4608, 3072
COARSE = 8
"""Pixels of the picture to one cell of the grid that rivers and distances are computed on."""

TARGET = Path(__file__).resolve().parent.parent / "iiifkit" / "example" / "example.jpg"

INK = (62, 48, 38)
WATER_INK = (64, 104, 122)
HOUSES = (132, 62, 48)
PAPER = (246, 238, 216)

LAND = [
    (0.0, (222, 226, 190)),
    (0.25, (232, 226, 186)),
    (0.55, (228, 204, 160)),
    (0.95, (206, 172, 134)),
    (1.35, (216, 196, 176)),
    (1.8, (244, 240, 236)),
]
SEA = [(0.0, (214, 230, 226)), (27.0, (190, 216, 220)), (72.0, (168, 200, 210))]
"""Colors of the land by height, and of the sea by the distance from the coast in cells."""


def ramp(field: Array, stops: list[tuple[float, tuple[int, int, int]]]) -> Array:
    """Return colors, of shape (height, width, 3), that run from stop to stop."""
    places = [place for place, _ in stops]
    channels = [numpy.interp(field, places, [color[band] for _, color in stops]) for band in range(3)]
    return numpy.stack(channels, axis=-1).astype(numpy.float32)


def lines(field: Array, slope: Array, step: float, width: float) -> Array:
    """Return how strongly each pixel is inked by lines of equal height, ``step`` apart and ``width`` pixels wide."""
    away = numpy.abs(field / step - numpy.round(field / step)) * step / numpy.maximum(slope, 1e-6)
    return numpy.clip(width / 2 + 0.5 - away, 0, 1)


def ink(paper: Array, strength: Array, color: tuple[int, int, int]) -> None:
    """Lay a color on the paper, in place."""
    paper += (numpy.array(color, numpy.float32) - paper) * strength[..., None]


def surface(coarse: Array) -> Array:
    """Return land and sea with their colors, shades, contours and ripples, as an array of shape (height, width, 3)."""
    paper = numpy.empty((HEIGHT, WIDTH, 3), numpy.float32)
    fine = resized(coarse, WIDTH, HEIGHT) + 0.008 * noise(WIDTH, HEIGHT, 3 << 6, 2, 901, fall=0.5)
    offshore = distance(coarse <= 0, 72)
    offshore = resized(blurred(offshore, 4), WIDTH, HEIGHT)
    smooth = blurred(coarse, 4)
    down, right = numpy.gradient(smooth)
    light = resized(numpy.clip((right + down) * 9, -0.5, 0.5), WIDTH, HEIGHT)
    for top in range(0, HEIGHT, 512):
        rows = slice(top, top + 512)
        height, ground, far = fine[rows], light[rows], offshore[rows]
        slope = numpy.hypot(*numpy.gradient(height))
        part = ramp(height, LAND) * (1 - 0.42 * ground[..., None])
        ink(part, lines(height, slope, 0.1, 1.2) * 0.30, INK)
        ink(part, lines(height, slope, 0.5, 2.0) * 0.42, INK)
        sea = ramp(far, SEA)
        spread = numpy.hypot(*numpy.gradient(far))
        for number, place in enumerate((1.8, 4.4, 8.2, 13.6)):
            away = numpy.abs(far - place) / numpy.maximum(spread, 1e-6)
            ink(sea, numpy.clip(1.5 - away, 0, 1) * (0.5 - 0.1 * number), WATER_INK)
        shore = numpy.clip(height / numpy.maximum(slope, 1e-6) + 0.5, 0, 1)[..., None]
        part = sea + (part - sea) * shore
        ink(part, numpy.clip(2.4 - numpy.abs(height) / numpy.maximum(slope, 1e-6), 0, 1) * 0.85, INK)
        paper[rows] = part
    return numpy.clip(paper, 0, 255).astype(numpy.uint8)


def rivers(draw: ImageDraw.ImageDraw, coarse: Array) -> None:
    """Draw the rivers from their springs to the sea, wider the more land they drain."""
    goes, water = drained(coarse)
    columns = coarse.shape[1]
    strong = (water > 170) & (coarse.ravel() > -0.02)
    fed = numpy.zeros(goes.size, bool)
    fed[goes[strong]] = True
    done = numpy.zeros(goes.size, bool)
    for spring in numpy.flatnonzero(strong & ~fed).tolist():
        cell, points, widths = spring, [], []
        while True:
            y, x = divmod(cell, columns)
            points.append(((x + 0.5) * COARSE, (y + 0.5) * COARSE))
            widths.append(1.5 + math.sqrt(water[cell]) * 0.10)
            if goes[cell] == cell or done[cell]:
                break
            done[cell] = True
            cell = int(goes[cell])
        bend(draw, points, widths)


def triples(points: list[tuple[float, float]]) -> list[tuple[tuple[float, float], ...]]:
    """Return each point between its neighbors."""
    return list(zip(points, points[1:], points[2:], strict=False))


def bend(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], widths: list[float]) -> None:
    """Draw a line that turns softly at its points and grows in width."""
    for _ in range(3):
        middle = [((ax + 2 * bx + cx) / 4, (ay + 2 * by + cy) / 4) for (ax, ay), (bx, by), (cx, cy) in triples(points)]
        points = [points[0], *middle, points[-1]] if middle else points
    for _ in range(3):
        pairs = list(zip(points, points[1:], widths, widths[1:], strict=False))
        cut = [((ax * 3 + bx) / 4, (ay * 3 + by) / 4) for (ax, ay), (bx, by), _, _ in pairs]
        cut2 = [((ax + bx * 3) / 4, (ay + by * 3) / 4) for (ax, ay), (bx, by), _, _ in pairs]
        thick = [((a * 3 + b) / 4, (a + b * 3) / 4) for _, _, a, b in pairs]
        points = [points[0], *(point for both in zip(cut, cut2, strict=True) for point in both), points[-1]]
        widths = [widths[0], *(width for both in thick for width in both), widths[-1]]
    for (ax, ay), (bx, by), width in zip(points, points[1:], widths, strict=False):
        draw.line((ax, ay, bx, by), WATER_INK, round(width))


def lettered(
    image: Image.Image,
    text: str,
    place: tuple[float, float],
    size: int,
    color: tuple[int, int, int],
    spacing: float = 0.0,
    angle: float = 0.0,
    slant: float = 0.0,
    halo: tuple[int, int, int] | None = None,
) -> None:
    """Write a text around a place, given in parts of the picture's width and height.

    ``spacing`` between letters and ``slant`` are parts of ``size``, ``angle`` is in degrees upwards.
    """
    font = ImageFont.load_default(size)
    gap = spacing * size
    advances = [font.getlength(letter) + gap for letter in text]
    side = int(sum(advances) - gap) + 4 * size
    mask = Image.new("L", (side, side))
    draw, x = ImageDraw.Draw(mask), 2.0 * size
    for letter, advance in zip(text, advances, strict=True):
        draw.text((x, side / 2), letter, 255, font, anchor="lm")
        x += advance
    if slant:
        mask = mask.transform(
            mask.size, Image.Transform.AFFINE, (1, slant, -slant * side / 2, 0, 1, 0), Image.Resampling.BICUBIC
        )
    if angle:
        mask = mask.rotate(angle, Image.Resampling.BICUBIC)
    corner = (round(place[0] * WIDTH - side / 2), round(place[1] * HEIGHT - side / 2))
    if halo:
        around = (
            mask.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(3)).point(lambda value: value * 0.7)
        )
        image.paste(halo, corner, around)
    image.paste(color, corner, mask)


def town(image: Image.Image, name: str, place: tuple[float, float], number: int) -> None:
    """Draw a town: houses along two streets, its name, and in the smallest print what it is known for."""
    draw = ImageDraw.Draw(image)
    x, y = place[0] * WIDTH, place[1] * HEIGHT
    chances = lattice(8, 34, 4000 + number)
    turn = chances[0, 0] * math.pi
    for street in (turn, turn + math.pi / 2 + chances[0, 1] * 0.4):
        reach = 58 + 22 * chances[0, 2]
        east, south = math.cos(street) * reach, math.sin(street) * reach
        draw.line((x - east, y - south, x + east, y + south), (250, 246, 232), 6)
    for chance in chances[1:]:
        street = turn + (math.pi / 2 if chance[0] > 0 else 0)
        along, aside = chance[1] * 52, math.copysign(9 + abs(chance[2]) * 12, chance[3])
        cx = x + math.cos(street) * along - math.sin(street) * aside
        cy = y + math.sin(street) * along + math.cos(street) * aside
        wide, deep = 4 + abs(chance[4]) * 5, 3 + abs(chance[5]) * 3
        corners = [(wide, deep), (-wide, deep), (-wide, -deep), (wide, -deep)]
        cosine, sine = math.cos(street), math.sin(street)
        draw.polygon([(cx + a * cosine - b * sine, cy + a * sine + b * cosine) for a, b in corners], HOUSES)
    lettered(image, name, (place[0], place[1] - 92 / HEIGHT), 40, INK, 0.02, halo=PAPER)
    lettered(image, KNOWN_FOR[name], (place[0], place[1] + 88 / HEIGHT), 16, INK, 0.04, halo=PAPER)


SEAS = [
    ("REGION SOUND", 0.405, 0.405, 84, -9),
    ("MIRROR STRAIT", 0.618, 0.262, 56, -32),
    ("QUALITY SEA", 0.105, 0.115, 72, 24),
    ("FORMAT OCEAN", 0.86, 0.12, 96, 0),
    ("ROTATION BAY", 0.7, 0.735, 52, 0),
    ("LAKE BITONAL", 0.2695, 0.612, 30, -78),
    ("THE WIDE W,H", 0.065, 0.62, 64, 90),
]
LANDS = [
    ("DITHER MOORS", 0.335, 0.265, 62, -22),
    ("GRAYLAND", 0.205, 0.385, 72, 52),
    ("TILE PLAINS", 0.192, 0.62, 54, 28),
    ("SCALE FACTORS", 0.40, 0.645, 76, -28),
    ("COLOR HIGHLANDS", 0.685, 0.50, 80, 12),
    ("LEVEL ZERO", 0.838, 0.565, 48, 50),
    ("FULL", 0.638, 0.10, 84, 0),
    ("SQUARE ISLE", 0.556, 0.345, 32, 0),
    ("PCT ISLES", 0.915, 0.325, 34, 10),
    ("MAX", 0.69, 0.925, 84, 0),
    ("CAPE GIF", 0.2, 0.905, 32, 0),
]
TOWNS = [
    ("Info", 0.268, 0.335),
    ("Jpeg", 0.445, 0.245),
    ("Cors", 0.175, 0.50),
    ("Etag", 0.385, 0.52),
    ("Port 8080", 0.50, 0.585),
    ("Default", 0.575, 0.665),
    ("Manifest", 0.77, 0.345),
    ("Canvas", 0.60, 0.41),
    ("Thumbnail", 0.785, 0.675),
    ("Viewer", 0.662, 0.155),
    ("Canonical", 0.372, 0.775),
    ("Derivative", 0.80, 0.872),
]
KNOWN_FOR = {
    "Info": "all distances are told here, in 2.1 and in 3.0",
    "Jpeg": "known for its fine squares of eight by eight",
    "Cors": "open to everyone, whatever the origin",
    "Etag": "nothing has changed here since your last visit",
    "Port 8080": "the harbor that never closes",
    "Default": "color, unless you ask for something else",
    "Manifest": "a list of everything there is to see",
    "Canvas": "painters come for the light",
    "Thumbnail": "small, but you know at once what it is",
    "Viewer": "from the tower you can see every tile",
    "Canonical": "all roads lead here by one spelling",
    "Derivative": "founded by settlers from Info",
}


def relief(image: Image.Image, coarse: Array) -> None:
    """Write the heights of peaks, and the depths of the sea where nothing else is written."""
    rows, columns = coarse.shape
    for y in range(0, rows, 26):
        for x in range(0, columns, 26):
            block = coarse[y : y + 26, x : x + 26]
            dy, dx = divmod(int(block.argmax()), block.shape[1])
            height, place = float(block[dy, dx]), ((x + dx + 0.5) / columns, (y + dy + 0.5) / rows)
            if height > 0.7 and 0 < dy < block.shape[0] - 1 and 0 < dx < block.shape[1] - 1:
                px, py = place[0] * WIDTH, place[1] * HEIGHT
                ImageDraw.Draw(image).polygon([(px - 9, py + 7), (px + 9, py + 7), (px, py - 10)], INK)
                lettered(image, f"{height * 2000:.0f}", (place[0], place[1] + 24 / HEIGHT), 20, INK, halo=PAPER)
    jitter = lattice(columns, rows, 77)
    for y in range(20, rows - 14, 22):
        for x in range(20 + y % 44 // 2, columns - 14, 34):
            cy, cx = y + round(float(jitter[y, x]) * 5), x + round(float(jitter[x % rows, y]) * 8)
            u, v = cx / columns, cy / rows
            legend = (0.24 < u < 0.60 and v > 0.85) or (u > 0.85 and 0.69 < v < 0.9)
            if coarse[cy, cx] < -0.22 and not legend:
                depth = f"{-coarse[cy, cx] * 90:.0f}"
                lettered(image, depth, ((cx + 0.5) / columns, (cy + 0.5) / rows), 19, WATER_INK, slant=0.2)


def compass(image: Image.Image, place: tuple[float, float], radius: float) -> None:
    """Draw a compass rose."""
    draw = ImageDraw.Draw(image)
    x, y = place[0] * WIDTH, place[1] * HEIGHT
    for size, width in ((0.62, 3), (0.66, 7), (1.0, 2)):
        draw.circle((x, y), radius * size, outline=WATER_INK, width=width)
    for degree in range(0, 360, 2):
        inner = 0.94 if degree % 10 else 0.9
        a = math.radians(degree)
        east, north = math.sin(a) * radius, math.cos(a) * radius
        draw.line((x + east * inner, y - north * inner, x + east, y - north), WATER_INK, 2)
    for order, (step, length) in enumerate(((22.5, 0.55), (45, 0.8), (90, 1.12))):
        for index in range(round(360 / step)):
            a = math.radians(index * step)
            for side, color in ((-1, INK if order == 2 else WATER_INK), (1, PAPER)):
                b = a + side * math.radians(step / 2)
                waist = radius * (0.10 + 0.03 * order)
                tip = (x + math.sin(a) * radius * length, y - math.cos(a) * radius * length)
                draw.polygon([(x, y), (x + math.sin(b) * waist, y - math.cos(b) * waist), tip], color, INK)
    for degree in range(0, 360, 90):
        a = math.radians(degree)
        at = (place[0] + math.sin(a) * radius * 1.27 / WIDTH, place[1] - math.cos(a) * radius * 1.27 / HEIGHT)
        lettered(image, str(degree), at, 44, INK)


def frame(image: Image.Image) -> None:
    """Draw the frame, with a mark every 128 pixels."""
    draw = ImageDraw.Draw(image)
    for inset, width in ((0, 62), (0, 4)):
        draw.rectangle((inset, inset, WIDTH - 1, HEIGHT - 1), None, PAPER if width > 9 else INK, width)
    draw.rectangle((36, 36, WIDTH - 37, HEIGHT - 37), None, INK, 2)
    draw.rectangle((58, 58, WIDTH - 59, HEIGHT - 59), None, INK, 5)
    for index, start in enumerate(range(0, WIDTH, 128)):
        if index % 2 == 0:
            for y in (38, HEIGHT - 58):
                draw.rectangle((max(start, 58), y, min(start + 128, WIDTH - 58), y + 20), INK)
    for index, start in enumerate(range(0, HEIGHT, 128)):
        if index % 2 == 0:
            for x in (38, WIDTH - 58):
                draw.rectangle((x, max(start, 58), x + 20, min(start + 128, HEIGHT - 58)), INK)
    for at in range(512, WIDTH, 512):
        for y in (19, HEIGHT - 19):
            lettered(image, str(at), (at / WIDTH, y / HEIGHT), 22, INK)
    for at in range(512, HEIGHT, 512):
        for x in (19, WIDTH - 19):
            lettered(image, str(at), (x / WIDTH, at / HEIGHT), 22, INK, angle=90)
    for y in (19, HEIGHT - 19):
        lettered(image, "region / size / rotation / quality . format", (2304 / WIDTH, y / HEIGHT), 13, INK, 0.08)


def title(image: Image.Image) -> None:
    """Write what the chart shows, with a scale."""
    draw = ImageDraw.Draw(image)
    lettered(image, "THE ISLES OF IIIF", (0.405, 0.885), 150, INK, 0.16)
    lettered(
        image, "a chart of waters that exist nowhere, drawn by a program", (0.405, 0.922), 44, INK, 0.06, slant=0.2
    )
    left, top = round(0.405 * WIDTH) - 768, round(0.947 * HEIGHT)
    for index in range(6):
        box = (left + index * 256, top, left + index * 256 + 256, top + 14)
        draw.rectangle(box, INK if index % 2 == 0 else PAPER, INK, 2)
    for index in range(7):
        lettered(image, str(index * 256), ((left + index * 256) / WIDTH, (top - 18) / HEIGHT), 20, INK)
    lettered(image, "pixels of the original", (0.405, (top + 34) / HEIGHT), 20, INK, 0.1)
    lettered(image, "if you can read this, your scale factor is 1", (0.948, 0.965), 12, WATER_INK, 0.05)


def chart() -> Image.Image:
    """Return the whole picture."""
    coarse = heights(WIDTH // COARSE, HEIGHT // COARSE)
    image = Image.fromarray(surface(coarse))
    rivers(ImageDraw.Draw(image), coarse)
    relief(image, coarse)
    for names, color, halo in ((SEAS, WATER_INK, None), (LANDS, INK, PAPER)):
        for text, x, y, size, angle in names:
            lettered(image, text, (x, y), size, color, 0.3, angle, 0.0 if halo else 0.2, halo)
    for number, (name, x, y) in enumerate(TOWNS):
        town(image, name, (x, y), number)
    compass(image, (0.918, 0.79), 210)
    title(image)
    frame(image)
    return image


def main() -> None:
    """Draw the picture into the file that is named, or into the package."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    chart().save(
        target, "JPEG", quality=48, optimize=True, comment="The Isles of IIIF. Drawn by iiifkit; BSD-3-Clause."
    )


if __name__ == "__main__":
    main()
