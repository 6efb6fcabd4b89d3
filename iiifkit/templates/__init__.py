"""The beginning of a plugin, written by ``iiifkit plugins new``: it installs, works, and passes its own tests."""

import re
from importlib.resources import files
from pathlib import Path

from ..errors import IIIFKitError
from ..version import version

LIBRARIES = {"quality": (), "source": ("msgspec",), "cache": ("cachetools", "msgspec"), "engine": ("msgspec", "pillow")}
"""What each kind of plugin imports beside iiifkit."""

KINDS = tuple(LIBRARIES)
SUFFIX = ".template"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)


def write_plugin(name: str, kind: str, folder: str | Path | None = None) -> Path:
    """Write a plugin of one of the `KINDS` into a new folder, ``iiifkit-NAME`` unless told; return the folder.

    Raises `IIIFKitError` if the name cannot be a package's, or the folder is there already.
    """
    name = name.removeprefix("iiifkit-")
    if not _NAME.fullmatch(name) or len(name) > 50:
        raise IIIFKitError(
            f"{name!r} cannot be a plugin's name; use small letters, digits and single hyphens: old-film."
        )
    target = Path(folder if folder is not None else f"iiifkit-{name}")
    if target.exists():
        raise IIIFKitError(f"The folder {str(target)!r} is there already; choose another with --folder.")
    words = name.split("-")
    values = {
        "NAME": name,
        "MODULE": f"iiifkit_{'_'.join(words)}",
        "CLASS": "".join(word.capitalize() for word in words),
        "KIND": kind,
        "REQUIREMENTS": ", ".join(f'"{name}"' for name in (f"iiifkit>={version()}", *LIBRARIES[kind])),
    }
    try:
        for part in ("any", kind):
            _write_part(part, target, values)
    except OSError as error:
        raise IIIFKitError(f"The folder {str(target)!r} cannot be written: {error.strerror}.") from None
    return target


def _write_part(part: str, folder: Path, values: dict[str, str]) -> None:
    for template in sorted(files(__name__).joinpath(part).iterdir(), key=lambda entry: entry.name):
        if not template.name.endswith(SUFFIX):
            continue
        # A template's name is the path to write, with "+" for the slashes.
        path = folder / _filled(template.name.removesuffix(SUFFIX), values).replace("+", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template.read_text(encoding="utf-8"), values), encoding="utf-8")


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text)
