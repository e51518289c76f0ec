"""Results, differences and leaderboards show themselves in a terminal and in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import genbench
from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.scored_subjects import difference
from genbench.results.display import Interval, html_table
from genbench.scoring.compare import compare
from tests.helpers.compared import repeated, valued


class Cells(HTMLParser):
    """Collects the text of all cells and the attributes of all shapes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.circles: list[float] = []
        self.lines: list[tuple[float, float]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "td":
            self.cells.append("")
        elif tag == "circle":
            self.circles.append(float(named["cx"]))
        elif tag == "line":
            self.lines.append((float(named["x1"]), float(named["x2"])))

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def test_a_result_shows_its_first_scores_in_one_line() -> None:
    assert repr(valued("a", 1.5)) == "<Result 'a': fd@x 1.50 ± 0.10>"


def test_a_result_shows_all_scores_as_a_table_and_as_a_frame() -> None:
    one = valued("a", 1.5)
    assert Cells(one._repr_html_()).cells == ["fd@x", "1.50 ± 0.10", "↓", "x"]
    assert one.to_frame()["value"].tolist() == [1.5]


def test_a_score_shows_its_name_and_value_and_not_its_influence() -> None:
    assert repr(valued("a", 1.0)["fd"]) == "<Entry 'fd@x': 1.00 ± 0.10>"


def test_a_short_name_finds_the_score_of_the_only_extractor_that_has_it() -> None:
    assert valued("a", 1.5)["fd"].value == 1.5


def test_text_of_others_is_escaped() -> None:
    assert "<script>" not in valued("<script>alert(1)</script>", 1.0)._repr_html_()


def test_a_difference_shows_its_verdict() -> None:
    one = difference([valued("a", 1.0)], [valued("b", 9.0)], "fd")
    assert repr(one).startswith("<Difference 'a' - 'b' in fd@x: -8.00 ± 0.14, better>")
    cells = Cells(one._repr_html_())
    assert cells.cells[:3] == ["fd@x", "a", "b"]
    # the line at 0 is right of an interval of negative numbers
    zero, interval = cells.lines
    assert interval[0] < cells.circles[0] < interval[1] < zero[0]


def test_a_comparison_is_a_frame_with_one_row_per_pair() -> None:
    frame = compare(valued("a", 1.0), valued("b", 9.0), valued("c", 9.1), all_pairs=True).to_frame()
    assert len(frame) == 3
    assert set(frame["verdict"]) <= {"better", "worse", "equivalent", "not enough data"}


def test_a_leaderboard_shows_ranks_and_intervals_on_one_scale() -> None:
    board = leaderboard([*repeated("a", [1.0, 1.1, 0.9], 0.1), *repeated("b", [9.0, 9.1, 8.9], 0.1)], "fd")
    assert repr(board) == "<Leaderboard of 2: 1 a, 2 b>"
    cells = Cells(board._repr_html_())
    assert cells.circles[0] < cells.circles[1]
    assert board.to_frame()["name"].tolist() == ["a", "b"]


def test_a_row_without_an_interval_has_no_chart() -> None:
    table = html_table("", ["name", ""], [["a"], ["b"]], intervals=[Interval(1.0, 0.5, 1.5), None])
    assert table.count("<svg") == 1


def test_small_numbers_of_another_metric_have_a_scale_of_their_own() -> None:
    intervals = [Interval(9.0, 8.0, 10.0), Interval(0.09, 0.08, 0.10)]
    rows = [["fd"], ["recall"]]
    own = Cells(html_table("", ["metric", ""], rows, intervals=intervals, scales=["fd", "recall"], mark=0.0))
    assert own.circles[0] == own.circles[1]
    one = Cells(html_table("", ["metric", ""], rows, intervals=intervals, mark=0.0))
    assert one.circles[0] > 10 * one.circles[1]


@pytest.mark.parametrize("kind", [str, Path])
def test_files_of_results_are_named_by_text_or_path(kind: type, tmp_path: Path) -> None:
    path = kind(tmp_path / "results.jsonl")
    for result in (valued("a", 1.0), valued("b", 9.0)):
        result.append(path)
    assert len(genbench.read_results(path)) == 2
    assert genbench.table(path)["name"].tolist() == ["a", "b"]
    assert [row.name for row in genbench.leaderboard(path, "fd")] == ["a", "b"]
    assert [check.outcome for check in genbench.gate(path, path)] == ["passed", "passed"]
