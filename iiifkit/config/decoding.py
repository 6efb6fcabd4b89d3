"""Raw JSON into typed structs; whatever does not fit is named by its path, with what was expected."""

import types
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from ..errors import ConfigError
from ..wording import clean
from .reading import FromEnvironment, joined, kind_of

SECRET = ("key", "secret", "credential", "token", "password")
"""Words in a key's name whose value is never shown."""

_LISTS = (list, tuple, set, frozenset, Sequence)
_MAPPINGS = (dict, Mapping)
Struct = TypeVar("Struct", bound=msgspec.Struct)


class Check:
    """Stands in an annotation; ``function`` returns the value to keep, or raises `ValueError` with a clause."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


def decode(value: Any, kind: type[Struct], path: str) -> Struct:
    """Return ``value`` as a struct of type ``kind``. Raises `ConfigError` with the path below ``path``."""
    decoded: Struct = _decode(value, kind, path)
    return decoded


def field_names(kind: type[msgspec.Struct]) -> list[str]:
    """Return the keys that a struct reads, as the config spells them."""
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def unknown_key(key: str, path: str, known: Sequence[str]) -> ConfigError:
    """Return the error for a key that is not read, with the nearest one that is."""
    close = get_close_matches(key, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}" if known else "none is read here"
    return ConfigError(f"unknown key; {hint}", joined(path, key))


def _decode(value: Any, kind: Any, path: str) -> Any:
    bare, notes = _bare(kind)
    if bare is Any or bare is object:
        return _plain(value)
    if get_origin(bare) in (Union, types.UnionType):
        return _decode_union(value, kind, bare, path)
    origin = get_origin(bare) or bare
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct) and not _special(origin):
        return _noted(_decode_struct(value, origin, path), notes, path)
    arguments = get_args(bare)
    if origin in _MAPPINGS and len(arguments) == 2 and arguments[0] is str:
        if not isinstance(value, Mapping):
            raise _mismatch(value, kind, path)
        made: Any = {str(key): _decode(item, arguments[1], joined(path, key)) for key, item in value.items()}
        return _noted(_measured(value, made, notes, path), notes, path)
    if origin in _LISTS and arguments and (origin is not tuple or arguments[1:] == (...,)):
        if not isinstance(value, list):
            raise _mismatch(value, kind, path)
        items = [_decode(item, arguments[0], joined(path, index)) for index, item in enumerate(value)]
        made = origin(items) if origin in (tuple, set, frozenset) else items
        return _noted(_measured(value, made, notes, path), notes, path)
    return _noted(_convert(value, kind, path), notes, path)


def _decode_struct(value: Any, kind: type[msgspec.Struct], path: str) -> msgspec.Struct:
    if not isinstance(value, Mapping):
        raise _mismatch(value, kind, path)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in value:
        if key not in fields:
            raise unknown_key(key, path, list(fields))
    for key, field in fields.items():
        if field.required and key not in value:
            raise ConfigError(f"missing; expected {describe(field.type)}", joined(path, key))
    decoded = {fields[key].name: _decode(item, fields[key].type, joined(path, key)) for key, item in value.items()}
    try:
        return kind(**decoded)
    except (ValueError, TypeError) as error:
        raise ConfigError(clean(str(error), 300), path) from None


def _decode_union(value: Any, kind: Any, bare: Any, path: str) -> Any:
    """Decode the one member of a union that an object or a list can be, so that errors inside it keep their path."""
    _, notes = _bare(kind)
    for member in get_args(bare):
        origin = get_origin(_bare(member)[0]) or _bare(member)[0]
        if isinstance(value, Mapping) and (origin in _MAPPINGS or _is_struct(origin)):
            return _noted(_decode(value, member, path), notes, path)
        if isinstance(value, list) and origin in _LISTS:
            return _noted(_decode(value, member, path), notes, path)
    return _noted(_convert(value, kind, path), notes, path)


def _convert(value: Any, kind: Any, path: str) -> Any:
    try:
        return msgspec.convert(_plain(value), kind, strict=not isinstance(value, FromEnvironment))
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError):
        raise _mismatch(value, kind, path) from None


def _measured(value: Any, made: Any, notes: Sequence[Any], path: str) -> Any:
    """Check the length that an annotation asks for, and return what was made of the value."""
    for note in notes:
        if isinstance(note, msgspec.Meta):
            least, most = note.min_length or 0, note.max_length
            if not (least <= len(value) and (most is None or len(value) <= most)):
                bounds = ([f"at least {least}"] if least else []) + ([f"at most {most}"] if most is not None else [])
                what = "an object" if isinstance(value, Mapping) else "a list"
                raise ConfigError(f"expected {what} of {' and '.join(bounds)}, found {len(value)}", path)
    return made


def _noted(value: Any, notes: Sequence[Any], path: str) -> Any:
    for note in notes:
        if isinstance(note, Check):
            try:
                value = note.function(value)
            except ValueError as error:
                raise ConfigError(str(error), path) from None
    return value


def _bare(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its annotations, and these."""
    if get_origin(kind) is Annotated:
        bare, *notes = get_args(kind)
        return bare, tuple(notes)
    return kind, ()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _special(kind: type[msgspec.Struct]) -> bool:
    return kind.__struct_config__.tag is not None or kind.__struct_config__.array_like


