"""What a request wishes for: ``primitive:MODE,ITERATIONS,ALPHA``."""

import re
from dataclasses import dataclass

from iiifkit import BadRequest

MODES = (
    *("mixture", "triangle", "rectangle", "ellipse", "circle", "rotated rectangle"),
    *("curve", "rotated ellipse", "polygon"),
)

_FORM = re.compile(r"[^:]{1,64}:([0-9]{1,9}),([0-9]{1,9}),([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Wish:
    """The mode, an index of `MODES`; how many shapes, at least 1; their alpha, 1 to 255, or 0 for automatic."""

    mode: int
    iterations: int
    alpha: int

    @classmethod
    def parse(cls, text: str, max_iterations: int) -> "Wish":
        """Read the quality of a request. Raises `BadRequest`, saying what is wrong with it."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise BadRequest(
                "The quality primitive is written primitive:MODE,ITERATIONS,ALPHA, three whole numbers of at most nine "
                "digits, without blanks; for example primitive:5,100,128."
            )
        mode, iterations, alpha = (int(number) for number in form.groups())
        if mode >= len(MODES):
            modes = ", ".join(f"{number} ({name})" for number, name in enumerate(MODES))
            raise BadRequest(f"The quality primitive has no mode {mode}; there are {modes}.")
        if iterations < 1:
            raise BadRequest("The quality primitive needs at least 1 iteration.")
        if iterations > max_iterations:
            raise BadRequest(
                f"The quality primitive was asked for {iterations} iterations; this server allows {max_iterations}."
            )
        if alpha > 255:
            raise BadRequest(
                f"The quality primitive was asked for alpha {alpha}; it is 1 to 255, or 0 for an automatic one."
            )
        return cls(mode, iterations, alpha)
