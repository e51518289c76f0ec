"""Test tables of many results: rows, ranks, spreads, errors and mixed protocols."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import genbench
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import Score
from genbench.results import Result
from genbench.tables.leaderboard_table import cell_text, table, tabulated
from tests.helpers.made_results import board, made


def test_the_best_is_first_whatever_the_order_of_the_results() -> None:
    rows = tabulated(board()).rows
    assert [row.name for row in rows] == ["real", "gan", "vae", "noise"]
    assert rows == tabulated(board()[::-1]).rows


def test_the_spread_over_seeds_and_the_sampling_error_are_separate_columns() -> None:
    frame = table(board()).set_index(["name", "metric"])
    gan = frame.loc["gan", "fd@digits"]
    assert gan["mean"] == 5
    assert gan["spread"] == pytest.approx(2**0.5)
    assert gan["error"] < 0.6
    assert gan["seeds"] == 2
    assert np.isnan(frame.loc["vae", "fd@digits"]["spread"])


def test_a_cell_has_both_and_a_single_seed_has_no_spread() -> None:
    cells = {row.name: cell_text(row.cells["fd@digits"]) for row in tabulated(board()).rows}
    assert cells["gan"].startswith("5.0 ± 1.4 (")
    assert cells["vae"] == "20.00 (0.50)"


def test_ties_share_ranks() -> None:
    near = [made("a", 5.0), made("b", 5.2), made("c", 50.0)]
    assert {row.name: row.rank for row in tabulated(near).rows} == {"a": "1–2", "b": "1–2", "c": "3"}


def test_the_target_and_the_worst_case_are_marked_and_missing_ones_are_noted() -> None:
    shown = tabulated(board())
    assert {row.name: row.role for row in shown.rows if row.role} == {"real": "target", "noise": "worst case"}
    assert not [note for note in shown.notes if "genbench run" in note]
    assert "`genbench run digits --samplers real,noise`" in tabulated(board()[:3]).notes[0]


def test_the_columns_are_those_of_the_benchmark_in_its_order() -> None:
    shown = tabulated([made("gan", 5.0, extra=(Score("recall", 0.5, 0.01, "higher"), Score("odd", 1.0, 0.1, "lower")))])
    assert shown.metrics == ("fd@digits", "is@digits", "recall@digits")
    assert shown.headers == ["fd ↓", "is ↑", "recall ↑"]


def test_without_a_benchmark_every_score_with_a_direction_is_a_column() -> None:
    result = replace(made("a", 5.0, extra=(Score("authpct", 50.0, 1.0),)), benchmark=None)
    assert tabulated([result]).metrics == ("fd@digits", "is@digits")


def test_another_metric_sorts_and_ranks_by_its_own_direction() -> None:
    shown = tabulated(board(), sort="is")
    assert [row.name for row in shown.rows] == ["noise", "vae", "gan", "real"]
    assert shown.rows[0].rank == "1"


def test_the_nearest_metric_is_suggested_for_an_unknown_one() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'fd@digits'\?"):
        tabulated(board(), sort="fd@digit")


def test_a_sampler_without_a_score_has_an_empty_cell() -> None:
    shown = tabulated([made("a", 5.0), made("b", 9.0, extra=(Score("recall", 0.5, 0.01, "higher"),))])
    assert [cell_text(row.cells.get("recall@digits")) for row in shown.rows] == ["–", "0.500 (0.010)"]


def test_protocols_do_not_mix_and_the_field_is_named() -> None:
    with pytest.raises(InputError, match=r"count: 100 .*898|count: 898 .*100"):
        tabulated([*board(), made("short", 3.0, count=100)])


def test_allowed_results_of_another_protocol_are_last_and_unranked() -> None:
    shown = tabulated([made("short", 0.01, count=100), *board()], allow_mixed=True)
    assert [(row.name, row.ranked, row.rank) for row in shown.rows][-1] == ("short", False, "")
    assert [row.rank for row in shown.rows[:-1]] == [row.rank for row in tabulated(board()).rows]
    assert "differ in count (898 / 100)" in shown.notes[-1]


def test_one_sampler_under_two_protocols_is_two_rows() -> None:
    shown = tabulated([made("gan", 5.0, count=100), *board()], allow_mixed=True)
    assert [row.cells["fd@digits"].mean for row in shown.rows if row.name == "gan"] == [5.0, 5.0]
    assert [row.seeds for row in shown.rows if row.name == "gan"] == [2, 1]


def test_a_newer_result_of_the_same_seed_replaces_the_older() -> None:
    again = made("vae", 30.0, created="2026-02-01T00:00:00+00:00")
    (vae,) = [row for row in tabulated([*board(), again]).rows if row.name == "vae"]
    assert (vae.seeds, vae.cells["fd@digits"].mean) == (1, 30.0)


def test_equal_samples_count_as_one_seed() -> None:
    real = [replace(made("real", 0.5, seed=seed), generated=made("real", 0.5).generated) for seed in (0, 1, 2)]
    assert tabulated(real).rows[0].seeds == 1


def test_two_budgets_of_one_sampler_are_two_rows() -> None:
    shown = tabulated([made("gan", 4.0), made("gan", 40.0, budget="quick")])
    assert [row.name for row in shown.rows] == ["gan (full)", "gan (quick)"]


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(InputError, match="no results to show"):
        tabulated([])


def test_the_wide_frame_has_one_row_per_sampler_and_columns_by_metric_and_statistic() -> None:
    wide = genbench.table(board(), wide=True)
    assert list(wide.index) == ["real", "gan", "vae", "noise"]
    assert wide.loc["gan", ("fd@digits", "mean")] == 5
    assert wide.loc["vae", ("fd@digits", "last_rank")] == 3
    assert [metric for metric, statistic in wide.columns if statistic == "mean"] == ["fd@digits", "is@digits"]


def seeds(name: str, *values: float) -> list[Result]:
    return [made(name, value, seed=seed, error=0.01 * abs(value)) for seed, value in enumerate(values)]


def test_a_note_names_the_collapsed_seed_the_high_spread_and_the_checkpoint() -> None:
    methods = [result for name in "abcde" for result in seeds(name, 5.0, 5.2, 4.8)]
    shown = tabulated([*methods, *seeds("gan", 5.0, 5.5, 60.0), made("once", 3.0)])
    notes = "\n".join(shown.notes)
    assert "seed 2 of gan collapsed" in notes
    assert "more than three times the typical one: gan" in notes
    assert "checkpoint, not method, because there is one training seed: once" in notes


def test_a_diverged_row_is_last_without_a_rank_and_is_named() -> None:
    shown = tabulated([*seeds("a", 1.0, 1.1), *seeds("b", 5.0, 5.1), made("nan", float("nan"))])
    assert [(row.name, row.rank, row.ranked) for row in shown.rows][-1] == ("nan", "", True)
    assert "no rank, because a value is not finite: nan" in shown.notes
    assert shown.rows[0].rank != ""


def test_every_format_has_the_verdict_or_the_bold_of_rows_that_are_not_worse_than_the_best() -> None:
    results = [made("a", 1.0, error=0.01), made("b", 1.001, error=0.01), made("c", 9.0, error=0.01)]
    frame = table(results)
    verdicts = dict(
        zip(frame[frame.metric == "fd@digits"].name, frame[frame.metric == "fd@digits"].verdict, strict=True)
    )
    assert verdicts == {"a": "best", "b": "equivalent", "c": "worse"}
    bold = {row.name: row.cells["fd@digits"].leads for row in tabulated(results).rows}
    assert bold == {"a": True, "b": True, "c": False}


def test_a_poor_row_is_not_bold_because_its_error_is_large() -> None:
    results = [*seeds("best", 1.0, 1.01, 0.99), *seeds("worse", 9.0, 9.1, 8.9), *seeds("poor", 2.0, 30.0, 9000.0)]
    cells = {row.name: row.cells["fd@digits"] for row in tabulated(results).rows}
    assert {name: cell.not_worse for name, cell in cells.items()} == {"best": True, "worse": False, "poor": True}
    assert {name: cell.leads for name, cell in cells.items()} == {"best": True, "worse": False, "poor": False}


def test_nothing_is_bold_where_no_row_is_significantly_worse() -> None:
    results = [made("a", 1.0, error=5.0), made("b", 2.0, error=5.0), made("c", 3.0, error=5.0)]
    assert not any(row.cells["fd@digits"].leads for row in tabulated(results).rows)
    assert tabulated(results[:1]).rows[0].cells["fd@digits"].leads