def _plain(value: Any) -> Any:
    """Return a value with ordinary texts in place of those from the environment."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _mismatch(value: Any, kind: Any, path: str) -> ConfigError:
    message = f"expected {describe(kind)}, found {_shown(value, path)}"
    choices = [str(choice) for choice in _choices(kind)]
    told = value.lower() if isinstance(value, str) and not isinstance(value, FromEnvironment) else ""
    if close := get_close_matches(told, choices, 1):
        message += f"; did you mean {close[0]}?"
    return ConfigError(message, path)


def _shown(value: Any, path: str) -> str:
    if isinstance(value, FromEnvironment):
        return "something else in the environment variable"
    last = path.rpartition(".")[2].lower()
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number that is far too large"
    if isinstance(value, Mapping | bool | None) or any(word in last for word in SECRET):
        return kind_of(value)
    return f'"{clean(value, 40)}"' if isinstance(value, str) else clean(str(value), 40)


def _choices(kind: Any) -> list[Any]:
    bare, _ = _bare(kind)
    if get_origin(bare) is Literal:
        return list(get_args(bare))
    if get_origin(bare) in (Union, types.UnionType):
        return [choice for member in get_args(bare) for choice in _choices(member)]
    return []


def describe(kind: Any) -> str:
    """Return what a type accepts, in words."""
    bare, notes = _bare(kind)
    limits = [note for note in notes if isinstance(note, msgspec.Meta)]
    for limit in limits:
        if limit.description:
            return limit.description
    origin = get_origin(bare) or bare
    if origin in (Union, types.UnionType):
        words = dict.fromkeys(describe(member) for member in get_args(bare))
        return _either(list(words))
    if origin is Literal:
        return _either([f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in get_args(bare)])
    word = _WORDS.get(origin, "an object" if _is_struct(origin) else "another value")
    return word + _range(limits, " characters" if origin is str else "")


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _range(limits: Sequence[msgspec.Meta], unit: str) -> str:
    said = []
    for limit in limits:
        if limit.ge is not None and limit.le is not None:
            said.append(f" from {limit.ge} to {limit.le}")
        else:
            for word, bound in (("from", limit.ge), ("above", limit.gt), ("up to", limit.le), ("below", limit.lt)):
                said += [f" {word} {bound}"] if bound is not None else []
        said += [f", a multiple of {limit.multiple_of}"] if limit.multiple_of else []
        if limit.min_length and limit.max_length:
            said.append(f" of {limit.min_length} to {limit.max_length}{unit}")
        else:
            for word, bound in (("at least", limit.min_length), ("at most", limit.max_length)):
                said += [f" of {word} {bound}{unit}"] if bound else []
        said += [f" matching {limit.pattern}"] if limit.pattern else []
    return "".join(said)


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
    **dict.fromkeys(_LISTS, "a list"),
    **dict.fromkeys(_MAPPINGS, "an object"),
}
