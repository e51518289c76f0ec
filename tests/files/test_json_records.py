"""Records are checked against the annotations of their fields when they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import pytest

from genbench.files.json_records import Must, parse_json, read_record


class Point(NamedTuple):
    x: float
    y: float | None


@dataclass(frozen=True)
class Part:
    size: Annotated[int, Must("0 or more", lambda size: size >= 0)]


@dataclass(frozen=True)
class Whole:
    name: str
    kind: Literal["a", "b"] | None = None
    weight: float = field(default=1.0, metadata={"json": "mass"})
    sizes: tuple[int, ...] = ()
    range: tuple[int, int] | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    points: Sequence[Point] = ()
    on: bool = False
    extra: Any = None


def test_a_record_is_read_with_nested_records_and_renamed_keys() -> None:
    data = {"name": "n", "kind": "a", "mass": 2, "sizes": [1], "range": [0, 1], "parts": {"p": {"size": 3}},
            "points": [[1.5, None]], "on": True, "extra": {"x": [1]}}  # fmt: skip
    expected = Whole("n", "a", 2.0, (1,), (0, 1), {"p": Part(3)}, (Point(1.5, None),), True, {"x": [1]})
    assert read_record(Whole, data) == expected


def test_null_is_nan_where_a_number_is_needed() -> None:
    assert math.isnan(read_record(Whole, {"name": "n", "mass": None}).weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "name is 1, not a text"),
        ({"kind": "c"}, 'kind is "c", not one of "a", "b"'),
        ({"mass": "x"}, 'mass is "x", not a number'),
        ({"mass": True}, "mass is true, not a number"),
        ({"sizes": {"a": 1}}, "sizes is an object, not a list"),
        ({"sizes": [1, 2.5]}, r"sizes\[1\] is 2.5, not a whole number"),
        ({"range": [1]}, "range has 1 values, not 2"),
        ({"parts": float("nan")}, "parts is NaN, not an object"),
        ({"parts": {"p": {"size": -1}}}, r'parts\["p"\].size is -1, but must be 0 or more'),
        ({"parts": {"p": {}}}, r'parts\["p"\].size is missing'),
        ({"points": [[1]]}, r"points\[0\] has 1 values, not 2 \(x, y\)"),
        ({"on": 1}, "on is 1, not true or false"),
        ({"nam": 1}, "nam is unknown, did you mean 'name'"),
        ({"weight": 1}, "weight is unknown"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_record(Whole, {"name": "n", **change})


def test_a_missing_field_and_another_value_than_an_object_are_named() -> None:
    with pytest.raises(ValueError, match="name is missing"):
        read_record(Whole, {})
    with pytest.raises(ValueError, match="the record is a list, not an object"):
        read_record(Whole, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "5000 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' occurs twice"),
        ("{", "Expecting"),
    ],
)
def test_json_that_no_record_needs_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_free_data_has_a_greatest_depth() -> None:
    with pytest.raises(ValueError, match="extra is nested too deeply"):
        read_record(Whole, parse_json('{"name": "n", "extra": ' + "[" * 50 + "]" * 50 + "}"))


def test_lone_surrogates_become_question_marks() -> None:
    record = read_record(Whole, parse_json(r'{"name": "a\ud800b", "extra": {"\udc00": ["\ud800", "\ud83d\ude00"]}}'))
    assert (record.name, record.extra) == ("a?b", {"?": ["?", "😀"]})
