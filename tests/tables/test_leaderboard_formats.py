"""Test the formats of a table: people and programs can read each of them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.comparison.leaderboard import Leaderboard, leaderboard
from genbench.plugs.contracts import Score
from genbench.results import Result
from genbench.scoring.evaluate_metrics import entry
from genbench.tables import leaderboard_rows
from genbench.tables.escapes import latex_safe, markdown_safe
from genbench.tables.leaderboard_formats import FORMATS, written
from tests.helpers.made_results import board, made, with_panel

HOSTILE = "<script>alert(1)</script>|`a`_b_&50%\\x{y}$1^~#\nnew"


def test_the_text_is_aligned_and_its_legend_explains_the_numbers() -> None:
    lines = written(board()).splitlines()
    assert lines[0].startswith("digits@1: value ± spread over training seeds (standard error of sampling)")
    assert lines[2].split() == ["rank", "sampler", "fd", "↓", "is", "↑", "seeds"]
    assert lines[4].split()[:3] == ["1", "real", "(target)"]
    assert len({len(line) for line in lines[2:8]}) == 1


def test_text_of_a_width_computes_the_columns_that_fit_and_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = tuple(Score(name, 0.5, 0.01, "higher") for name in ("precision", "recall", "density", "coverage"))
    results = [made(name, fd, benchmark=None, extra=extra) for name, fd in (("a", 4.0), ("b", 5.0))]
    computed: list[str] = []

    def counted(results: list[Result], metric: str) -> Leaderboard:
        computed.append(metric)
        return leaderboard(results, metric)

    monkeypatch.setattr(leaderboard_rows, "leaderboard", counted)
    for width in (1, 40, 60, 80):
        computed.clear()
        lines = written(results, width=width).splitlines()
        header = next(line for line in lines if line.split()[:1] == ["rank"])
        assert len(computed) == min(len(re.findall("[↓↑]", header)) + 1, 6)
        # the next column did not fit
        assert len(header) <= max(width, 40)


def test_the_plain_text_is_ascii() -> None:
    assert written([*board(), made("short", 1.0, count=9)], "plain", allow_mixed=True).isascii()


def test_markdown_is_a_table_of_equal_rows() -> None:
    lines = written(board(), "markdown").splitlines()
    assert lines[0] == "| rank | sampler | fd ↓ | is ↑ | seeds |"
    assert lines[1] == "| ---: | --- | ---: | ---: | ---: |"
    assert [line.count("|") for line in lines[:6]] == [6] * 6


def test_latex_writes_numbers_for_siunitx() -> None:
    text = written([made("a_b", 4.0), made("a_b", 6.0, seed=1)], "latex")
    assert r"a\_b & \bfseries \num{5.0 \pm 1.4} (\num{" in text
    assert r"fd $\downarrow$" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") for line in body}) == 1


def test_latex_shows_unranked_rows_in_gray() -> None:
    lines = written([*board(), made("short", 1.0, count=9)], "latex", allow_mixed=True).splitlines()
    (row,) = [line for line in lines if "short" in line]
    assert row.count(r"\color{gray}") == row.count("&") + 1


def test_latex_escapes_every_special_character() -> None:
    assert latex_safe("50% a_b & $x$ #1 {y} ~ ^ \\z") == (
        r"50\% a\_b \& \$x\$ \#1 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


def test_csv_reads_back_with_every_digit() -> None:
    frame = pd.read_csv(io.StringIO(written([made("a", 1 / 3), made("b", 2 / 3)], "csv")))
    assert list(frame["mean"]) == [1 / 3, 2 / 3, 2 / 3, 4 / 3]
    assert {"error", "spread", "first_rank", "last_rank", "ranked"} <= set(frame.columns)


def test_json_reads_back_and_has_null_for_unknown_values() -> None:
    rows = json.loads(written(board(), "json"))
    vae = next(row for row in rows if row["name"] == "vae" and row["metric"] == "fd@digits")
    assert (vae["mean"], vae["spread"], vae["seeds"]) == (20.0, None, 1)


class Tags(HTMLParser):
    """Collect elements, and check that each is closed in the right order."""

    EMPTY = frozenset({"meta", "link", "br", "img", "image", "use", "path", "rect", "circle", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_has_scopes_and_a_sort_order_for_screen_readers() -> None:
    parsed = Tags(written(board(), "html"))
    names = [tag for tag, _ in parsed.elements]
    assert names.count("caption") == 1
    heads = [attributes for tag, attributes in parsed.elements if tag == "th"]
    assert [head["scope"] for head in heads] == ["col"] * 5 + ["row"] * 4
    assert [head["aria-sort"] for head in heads if "aria-sort" in head] == ["ascending"]


def test_a_hostile_name_stays_a_name_in_html() -> None:
    parsed = Tags(written([made(HOSTILE, 1.0), made("b", 2.0)], "html"))
    assert "script" not in [tag for tag, _ in parsed.elements]
    assert HOSTILE in parsed.words


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_a_hostile_name_does_not_break_the_lines(form: str) -> None:
    text = written([made(HOSTILE, 1.0), made("b", 2.0)], form)
    assert form == "text" or "<script>" not in text
    assert len(text.splitlines()) == len(written([made("a", 1.0), made("b", 2.0)], form).splitlines())


def test_markdown_escapes_markup() -> None:
    assert markdown_safe("a|b_c*<i>") == r"a&#124;b\_c\*&lt;i&gt;"


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_writes_each_format(form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("results") / "digits.jsonl"
    for result in board():
        result.append(path)
    outcome = CliRunner().invoke(main, ["table", str(path), "--format", form])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.rstrip("\n") == written(board(), form, width=80).rstrip("\n")


def test_the_command_refuses_mixed_protocols_in_one_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("results") / "mixed.jsonl"
    for result in [*board(), made("short", 1.0, count=9)]:
        result.append(path)
    outcome = CliRunner().invoke(main, ["table", str(path)])
    assert outcome.exit_code == 1
    assert "differ in count" in outcome.stderr
    assert CliRunner().invoke(main, ["table", str(path), "--allow-mixed"]).exit_code == 0


def tuned_and_honest() -> list[Result]:
    return [
        with_panel(made("tuned", 5.0, benchmark=None), [0.5, 3.5, 4.0]),
        with_panel(made("honest", 6.0, benchmark=None), [3.0, 3.5, 4.0]),
    ]


def test_a_subject_that_looks_optimised_for_an_encoder_has_a_mark_and_a_note_in_every_format() -> None:
    note = "tuned: optimised for first? its fdr there, 0.5, is below the 1 of real samples"
    for form, mark in (("text", "†"), ("plain", "*"), ("markdown", "†"), ("latex", r"\textdagger{}"), ("html", "†")):
        lines = written(tuned_and_honest(), form).splitlines()
        assert any("tuned" in line and mark in line and "optimised" not in line for line in lines)
        assert not any("honest" in line and mark in line for line in lines)
        # the page writes the notes below the table
        assert form == "html" or sum(note in line for line in lines) == 1


def test_numbers_for_programs_name_the_encoder() -> None:
    for form in ("csv", "json"):
        text = written(tuned_and_honest(), form)
        frame = pd.read_csv(io.StringIO(text)) if form == "csv" else pd.read_json(io.StringIO(text))
        named = frame["optimised_for"].fillna("").groupby(frame["name"]).unique()
        assert named["tuned"].tolist() == ["first"]
        assert named["honest"].tolist() == [""]


def test_the_mean_of_a_panel_is_the_first_column_and_sorts() -> None:
    lines = written(tuned_and_honest()).splitlines()
    assert lines[2].split()[:4] == ["rank", "sampler", "fdr@made", "↓"]
    assert [line.split()[1] for line in lines[4:6]] == ["tuned", "honest"]


def test_a_long_name_of_an_extractor_is_folded_in_the_header() -> None:
    extra = Score("fdr", 2.0, 0.1, "higher")
    result = made("gan", 5.0)
    entries = [
        entry(extra, name, canonical=False) for name in ("efficientnet-lite0", "timm,model=vit_large.x,size=256")
    ]
    lines = written([replace(result, benchmark=None, scores=tuple(entries))]).splitlines()
    header = lines[2 : next(number for number, line in enumerate(lines) if line.startswith("---"))]
    assert max(map(len, header)) < 80
    # the parts of the names in their order
    assert "fdr@efficientnet-lite0" in "".join(re.split(r"\s+", " ".join(line[19:36] for line in header)))


def test_text_of_a_width_has_the_columns_that_fit_and_says_how_many_do_not() -> None:
    results = [replace(one, benchmark=None) for one in board()]
    narrow = written(results, width=60)
    assert all(len(line) <= 60 for line in narrow.split("\n\n")[1].splitlines()), narrow
    assert "1 more column: add --all" in narrow
    assert "is ↑" not in narrow
    assert "is ↑" in written(results, width=200)
    # the metric that sorts is always among those that are shown
    assert "is ↑" in written(results, width=60, sort="is")
