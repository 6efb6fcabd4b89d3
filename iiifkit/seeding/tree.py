"""Which pictures a seeded image consists of, and the names that viewers ask for them by: pure arithmetic."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import msgspec

from ..image_api.canonical import key_path
from ..image_api.geometry import half_up
from ..image_api.plan import Box, Plan
from ..image_api.tiles import Allow, ceil_div, scale_factors

LARGEST_SIZE = 512
"""The longer side, in pixels, of the largest whole picture that is made besides the tiles: thumbnails."""

BELOW = 5
"""How many halvings of the smallest level Leaflet-IIIF asks for, so that a small map shows the whole picture."""

MOST_IN_BAND = 16
"""Tiles that are rendered in one go, at most: it bounds memory, and opening a file costs as much as four tiles."""

UPRIGHT = Fraction(0)


class Picture(msgspec.Struct, frozen=True):
    """One picture to be made; ``names`` are the paths below the identifier, the server's own first."""

    plan: Plan
    names: tuple[str, ...]


class Band(msgspec.Struct, frozen=True):
    """Tiles of one size that lie side by side, or below each other if not ``across``, without a gap."""

    tiles: tuple[Picture, ...]
    across: bool

    def part(self, first: int, last: int) -> Plan:
        """Return the plan of one picture that shows all tiles from number ``first`` to ``last``."""
        start, end = self.tiles[first].plan, self.tiles[last].plan
        count = last - first + 1
        box = Box(
            start.region.x,
            start.region.y,
            end.region.x + end.region.width - start.region.x,
            end.region.y + end.region.height - start.region.y,
        )
        width, height = (start.width * count, start.height) if self.across else (start.width, start.height * count)
        return Plan(box, width, height, False, UPRIGHT, start.quality, start.format)


class Spelling(msgspec.Struct, frozen=True):
    """How names are spelled: the API ``version`` of the viewers, and the one that the server keeps its answers by."""

    version: int
    server_version: int
    default_quality: str
    quality: str
    format: str


