"""Texts from outside, made fit to stand in one line of a message."""

import re


def clean(text: str, longest: int = 60) -> str:
    """Return text on one printable line of at most ``longest`` characters, and three dots if there was more."""
    shown = text[:longest].encode("utf-8", "backslashreplace").decode()
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown)
    return shown if len(text) <= longest else shown + "..."


def told(error: BaseException) -> str:
    """Return an error of a stranger's code in one line, without the paths that Python adds in brackets."""
    try:
        text = str(error).strip().partition("\n")[0]
    except Exception:  # Its own text may be what is broken.
        text = ""
    text = re.sub(r"\s*\([^()]*[/\\][^()]*\)", "", text[:1000])
    return f"{type(error).__name__}: {clean(text, 200)}" if text else type(error).__name__
