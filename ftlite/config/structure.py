"""TOML or JSON becomes frozen values, whatever the model. The models are the grammar: their fields are the keys, their
validators the rules.

A table is a model, an array of tables a tuple of models. Enums are written by value, rights as words ("read put"),
durations as seconds or "5m", sizes and rates as bytes or "10MiB". Relative paths start at the file's directory.
"""

from __future__ import annotations

import difflib
import enum
import functools
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ftlite.config.errors import ConfigError
from ftlite.config.rights import Right, parse_rights
from ftlite.config.units import parse_duration, parse_rate, parse_size

Model = TypeVar("Model")

#: Whole numbers that are not counts, by field: how their text is read.
_TEXTS: dict[str, typing.Callable[[str], int]] = {
    "line": parse_size,
    "tree_size": parse_size,
    "tree_path": parse_size,
    "tree_free": parse_size,
    "rate_down": parse_rate,
    "rate_up": parse_rate,
    "limit_rate": parse_rate,
    "umask": functools.partial(int, base=8),
}


def structure(
    model: type[Model], data: object, file: Path | None, key: str = "", whole: type[Any] | None = None
) -> Model:
    """Build `model` from a table as TOML or JSON gives it.

    Args:
        key: the dotted key of the table, for messages.
        whole: the model of the file as a whole, where a misplaced key may belong; None: `model`.

    Raises:
        ConfigError: a key is unknown, missing, of the wrong type or value.
    """
    if isinstance(data, model):
        return data
    if not isinstance(data, Mapping):
        raise ConfigError(file, key, f"must be a table, not {data!r}")
    fields, hints = _fields(model)
    values: dict[str, Any] = {}
    for name, raw in data.items():
        if name not in fields:
            raise ConfigError(file, _dotted(key, name), f"is not known{_near(name, model, key, whole or model)}")
        values[name] = _field_value(fields[name], hints[name], raw, file, _dotted(key, name), whole or model)
    for name, field in fields.items():
        if name not in values and field.default is attrs.NOTHING:
            raise ConfigError(file, _dotted(key, name), "is missing")
    try:
        return model(**values)
    except (ValueError, TypeError) as error:
        raise ConfigError(file, key, str(error.args[0])) from error


def keys(model: type[Any], prefix: str = "") -> Iterator[tuple[str, attrs.Attribute[Any]]]:
    """Every key that `model` understands, dotted, arrays as ``users[].name``, with the field behind it."""
    fields, hints = _fields(model)
    for name, field in fields.items():
        inner, array = _inner_model(hints[name])
        if inner is None:
            yield prefix + name, field
        else:
            yield from keys(inner, f"{prefix}{name}{'[]' if array else ''}.")


def _fields(model: type[Any]) -> tuple[dict[str, attrs.Attribute[Any]], dict[str, Any]]:
    return {field.name: field for field in attrs.fields(model) if field.init}, typing.get_type_hints(model)


def _field_value(
    field: attrs.Attribute[Any], hint: Any, raw: object, file: Path | None, key: str, whole: type[Any]
) -> Any:
    value = _convert(hint, field.name, raw, file, key, whole)
    if field.validator is not None:
        try:
            field.validator(None, field, value)
        except (ValueError, TypeError) as error:
            raise ConfigError(file, key, str(error.args[0])) from error
    return value


def _convert(hint: Any, name: str, raw: object, file: Path | None, key: str, whole: type[Any]) -> Any:
    """`raw` as a value of the type `hint`; `name` is the field's, for its unit."""
    if typing.get_origin(hint) is types.UnionType:
        if raw is None:
            return None
        (hint,) = (choice for choice in typing.get_args(hint) if choice is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        if not isinstance(raw, (list, tuple)):
            raise ConfigError(file, key, f"must be an array, not {raw!r}")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, name, value, file, f"{key}[{index}]", whole) for index, value in enumerate(raw))
    if attrs.has(hint):
        return structure(hint, raw, file, key, whole)
    try:
        return _scalar(hint, name, raw, file)
    except ValueError as error:
        raise ConfigError(file, key, str(error)) from error


def _scalar(hint: Any, name: str, raw: object, file: Path | None) -> Any:
    if isinstance(raw, str) and hint is not str:
        if hint is Right:
            return parse_rights(raw)
        if hint is Path:
            return (file.parent if file else Path()) / Path(raw).expanduser()
        if hint is float:
            return parse_duration(raw)
        if hint is int and name in _TEXTS:
            return _text_number(name, raw)
        if issubclass(hint, enum.Enum) and raw in (choice.value for choice in hint):
            return hint(raw)
    elif hint is float and isinstance(raw, (int, float)) and not isinstance(raw, bool) and math.isfinite(raw):
        return float(raw)
    elif hint is not float and isinstance(raw, hint) and (hint is bool or not isinstance(raw, bool)):
        return raw
    # A password may have been written where its hash belongs: it is not repeated on a screen or in a log.
    shown = "what stands there" if name == "password" else repr(raw)
    raise ValueError(f"must be {_expectation(hint, name)}, not {shown}")


def _text_number(name: str, raw: str) -> int:
    try:
        return _TEXTS[name](raw)
    except ValueError:
        raise ValueError(f"must be {_expectation(int, name)}, not {raw!r}") from None


def _expectation(hint: Any, name: str) -> str:
    if name == "umask":
        return "an octal number as in 0o022 or '022'"
    if name in _TEXTS:
        return "a number of bytes, or text as in '10MiB'"
    if hint is not Right and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(repr(choice.value) for choice in hint)
    words = {
        Right: "rights in words as in 'read put'",
        Path: "a path in quotes",
        float: "a number of seconds, or text as in '90s' or '5m'",
        int: "a whole number",
        str: "text in quotes",
        bool: "true or false",
    }
    return words[hint]


def _inner_model(hint: Any) -> tuple[type[Any] | None, bool]:
    array = typing.get_origin(hint) is tuple
    inner = typing.get_args(hint)[0] if array else hint
    return (inner if attrs.has(inner) else None), array


def _near(name: str, model: type[Any], key: str, whole: type[Any]) -> str:
    """How to go on after an unknown key: its near miss in this table, or the table where the key belongs."""
    fields, _ = _fields(model)
    close = difflib.get_close_matches(name, fields, 1)
    if close:
        return f": did you mean {close[0]!r}?"
    elsewhere = [known for known, _ in keys(whole) if known.rpartition(".")[2] == name]
    if elsewhere:
        return f" here: did you mean {elsewhere[0]!r}?"
    near = difflib.get_close_matches(name, fields, 1, 0)
    return f": the nearest key {'there' if key else 'that is'} is {near[0]!r}" if near else ""


def _dotted(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises ConfigError when it cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "", f"is no TOML: {error}") from error
