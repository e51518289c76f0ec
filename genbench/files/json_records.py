"""Read records, which are dataclasses, from JSON, with a check of every value against the annotation of its field.

A new field of a record is therefore checked without further code.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from genbench.errors import did_you_mean

Record = TypeVar("Record")

MOST_DIGITS = 100
"""Longer integers are refused: no count or seed needs them, and they are no floats."""

DEEPEST = 20
"""Deeper nesting is refused."""


@dataclass(frozen=True)
class Must:
    """A condition in the annotation of a field: ``Annotated[int, Must("at least 0", lambda number: number >= 0)]``."""

    be: str
    """Completes the sentence "The field is ..., but must be"."""
    test: Callable[[Any], bool]


def is_time(text: str) -> bool:
    """Return whether a text is a date or a time in ISO 8601."""
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


Time = Annotated[str, Must("a time in ISO 8601", is_time)]
Count = Annotated[int, Must("0 or more", lambda count: count >= 0)]
"""A number of things."""


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError, also for repeated keys and endless numbers or nesting."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError:
        raise ValueError("its lists or objects are nested too deeply") from None


def plain_data(value: Any) -> Any:
    """Return a value as data that JSON can hold: NaN and infinity become None, unknown objects their text."""
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    if hasattr(value, "tolist"):  # numpy numbers and arrays
        return plain_data(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    # a guest's detail may hold anything
    return value if value is None or isinstance(value, (str, int)) else str(value)


def read_record(kind: type[Record], data: object, where: str = "") -> Record:
    """Return the record of a JSON object; ``where`` is the path of the object in messages.

    The keys are the names of the fields, or ``metadata["json"]`` of a field. Null is NaN where a field must be a float.
    Raises ValueError, which names the field, for values that do not have the type of their field, and for missing or
    unknown keys.
    """
    record: Record = read_value(kind, data, where)
    return record


def read_value(kind: Any, value: object, where: str) -> Any:
    """Return a JSON value as a type: a scalar, ``Any``, a Literal, a union, a mapping, a sequence or a record.

    Sequences become tuples. Raises ValueError if the value has another type.
    """
    reader = _reader_of(kind)
    if reader is not None:
        return reader(kind, value, where)
    if is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if isinstance(kind, type) and hasattr(kind, "_fields"):
        return _read_named_tuple(kind, value, where)
    raise TypeError(f"values of the type {kind} cannot be read from JSON")


@cache
def _reader_of(kind: Any) -> Callable[[Any, object, str], Any] | None:
    # generic types by their origin, others by themselves
    return _READERS.get(get_origin(kind) or kind)


def to_record(record: Any) -> Any:
    """Return a dataclass as nested dicts, the inverse of ``read_record``: keys have their names in JSON."""
    # records, then containers; everything else is a value of JSON
    if is_dataclass(record):
        return {each.metadata.get("json", each.name): to_record(getattr(record, each.name)) for each in fields(record)}
    if isinstance(record, Mapping):
        return {key: to_record(value) for key, value in record.items()}
    return [to_record(value) for value in record] if isinstance(record, (list, tuple)) else record


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    # Python would keep the last of several values of a key
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return values


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _read_dataclass(kind: Any, value: object, where: str) -> Any:
    given = _expected(dict, "an object", value, where)
    prefix = f"{where}." if where else ""
    # read the fields by their names in JSON
    arguments = {}
    for name, (key, annotation, required) in _keys(kind).items():
        if key in given:
            arguments[name] = read_value(annotation, given[key], prefix + key)
        elif required:
            raise ValueError(f"{prefix}{key} is missing")
    # a key that nobody reads is a mistake, or comes from a newer version
    known = [key for key, _, _ in _keys(kind).values()]
    for key in given:
        if key not in known:
            raise ValueError(f"{prefix}{_text(key)} is unknown{did_you_mean(key, known).rstrip('.')}")
    return kind(**arguments)


@cache
def _keys(kind: Any) -> dict[str, tuple[str, Any, bool]]:
    """Return the JSON key and the type of each field of a dataclass, and whether the field has no default."""
    # include_extras keeps the conditions of Annotated
    hints = get_type_hints(kind, include_extras=True)
    return {
        each.name: (
            each.metadata.get("json", each.name),
            hints[each.name],
            each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(kind)
        if each.init
    }


def _read_named_tuple(kind: Any, value: object, where: str) -> Any:
    # a NamedTuple is a list in JSON
    items = _expected(list, "a list", value, where)
    hints = get_type_hints(kind, include_extras=True)
    if len(items) != len(kind._fields):
        raise ValueError(f"{where} has {len(items)} values, not {len(kind._fields)} ({', '.join(kind._fields)})")
    return kind(
        *(read_value(hints[name], item, f"{where}.{name}") for name, item in zip(kind._fields, items, strict=True))
    )


def _read_annotated(kind: Any, value: object, where: str) -> Any:
    # the type first, then the conditions
    inner, *conditions = get_args(kind)
    read = read_value(inner, value, where)
    for condition in conditions:
        if isinstance(condition, Must) and not condition.test(read):
            raise ValueError(f"{where} is {_shown(value)}, but must be {condition.be}")
    return read


def _read_union(kind: Any, value: object, where: str) -> Any:
    choices = get_args(kind)
    if value is None and type(None) in choices:
        return None
    # the first type that fits; the error is that of the last one
    *others, last = [choice for choice in choices if choice is not type(None)]
    for choice in others:
        with suppress(ValueError):
            return read_value(choice, value, where)
    return read_value(last, value, where)


def _read_literal(kind: Any, value: object, where: str) -> Any:
    # True is 1 in Python
    for choice in get_args(kind):
        if type(value) is type(choice) and value == choice:
            return choice
    raise ValueError(f"{where} is {_shown(value)}, not one of {', '.join(map(_shown, get_args(kind)))}")


def _read_mapping(kind: Any, value: object, where: str) -> dict[str, Any]:
    _, inner = get_args(kind)
    return {
        _text(key): read_value(inner, item, f"{where}[{_shown(key)}]")
        for key, item in _expected(dict, "an object", value, where).items()
    }


def _read_sequence(kind: Any, value: object, where: str) -> tuple[Any, ...]:
    items = _expected(list, "a list", value, where)
    inner = get_args(kind)
    # tuple[int, int] has a fixed length; tuple[int, ...] and Sequence[int] have none
    if get_origin(kind) is tuple and inner[-1] is not Ellipsis:
        if len(items) != len(inner):
            raise ValueError(f"{where} has {len(items)} values, not {len(inner)}")
        pairs = zip(inner, items, strict=True)
        return tuple(read_value(each, item, f"{where}[{index}]") for index, (each, item) in enumerate(pairs))
    # influences are long lists of floats
    if inner[0] is float and all(type(item) is float for item in items):
        return tuple(items)
    return tuple(read_value(inner[0], item, f"{where}[{index}]") for index, item in enumerate(items))


def _read_text(kind: Any, value: object, where: str) -> str:
    return _text(_expected(str, "a text", value, where))


def _read_bool(kind: Any, value: object, where: str) -> bool:
    return bool(_expected(bool, "true or false", value, where))


def _read_int(kind: Any, value: object, where: str) -> int:
    return int(_expected(int, "a whole number", value, where))


def _read_float(kind: Any, value: object, where: str) -> float:
    # JSON has no NaN: the writer turns it into null
    if value is None:
        return math.nan
    return float(value) if type(value) is int else float(_expected(float, "a number", value, where))


def _read_any(kind: Any, value: object, where: str, depth: int = 0) -> Any:
    """Return any value, with valid texts."""
    # the writers and the page visit such data recursively, too
    if depth > DEEPEST:
        raise ValueError(f"{where.partition('[')[0]} is nested too deeply")
    if isinstance(value, dict):
        return {_text(key): _read_any(kind, item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_any(kind, item, where, depth + 1) for item in value]
    return _text(value) if isinstance(value, str) else value


_READERS: dict[Any, Callable[[Any, object, str], Any]] = {
    Any: _read_any, Annotated: _read_annotated, Union: _read_union, types.UnionType: _read_union,
    Literal: _read_literal, Mapping: _read_mapping, dict: _read_mapping, Sequence: _read_sequence,
    tuple: _read_sequence, list: _read_sequence, str: _read_text, bool: _read_bool, int: _read_int,
    float: _read_float,
}  # fmt: skip


def _expected(kind: type, name: str, value: object, where: str) -> Any:
    # a bool is an int in Python, but not in JSON
    if type(value) is not kind:
        raise ValueError(f"{where or 'the record'} is {_shown(value)}, not {name}")
    return value


def _text(text: str) -> str:
    """Replace lone surrogates, which JSON can write and UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _shown(value: object) -> str:
    """Return a JSON value for a message, shortened."""
    # a container is only named, because it may be large or deep
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    shown = json.dumps(value)
    return shown if len(shown) <= 40 else f"{shown[:36]}..."
