"""The canvas of a picture that is turned by any angle."""

import math


def turned_size(width: int, height: int, degrees: float) -> tuple[int, int]:
    """Return the size of the smallest canvas that holds a picture turned by ``degrees``, to the nearest pixel."""
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    return max(1, round(width * cosine + height * sine)), max(1, round(height * cosine + width * sine))
