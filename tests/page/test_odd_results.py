"""Results with any mistake or extreme value: they are refused in one sentence, or every output can be made of them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from genbench.comparison.gate import gate
from genbench.comparison.group_by_subject import by_subject
from genbench.comparison.pairwise import Question, compare_results
from genbench.errors import GenbenchError
from genbench.page.site import write
from genbench.plugs.contracts import Influence, Score
from genbench.results import CriticRecord, Result, read_results
from genbench.tables.comparison_table import comparison_csv, comparison_json, comparison_text
from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text
from genbench.tables.leaderboard_formats import FORMATS, written
from genbench.tables.result_table import result_text
from tests.helpers.made_results import board, made
from tests.helpers.mutations import json_mutations
from tests.page.test_site import with_gallery
from tests.tables.test_leaderboard_formats import Tags

HALVES = (0.1, -0.1) * 16
MODES = {"expected": 3.0, "counts_all": [1, 2], "std": 1.0, "warning": "w"}
EXTRA = (
    Score("modes", 3.0, 0.1, "higher", MODES, influence=Influence(HALVES, HALVES)),
    Score("precision", 0.8, 0.01, "higher"),
    Score("recall", 0.4, 0.01, "higher"),
)


def full_result() -> Result:
    """Return a result that has every field."""
    critic = CriticRecord("w1", 1.0, 2.0, 3.0, 0.5)
    one = made("gan", 5.0, extra=EXTRA, steps=3, chosen_step=2, seconds=2.0, critic=critic)
    bound = replace(one.scores[0], name="elbo", key="elbo", extractor="likelihood", detail={"given": "class"})
    samples = replace(one.generated, left_out={"hidden files": 1}, levels=(0, 255))
    return replace(one, scores=(*one.scores, bound), generated=samples, warnings=("w",), hints=("h",))


def outputs(results: list[Result], folder: Path) -> None:
    """Make every output of results; errors for users are fine."""
    for form in (*FORMATS, "plain"):
        written(results, form, allow_mixed=True)
    result_text(results[0])
    write(folder)
    for make in (compared, gated):
        with suppress(GenbenchError):
            make(results)


def compared(results: list[Result]) -> None:
    comparison = compare_results(by_subject(results), Question(allow_mixed=True, all_metrics=True))
    for form in (comparison_text, comparison_csv, comparison_json):
        form(comparison)


def gated(results: list[Result]) -> None:
    for candidate, baseline in ((results[0], results[-1]), (results[-1], results[0])):
        checks = gate([candidate], [replace(baseline, name=candidate.name)])
        for form in (gate_text, gate_markdown, gate_junit, gate_badge):
            form(checks)


def check_mutations(folder: Path, *, every: int) -> int:
    """Read all mutations of a full result, make the outputs of some, and return the number of mutations."""
    others = [made("vae", 6.0), replace(full_result(), name="b")]
    path = folder / "digits.jsonl"
    accepted = count = 0
    for changed in json_mutations(json.loads(full_result().to_json())):
        count += 1
        path.write_text(json.dumps(changed))
        if results := read_or_refuse(path):
            accepted += 1
            if accepted % every == 0:
                for other in others:
                    other.append(path)
                outputs([*results, *others], folder)
    assert accepted > 500
    return count


def read_or_refuse(path: Path) -> list[Result]:
    """Return the results of a file; none if it is refused in one sentence."""
    message = ""
    try:
        return read_results(path)
    except GenbenchError as error:
        message = str(error)
    assert "digits.jsonl, line 1 is not a result of genbench (" in message
    return []


def test_no_changed_field_of_a_result_makes_a_traceback(tmp_path: Path) -> None:
    assert check_mutations(tmp_path, every=120) > 3000


@pytest.mark.slow
def test_no_output_of_a_changed_result_makes_a_traceback(tmp_path: Path) -> None:
    assert check_mutations(tmp_path, every=2) > 3000


DIVERGED = replace(
    made("broken", 1.0, extra=EXTRA),
    scores=tuple(replace(score, value=float("nan"), error=None) for score in made("broken", 1.0, extra=EXTRA).scores),
)


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "latex", "html"])
def test_a_diverged_model_is_last_in_its_table(form: str) -> None:
    text = written([DIVERGED, *board()], form, sort="fd")
    names = re.findall("broken|gan|vae|real|noise", text.replace(" (noise)", ""))
    assert list(dict.fromkeys(names))[-1] == "broken"


def test_the_page_names_a_diverged_model_and_draws_no_mark_at_nan(tmp_path: Path) -> None:
    for result in (DIVERGED, *(replace(one, scores=one.scores) for one in board())):
        result.append(tmp_path / "digits.jsonl")
    write(tmp_path)
    page = (tmp_path / "index.html").read_text()
    elements = Tags(page[page.index("<main") : page.index("</main>")] + "</main>").elements
    drawn = [values[name] for tag, values in elements if tag != "td" for name in values if name != "aria-label"]
    assert not [value for value in drawn if value and re.search(r"\b(nan|inf)\b", value)]
    assert "broken" in page


def test_every_output_of_a_diverged_model_can_be_made(tmp_path: Path) -> None:
    results = [DIVERGED, full_result(), replace(full_result(), name="b")]
    for result in results:
        result.append(tmp_path / "digits.jsonl")
    outputs(read_results(tmp_path / "digits.jsonl"), tmp_path)
    outputs([results[1], DIVERGED], tmp_path)


def check_run_folders(folder: Path, *, every: int) -> None:
    """Make the page of galleries and histories with one changed value each; without checksums, as older versions."""
    results = [made("gan", 5.0, extra=EXTRA, chosen_step=2, steps=3, chosen_by="fd"), made("vae", 6.0)]
    points = {"picture": None, "points": [[0.0, 1.0], [9.0, 9.0]], "reference_points": [[0.0, 1.0], [1.0, 0.0]]}
    for result, changes in zip(results, ({}, points), strict=True):
        with_gallery(folder, result, **changes)
        result.append(folder / "digits.jsonl")
    for sums in folder.rglob("sha256sums"):
        sums.unlink()
    for path in (*folder.rglob("gallery.json"), *folder.rglob("history.jsonl")):
        text = path.read_text()
        first, *rest = text.splitlines()
        for changed in islice(json_mutations(json.loads(first)), every - 1, None, every):
            path.write_text("\n".join([json.dumps(changed), *rest]))
            with suppress(GenbenchError):
                write(folder)
        path.write_text(text)


def test_no_changed_gallery_or_history_makes_a_traceback(tmp_path: Path) -> None:
    check_run_folders(tmp_path, every=150)


@pytest.mark.slow
def test_no_changed_value_of_a_gallery_or_history_makes_a_traceback(tmp_path: Path) -> None:
    check_run_folders(tmp_path, every=3)