class Tree:
    """All pictures of an image of ``width`` x ``height`` pixels, in tiles of ``tile`` pixels.

    ``factors`` are the scale factors to make, None for all that make sense; ``allow`` tells what the limits of the
    server permit. ``excessive`` are those that make no sense, because a smaller factor already shows the whole picture
    in one tile.
    """

    def __init__(
        self,
        size: tuple[int, int],
        tile: int,
        spelling: Spelling,
        factors: Sequence[int] | None = None,
        allow: Allow = lambda *_: True,
    ) -> None:
        self.width, self.height = size
        self.tile = tile
        self._spelling = spelling
        self._allow = allow
        sensible = scale_factors(self.width, self.height, tile, tile)
        self._fit = sensible[-1]
        wanted = sorted(set(sensible if factors is None else factors))
        self.factors = [factor for factor in wanted if factor <= self._fit]
        self.excessive = [factor for factor in wanted if factor > self._fit]

    def sizes(self) -> list[tuple[int, int]]:
        """Return the sizes of the whole picture that info.json lists, smallest first: each is at one of the factors."""
        return [self._at(factor) for factor in reversed(self.factors) if factor in self._whole_factors()]

    def wholes(self) -> Iterator[Picture]:
        """Yield the whole picture in every size that is made, largest first."""
        pictures: dict[tuple[int, int], list[str]] = {}
        for factor in self._whole_factors():
            for size, name in self._whole_names(factor):
                names = pictures.setdefault(size, [])
                if name not in names:
                    names.append(name)
        full = Box(0, 0, self.width, self.height)
        for (width, height), names in pictures.items():
            yield self._picture(full, width, height, *names)

    def pictures(self) -> Iterator[Picture]:
        """Yield all pictures, whole ones and tiles."""
        yield from self.wholes()
        for band in self.bands():
            yield from band.tiles

    def tiles(self) -> int:
        """Return the number of tiles at all factors."""
        return sum(
            ceil_div(self.width, self.tile * factor) * ceil_div(self.height, self.tile * factor)
            for factor in self.factors
        )

    def bands(self) -> Iterator[Band]:
        """Yield every tile but those that show the whole picture."""
        yield from self.edges()
        yield from self.inner()

    def inner(self) -> Iterator[Band]:
        """Yield the full tiles, from the smallest level to the largest."""
        for factor, columns, rows in self._grids():
            for row in range(rows):
                yield from self._in_bands(factor, [(column, row) for column in range(columns)], across=True)

    def edges(self) -> Iterator[Band]:
        """Yield the tiles at the right and lower edge that are cut short, from the smallest level to the largest."""
        for factor, columns, rows in self._grids():
            span = self.tile * factor
            if self.width % span:
                yield from self._in_bands(factor, [(columns, row) for row in range(rows)], across=False)
            if self.height % span:
                yield from self._in_bands(factor, [(column, rows) for column in range(columns)], across=True)
            if self.width % span and self.height % span:
                yield from self._in_bands(factor, [(columns, rows)], across=True)

    def _grids(self) -> Iterator[tuple[int, int, int]]:
        """Yield each factor of several tiles, with its full columns and rows."""
        for factor in reversed(self.factors):
            if not self._is_whole(factor):
                yield factor, self.width // (self.tile * factor), self.height // (self.tile * factor)

    def _in_bands(self, factor: int, places: list[tuple[int, int]], across: bool) -> Iterator[Band]:
        """Yield bands of tiles that all have one size; version 2 has two sizes where ``w,`` and ``w,h`` differ."""
        if not places:
            return
        region = self._region(factor, *places[0])
        width, height = ceil_div(region.width, factor), ceil_div(region.height, factor)
        heights = [height]
        if self._spelling.version == 2 and (following := follow(region, width)) != height:
            heights.append(following)
        for height in heights:
            for start in range(0, len(places), MOST_IN_BAND):
                some = places[start : start + MOST_IN_BAND]
                pictures = (self._tile(factor, self._region(factor, *place), width, height) for place in some)
                yield Band(tuple(pictures), across)

    def _region(self, factor: int, column: int, row: int) -> Box:
        span = self.tile * factor
        x, y = column * span, row * span
        return Box(x, y, min(span, self.width - x), min(span, self.height - y))

    def _tile(self, factor: int, region: Box, width: int, height: int) -> Picture:
        # OpenSeadragon writes "full" for every size that is as wide as the image.
        natural = self._spelling.version == 2 and factor == 1 and region.width == self.width
        names = (self._name(f"{region.x},{region.y},{region.width},{region.height}", "full"),) if natural else ()
        return self._picture(region, width, height, *names)

    def _picture(self, region: Box, width: int, height: int, *names: str) -> Picture:
        spelling = self._spelling
        plan = Plan(region, width, height, False, UPRIGHT, spelling.quality, spelling.format)
        size = (self.width, self.height)
        own = [key_path(plan, size, version, spelling.default_quality) for version in self._versions()]
        return Picture(plan, tuple(dict.fromkeys((*own, *names))))

    def _versions(self) -> tuple[int, ...]:
        spelling = self._spelling
        same = spelling.version == spelling.server_version
        return (spelling.version,) if same else (spelling.server_version, spelling.version)

    def _at(self, factor: int) -> tuple[int, int]:
        return ceil_div(self.width, factor), ceil_div(self.height, factor)

    def _is_whole(self, factor: int) -> bool:
        return max(self._at(factor)) <= self.tile

    def _whole_factors(self) -> list[int]:
        """Return the factors of the whole picture: thumbnails, those that fit into a tile, and those below."""
        factors = [factor for factor in self.factors if max(self._at(factor)) <= max(LARGEST_SIZE, self.tile)]
        factor = 1
        while factor <= self._fit << BELOW:
            if max(self._at(factor)) <= LARGEST_SIZE or factor >= self._fit:
                factors.append(factor)
            if self._at(factor) == (1, 1):
                break
            factor *= 2
        return [factor for factor in sorted(set(factors)) if self._allow(*self._at(factor))]

    def _whole_names(self, factor: int) -> Iterator[tuple[tuple[int, int], str]]:
        """Yield the size of the picture and the name for every way in which a viewer asks for it."""
        full = Box(0, 0, self.width, self.height)
        width, height = self._at(factor)
        following = width, follow(full, width)
        written_out = f"0,0,{self.width},{self.height}"
        if factor <= self._fit:
            yield (width, height), self._name("full", f"{width},{height}")
        if self._is_whole(factor) and factor <= self._fit:
            yield following, self._name("full", f"{width},")
        if factor >= self._fit:
            if self._spelling.version == 2:
                yield following, self._name(written_out, f"{width},")
            else:
                yield (width, height), self._name(written_out, f"{width},{height}")
        if factor == 1:
            yield (width, height), self._name("full", "max")
            if self._spelling.version == 2:
                yield (width, height), self._name("full", "full")

    def _name(self, region: str, size: str) -> str:
        spelling = self._spelling
        quality = "default" if spelling.quality == spelling.default_quality else spelling.quality
        return f"{region}/{size}/0/{quality}.{spelling.format}"


def follow(region: Box, width: int) -> int:
    """Return the height that the size ``w,`` means for a region (Image API 4.2)."""
    return max(1, half_up(Fraction(width * region.height, region.width)))
