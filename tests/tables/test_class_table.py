"""Tables of the classes behind a score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from genbench.plugs.contracts import Score
from genbench.results import Result
from genbench.tables.class_table import class_tables
from genbench.tables.result_table import result_text
from tests.helpers.made_results import made


def with_classes(classes: Any) -> Result:
    result = made("cgan", 5.0, extra=(Score("fid_per_class", 3.0, 0.1, "lower"),))
    scores = [replace(e, detail={"classes": classes}) if "per_class" in e.name else e for e in result.scores]
    return replace(result, scores=tuple(scores))


def of_number(number: int) -> dict[str, Any]:
    return {"name": f"class {number}", "value": 30.0 - number, "error": 0.5, "debiased": None, "generated": 1000}


def test_the_table_shows_the_worst_classes_and_how_many_there_are() -> None:
    (table,) = class_tables(with_classes([of_number(number) for number in range(12)]))
    assert "the worst 10 of 12 classes, worst first" in table.title
    # a column without any number is left out
    assert table.headers == ("class", "value", "generated")
    assert table.rows[0] == ("class 0", "30.00 ± 0.50", "1,000")
    assert len(table.rows) == 10


def test_the_result_shows_the_classes_below_its_scores() -> None:
    text = result_text(with_classes([of_number(0), of_number(1)]), plain=True)
    assert text.splitlines()[-1].split() == ["class", "1", "29.00", "+-", "0.50", "1,000"]


@pytest.mark.parametrize("classes", ["abc", 3, None, [1, 2], [{"name": 1, "value": 2}], [{"name": "a"}], []])
def test_a_detail_of_another_kind_makes_no_table(classes: Any) -> None:
    assert class_tables(with_classes(classes)) == []


def test_values_that_are_no_numbers_are_shown_as_unknown() -> None:
    (table,) = class_tables(with_classes([{"name": "a", "value": None, "error": "x", "generated": [1]}]))
    assert table.rows == (("a", "nan"),)
