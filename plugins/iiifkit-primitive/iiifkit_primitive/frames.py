"""Which stages of a picture become the frames of its animation."""

from collections.abc import Sequence

MOST_FRAMES = 100
MOST_PIXELS = 32_000_000
"""The most pixels that all frames of an animation may have together."""

VISIBLE = 0.001
"""A stage becomes a frame if the score has dropped by so much since the last one."""


def stages(scores: Sequence[float], pixels: int) -> list[int]:
    """Return the stages to show, each as the number of shapes drawn: 0 first, all of them last.

    ``scores`` are those after each shape, ``pixels`` how many a frame has. Where there are too many stages, evenly
    spread ones remain.
    """
    last, shown = 10.0, [0]
    for count, score in enumerate(scores, 1):
        if last - score >= VISIBLE:
            last = score
            shown.append(count)
    if shown[-1] != len(scores):
        shown.append(len(scores))
    return thin(shown, max(2, min(MOST_FRAMES, MOST_PIXELS // pixels)))


def thin(shown: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` (2 or more) of the entries, evenly spread, the first and the last among them."""
    if len(shown) <= most:
        return list(shown)
    return [shown[place * (len(shown) - 1) // (most - 1)] for place in range(most)]
