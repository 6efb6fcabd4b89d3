"""Fills the HTML templates; everything that is put into them is escaped."""

from functools import cache
from html import escape
from importlib.resources import files
from string import Template


class Safe(str):
    """HTML that is put in as it is."""

    __slots__ = ()


def fill(template: str, /, **values: object) -> Safe:
    """Return a template with its values put in. In the templates, attributes stand in double quotes."""
    escaped = {key: value if isinstance(value, Safe) else escape(str(value)) for key, value in values.items()}
    return Safe(_template(template).substitute(escaped))


def joined(parts: list[Safe]) -> Safe:
    """Return pieces of HTML, one after the other."""
    return Safe("".join(parts))


@cache
def _template(name: str) -> Template:
    return Template((files("iiifkit.viewer") / "templates" / f"{name}.html").read_text(encoding="utf-8"))
