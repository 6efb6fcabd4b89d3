"""The config file as raw JSON: read within bounds, every key once, every ``$env`` replaced."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..wording import clean

LARGEST_FILE = 1_000_000
DEEPEST = 32
VARIABLE = "$env"


class FromEnvironment(str):
    """Text that an environment variable held. Numbers may be read from it, and messages never show it."""

    __slots__ = ()


class _Repeated(dict[str, Any]):
    """A JSON object in which the key ``key`` stands twice."""

    key: str = ""


def read_config(path: str | os.PathLike[str] | None) -> dict[str, Any]:
    """Return the JSON object in a file of at most 1 MB; an empty one for None.

    Raises `ConfigError` if there is no such file, or it cannot be read, is not JSON in UTF-8, repeats a key or nests
    deeper than 32 levels.
    """
    if path is None:
        return {}
    return parse_config(_read(Path(path)))


def parse_config(data: bytes) -> dict[str, Any]:
    """Return the JSON object that ``data`` spells. Raises `ConfigError` as `read_config` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"The config file is not UTF-8: byte {error.start} does not belong there.") from None
    try:
        raw = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"The config file is not JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise ConfigError(f"The config file nests deeper than {DEEPEST} levels.") from None
    except ValueError as error:
        raise ConfigError(f"The config file is not JSON: {clean(str(error))}.") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"The config file must hold a JSON object, not {kind_of(raw)}.")
    _check(raw, "", 0)
    return raw


def resolve(raw: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a copy of the config with every ``{"$env": "NAME"}`` replaced by that environment variable.

    Raises `ConfigError` with the path if a variable is missing, or if the values are not those that JSON knows.
    """
    _check(raw, "", 0)
    resolved = _resolved(raw, "", os.environ if environ is None else environ)
    if not isinstance(resolved, dict):
        raise ConfigError("The config must be a JSON object.")
    return resolved


def joined(path: str, key: str | int) -> str:
    """Return the path of what stands under a key, or at an index, of the thing at ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{clean(key)}" if path else clean(key)


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, str):
        return "text"
    return "a number" if isinstance(value, int | float) else "a list"


def _read(path: Path) -> bytes:
    name = clean(path.name) or "."
    try:
        if path.is_dir():
            raise ConfigError(f"The config file {name!r} is a folder; name the JSON file in it.")
        if not path.exists():
            raise ConfigError(f"There is no config file {name!r}.")
        if not path.is_file():
            raise ConfigError(f"The config file {name!r} is not a regular file.")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "its name is not possible"
        raise ConfigError(f"The config file {name!r} cannot be read: {reason}.") from None
    if len(data) > LARGEST_FILE:
        raise ConfigError(f"The config file {name!r} is larger than {LARGEST_FILE} bytes.")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeated = _Repeated(made)
    seen: set[str] = set()
    repeated.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return repeated


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _check(value: Any, path: str, depth: int) -> None:
    if depth > DEEPEST:
        raise ConfigError(f"The config nests deeper than {DEEPEST} levels.")
    if isinstance(value, _Repeated):
        raise ConfigError("the key stands twice in one object", joined(path, value.key))
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ConfigError("the keys of an object must be text", path)
            _check(item, joined(path, key), depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, joined(path, index), depth + 1)
    elif not (value is None or isinstance(value, str | int | float)):
        raise ConfigError(f"a {type(value).__name__} is not a JSON value", path)


def _resolved(value: Any, path: str, environ: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        if VARIABLE in value:
            return _variable(value, path, environ)
        return {key: _resolved(item, joined(path, key), environ) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(item, joined(path, index), environ) for index, item in enumerate(value)]
    return value


def _variable(value: Mapping[str, Any], path: str, environ: Mapping[str, str]) -> FromEnvironment:
    name = value[VARIABLE]
    if len(value) > 1:
        raise ConfigError(f'{{"{VARIABLE}": "NAME"}} must stand alone, without other keys', path)
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f"expected the name of an environment variable, found {kind_of(name)}", joined(path, VARIABLE)
        )
    found = environ.get(name)
    if found is None:
        raise ConfigError(f"the environment variable {clean(name)} is not set", path)
    return FromEnvironment(found)
