"""Many results of one benchmark as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genbench.protocols import Score
from genbench.report.runs import runs_frame, runs_text
from genbench.results import Party, Result, entry


def result(name: str, fd: float, seed: int) -> Result:
    scores = (
        entry(Score("fid", fd, 0.5, "lower"), "digits", canonical=False),
        entry(Score("is", 9.0, None, "higher"), "digits", canonical=False),
    )
    empty = Result(name, scores, Party(name, 1, ""), None, "digits@1", (), {}, 0, "cpu", 32, "", 0.0, {})
    return replace(empty, training={"seed": seed})


RESULTS = [result("gan", 4.0, 0), result("gan", 6.0, 1), result("real", 0.5, 0)]


def test_the_spread_over_seeds_and_the_error_within_one_stand_apart() -> None:
    row = runs_frame(RESULTS).iloc[0]
    assert (row["name"], row["metric"], row["mean"], row["error"], row["seeds"]) == ("gan", "fd@digits", 5.0, 0.5, 2)
    assert row["spread"] == pytest.approx(2**0.5)


def test_the_best_stands_first_and_only_the_wanted_columns_are_shown() -> None:
    lines = runs_text(RESULTS, ["fd"]).splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["real", "gan"]
    assert "5.0 ± 1.4" in lines[-1]
    assert "is" not in lines[2].split()
