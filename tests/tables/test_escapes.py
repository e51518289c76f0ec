"""One hostile name through every format: it is shown, and it changes nothing around it."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.comparison.gate import gate
from genbench.comparison.group_by_subject import by_subject
from genbench.comparison.pairwise import compare_results
from genbench.page.site import write
from genbench.results import Result
from genbench.tables.comparison_table import comparison_csv, comparison_json
from genbench.tables.escapes import (
    csv_safe,
    json_safe,
    latex_safe,
    markdown_block,
    markdown_code,
    markdown_coded,
    markdown_safe,
    markup_safe,
    one_line,
    terminal_safe,
)
from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text
from genbench.tables.leaderboard_formats import written
from genbench.tables.result_table import result_text
from tests.helpers.made_results import made
from tests.tables.test_leaderboard_formats import Tags

NAME = (
    "=1+1|<script>alert(1)</script>\"'&amp;`a`_b_*c*[x](http://evil.example)![i](www.evil.example)\\{y}$1^~~s~~#%"
    "\n# heading\n```\n| - cell\x00\x1b[31m\x7f\x85\u2028\u202e\ufffe]]>-->"
)
"""Markup of every format, a formula, ends of lines and control characters."""

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\ufffe]")


def hostile(value: float, *, name: str = "", text: str = NAME) -> Result:
    """Return a result with the hostile name everywhere where a file can have it."""
    one = made(name or text, value, benchmark=None)
    return replace(
        one,
        scores=tuple(replace(entry, name=entry.name + text, key=entry.key + text) for entry in one.scores),
        generated=replace(one.generated, name=text, left_out={text: 2}),
        extractors={text: text},
        metrics=(text,),
        device=text,
        versions={"genbench": text},
        warnings=(text,),
        training=None,
    )


RESULTS = [hostile(1.0), hostile(2.0, name="b" + NAME), hostile(3.0, name="- " + NAME)]


def structure(markdown: str) -> Tags:
    """Return the HTML of Markdown."""
    library = pytest.importorskip("markdown")
    return Tags(library.markdown(markdown, extensions=["tables", "fenced_code"]))


def tags(parsed: Tags) -> list[str]:
    return [tag for tag, _ in parsed.elements]


def test_html_shows_the_name_and_has_no_other_elements() -> None:
    plain = [made("a", 1.0), made("b", 2.0), made("c", 3.0)]
    parsed = Tags(written(RESULTS, "html"))
    assert set(tags(parsed)) == set(tags(Tags(written(plain, "html"))))
    assert NAME.replace("\0", "\\x00").replace("\x1b", "\\x1b").replace("\ufffe", "\\ufffe") in parsed.words


def test_xml_of_every_kind_can_be_parsed() -> None:
    checks = gate([hostile(3.0)], [hostile(1.0)])
    suite = xml.fromstring(gate_junit(checks)).find("testsuite")
    assert suite is not None
    assert [case.get("classname", "").startswith("=1+1|<script>") for case in suite] == [True] * len(checks)
    badge = xml.fromstring(gate_badge(checks))
    assert {element.tag.rpartition("}")[2] for element in badge.iter()} == {"svg", "title", "rect", "path", "g", "text"}
    assert xml.fromstring(f"<a b='{markup_safe(NAME)}'>{markup_safe(NAME)}</a>").text is not None


def test_markdown_has_the_same_rows_and_no_markup() -> None:
    parsed = structure(written(RESULTS, "markdown"))
    assert tags(parsed).count("tr") == 4
    assert tags(parsed).count("td") == 3 * tags(parsed).count("th")
    assert not {"script", "a", "img", "h1", "em", "pre", "ul", "del"} & set(tags(parsed))
    # only the best cells are bold, and no name is
    assert "<strong>=1+1" not in written(RESULTS, "markdown")


def test_the_job_summary_has_one_row_for_each_check_and_no_markup() -> None:
    checks = gate([hostile(3.0)], [hostile(1.0)])
    parsed = structure(gate_markdown(checks))
    assert tags(parsed).count("tr") == 1 + len(checks)
    assert tags(parsed).count("td") == len(checks) * tags(parsed).count("th")
    assert not {"script", "a", "img", "h1", "em", "strong", "pre", "ul"} & set(tags(parsed))


def test_headings_items_codes_and_blocks_of_markdown_hold_the_name() -> None:
    text = f"# {markdown_safe(NAME)}\n\n- {markdown_coded(NAME)}\n\n{markdown_code(NAME)}\n\n{markdown_block([NAME])}"
    found = tags(structure(text))
    assert (found.count("h1"), found.count("ul"), found.count("pre")) == (1, 1, 1)
    assert not {"script", "a", "img", "em"} & set(found)


@pytest.mark.parametrize("words", ["- x", "+ x", "1. x", "1) x", "# x", "===", "---", "> x", "| x", "~~~", "```"])
def test_no_first_character_makes_a_paragraph_something_else(words: str) -> None:
    assert tags(structure(f"text\n\n{markdown_safe(words)}")) == ["p", "p"]


def test_numbers_and_plain_names_are_not_changed_in_markdown() -> None:
    for words in ("0.1.0", "-1.5", "fd@digits", "a (b), c=d", "v1.2 + w"):
        assert markdown_safe(words) == markdown_coded(words) == words


def test_latex_has_no_special_character_and_one_line_for_each_row() -> None:
    printed = latex_safe(NAME)
    assert not CONTROLS.search(printed)
    # drop what latex_safe itself writes; nothing with a meaning may remain
    rest = re.sub(r"\\(?:text[a-z]+\{\}|[&%$#_{}])", "", printed)
    assert not set(rest) & set('\\&%$#_{}~^<>|"')
    rows = [line for line in written(RESULTS, "latex").splitlines() if line.endswith(r" \\")]
    assert len(rows) == 4
    assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_csv_reads_back_and_has_no_formula() -> None:
    comparison = compare_results(by_subject(RESULTS))
    for text in (written(RESULTS, "csv"), comparison_csv(comparison)):
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1
        texts = [cell for row in rows for cell in row if not re.fullmatch(r"[-+]?[\d.]+(e[-+]\d+)?", cell)]
        assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert f"'{NAME}" in texts
    assert [csv_safe(sign + "x") for sign in "=+-@\t\r"] == ["'" + sign + "x" for sign in "=+-@\t\r"]


def test_json_reads_back_with_the_same_name(tmp_path: Path) -> None:
    assert json.loads(json_safe(json.dumps(NAME, ensure_ascii=False))) == NAME
    assert json.loads(json_safe(json.dumps("ä😀", ensure_ascii=False), encoding="ascii")) == "ä😀"
    assert json.loads(json_safe(comparison_json(compare_results(by_subject(RESULTS)))))
    for result in RESULTS:
        result.append(tmp_path / "r.jsonl")
    table = CliRunner().invoke(main, ["table", str(tmp_path / "r.jsonl"), "--format", "json"])
    assert NAME in [row["name"] for row in json.loads(table.stdout)]


def test_a_terminal_gets_no_control_characters_and_no_further_lines() -> None:
    plain = hostile(1.0, text=one_line(NAME))
    for text in (written(RESULTS), gate_text(gate([hostile(3.0)], [hostile(1.0)])), result_text(RESULTS[0])):
        assert not CONTROLS.search(terminal_safe(text))
        assert not [line for line in text.splitlines() if line.startswith(("# heading", "```", "| - cell"))]
    assert len(result_text(RESULTS[0]).split("\n")) == len(result_text(plain).split("\n"))


def test_the_report_holds_the_name(tmp_path: Path) -> None:
    for result in RESULTS:
        result.append(tmp_path / "odd.jsonl")
    write(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<script>") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\ufffe]", page)
    Tags(re.sub(r"(?s)<script>.*</script>|<style>.*?</style>|<!doctype html>", "", page))
    found = tags(structure((tmp_path / "odd.md").read_text()))
    assert not {"script", "a", "img", "em"} & set(found)
    assert (found.count("h1"), found.count("table")) == (1, 2)
