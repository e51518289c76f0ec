"""Results of several commits or days as a chart over time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.page.trend import trends, versions_of
from genbench.results import Result
from tests.helpers.made_results import made


def at(day: int, fd: float, *, seed: int = 0, commit: str = "") -> Result:
    created = f"2026-01-{day:02}T12:00:00+00:00"
    return replace(made("gan", fd, seed=seed, error=0.3, created=created), commit=commit)


HISTORY = [at(1, 9.0), at(1, 11.0, seed=1), at(2, 8.0, commit="aaa"), at(3, 6.0, commit="bbb")]


def test_each_commit_or_day_is_one_version_with_the_mean_over_its_seeds() -> None:
    versions = versions_of(HISTORY[::-1], "fd@digits")["gan"]
    assert [(each.when, each.commit, each.mean) for each in versions] == [
        ("2026-01-01", "", 10.0),
        ("2026-01-02", "aaa", 8.0),
        ("2026-01-03", "bbb", 6.0),
    ]
    # two independent seeds: sqrt(2) * 0.3 / 2
    assert versions[0].error == pytest.approx(0.3 / 2**0.5)


def test_the_newest_result_of_a_seed_counts_within_a_commit() -> None:
    (version,) = versions_of([at(2, 8.0, commit="a"), at(1, 9.0, commit="a")], "fd@digits")["gan"]
    assert version.mean == 8.0


def test_days_are_those_of_utc() -> None:
    # 22:30 and 23:30 of one day in UTC, written in two zones, and half an hour into the next day
    made_at = {"2026-01-01T23:30:00+01:00": 9.0, "2026-01-02T01:30:00+02:00": 7.0, "2026-01-01T19:30:00-05:00": 5.0}
    results = [replace(made("gan", fd, seed=int(fd)), created=time) for time, fd in made_at.items()]
    versions = versions_of(results, "fd@digits")["gan"]
    assert [(each.when, each.mean) for each in versions] == [("2026-01-01", 8.0), ("2026-01-02", 5.0)]


def test_the_chart_says_every_value_in_words() -> None:
    ((name, drawn),) = trends(HISTORY, "fd@digits")
    assert name == "gan"
    assert "2026-01-02, commit aaa: 8.00 ± 0.30; 2026-01-03, commit bbb: 6.00 ± 0.30" in drawn


def test_a_single_version_has_no_chart() -> None:
    assert trends(HISTORY[:2], "fd@digits") == []


def test_the_report_has_the_chart_if_it_is_asked_for(tmp_path: Path) -> None:
    for result in HISTORY:
        result.append(tmp_path / "digits.jsonl")
    run = CliRunner().invoke
    assert run(main, ["report", str(tmp_path), "--trend"]).exit_code == 0
    assert 'id="digits-over-time-gan"' in (tmp_path / "index.html").read_text()
    assert run(main, ["report", str(tmp_path), "--trend", "--check"]).exit_code == 0
    # another page than without the option
    assert f"genbench report {tmp_path}`" in run(main, ["report", str(tmp_path), "--check"]).stderr
