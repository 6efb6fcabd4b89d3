"""Moves that lose nothing: reflecting, quarter turns, and what the EXIF orientation means for boxes."""

import msgspec

from ..image_api.image import ImageInfo
from ..image_api.plan import Box, Plan


class Move(msgspec.Struct, frozen=True):
    """Reflect left to right if ``mirror``, then turn ``quarters`` times 90 degrees clockwise (0 to 3)."""

    mirror: bool = False
    quarters: int = 0

    def then(self, later: "Move") -> "Move":
        """Return the one move that does this one and then ``later``."""
        turned = -self.quarters if later.mirror else self.quarters
        return Move(self.mirror != later.mirror, (turned + later.quarters) % 4)

    @property
    def inverse(self) -> "Move":
        """The move that undoes this one."""
        return self if self.mirror else Move(False, -self.quarters % 4)

    @property
    def swaps(self) -> bool:
        """True if width and height change places."""
        return self.quarters % 2 == 1

    @property
    def keeps_rows(self) -> bool:
        """True if rows stay rows, in the same order, so that a picture can stream through."""
        return self.quarters == 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a moved picture of ``width`` x ``height`` pixels."""
        return (height, width) if self.swaps else (width, height)

    def box(self, box: Box, width: int, height: int) -> Box:
        """Return where ``box``, a part of a picture of ``width`` x ``height`` pixels, is after the move."""
        x = width - box.x - box.width if self.mirror else box.x
        y, w, h = box.y, box.width, box.height
        for _ in range(self.quarters):
            x, y, w, h = height - y - h, x, h, w
            width, height = height, width
        return Box(x, y, w, h)


ORIENTATIONS = {
    1: Move(),
    2: Move(mirror=True),
    3: Move(quarters=2),
    4: Move(mirror=True, quarters=2),
    5: Move(mirror=True, quarters=3),
    6: Move(quarters=1),
    7: Move(mirror=True, quarters=1),
    8: Move(quarters=3),
}
"""What makes a stored picture upright, by its EXIF orientation."""


def upright(orientation: int) -> Move:
    """Return what makes a picture of this EXIF orientation upright; a value that is none of 1 to 8 means 1."""
    return ORIENTATIONS.get(orientation, ORIENTATIONS[1])


class StoredPlan(msgspec.Struct, frozen=True):
    """A plan in the coordinates of the pixels as they are stored, before the EXIF orientation.

    Cut ``region`` out of ``full_width`` x ``full_height`` pixels, scale it to ``width`` x ``height``, make the
    ``move``, then turn by ``degrees`` (clockwise, above 0 and below 90) if that is not 0.
    """

    full_width: int
    full_height: int
    region: Box
    width: int
    height: int
    move: Move
    degrees: float


def in_stored_pixels(info: ImageInfo, plan: Plan) -> StoredPlan:
    """Return the plan for the stored pixels: orientation, mirroring and quarter turns become one move."""
    stand_up = upright(info.orientation)
    lie_down = stand_up.inverse
    quarters, rest = divmod(plan.degrees, 90) if plan.degrees else (0, 0)
    return StoredPlan(
        *lie_down.size(info.width, info.height),
        lie_down.box(plan.region, info.width, info.height),
        *lie_down.size(plan.width, plan.height),
        stand_up.then(Move(plan.mirror, int(quarters))),
        float(rest),
    )
