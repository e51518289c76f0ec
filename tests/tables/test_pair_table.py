"""Tables of the copies that a score lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from genbench.plugs.contracts import Score
from genbench.results import Result
from genbench.tables.pair_table import pair_tables
from genbench.tables.result_table import result_text
from tests.helpers.made_results import made


def with_pairs(pairs: Any, found: Any = 7) -> Result:
    result = made("vae", 5.0, extra=(Score("memorised", 0.2, 0.01, "lower"),))
    detail = {"pairs": pairs, "found": found}
    scores = [replace(e, detail=detail) if "memorised" in e.name else e for e in result.scores]
    return replace(result, scores=tuple(scores))


def pair(number: int, **files: str) -> dict[str, Any]:
    return {"generated": number, "train": 1000 + number, "distance": 0.5, "ratio": 0.25, "chance": 0.001, **files}


def test_the_table_shows_the_clearest_pairs_by_file_or_position() -> None:
    pairs = [pair(0, generated_file="out/a.png", train_file="train/b.png"), *map(pair, range(1, 9))]
    (table,) = pair_tables(with_pairs(pairs))
    assert "the clearest 5 of 7 samples, smallest ratio first" in table.title
    assert table.rows[0] == ("out/a.png", "train/b.png", "0.5", "0.25", "0.001")
    assert table.rows[1][:2] == ("1", "1,001")
    assert len(table.rows) == 5


def test_pairs_that_were_not_found_are_not_shown() -> None:
    (table,) = pair_tables(with_pairs([pair(0), pair(1)], found=1))
    assert len(table.rows) == 1
    assert pair_tables(with_pairs([pair(0), pair(1)], found=0)) == []


def test_the_result_shows_the_pairs_below_its_scores() -> None:
    text = result_text(with_pairs([pair(0)]), plain=True)
    assert text.splitlines()[-1].split() == ["0", "1,000", "0.5", "0.25", "0.001"]


@pytest.mark.parametrize("pairs", ["abc", 3, None, [1, 2], [{"generated": 1}], [{**pair(0), "ratio": "x"}], []])
def test_a_detail_of_another_kind_makes_no_table(pairs: Any) -> None:
    assert pair_tables(with_pairs(pairs)) == []
