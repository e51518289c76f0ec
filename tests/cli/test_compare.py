"""Test ``genbench compare``, and mistakes in comparisons."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from genbench.scoring.metric_lists import NO_REFERENCE
from tests.cli.commands import run, sentences


def test_compare_prints_verdicts(files: Path) -> None:
    outcome = run("compare", "bad.jsonl", "old.jsonl")
    assert outcome.exit_code == 0
    assert "worse" in outcome.stdout.splitlines()[5]
    assert "equivalent" in run("compare", "near.jsonl", "old.jsonl").stdout
    assert "not enough data" in run("compare", "near.jsonl", "old.jsonl", "--margin", "1%").stdout


def test_compare_gives_json_and_csv(files: Path) -> None:
    data = json.loads(run("compare", "bad.jsonl", "old.jsonl", "--json").stdout)
    (row,) = csv.DictReader(io.StringIO(run("compare", "bad.jsonl", "old.jsonl", "--format", "csv").stdout))
    assert data["differences"][0]["verdict"] == row["verdict"] == "worse"
    assert float(row["difference"]) == data["differences"][0]["difference"] == pytest.approx(2.0)


def test_different_resizes_are_refused_and_the_field_is_named(files: Path) -> None:
    outcome = run("compare", "old.jsonl", "clean.jsonl")
    assert outcome.exit_code == 1
    assert "x resize: tf (old), clean (clean)" in outcome.stderr
    assert "--allow-mixed" in outcome.stderr
    gated = run("gate", "clean.jsonl", "--against", "old.jsonl")
    assert gated.exit_code == 4
    assert "score them in the same way." in gated.stderr


def test_mixed_results_are_shown_without_a_verdict(files: Path) -> None:
    outcome = run("compare", "old.jsonl", "clean.jsonl", "--allow-mixed")
    assert outcome.exit_code == 0
    assert "not comparable: x resize" in outcome.stdout


def test_compare_scores_samples_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("real", 0), ("near", 0), ("far", 120)):
        np.save(tmp_path / f"{name}.npy", rng.integers(low, 256, (60, 8, 8, 3), dtype=np.uint8))
    words = ("compare", tmp_path / "near.npy", tmp_path / "far.npy", "--reference", tmp_path / "real.npy")
    outcome = run(*words, "--features", "pixels,size=4", "--metrics", "fd", "--quiet")
    assert outcome.exit_code == 0, outcome.output
    assert "better" in outcome.stdout


def test_compare_prints_each_warning_of_what_it_scores_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, high in (("real", 256), ("dark", 9), ("black", 9)):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, high, (40, 8, 8, 3), dtype=np.uint8))
    words = ("compare", tmp_path / "dark.npy", tmp_path / "black.npy", "--reference", tmp_path / "real.npy", "--quiet")
    outcome = run(*words, "--features", "pixels,size=4", "--metrics", "fd", "--json")
    json.loads(outcome.stdout)
    warnings = [line for line in sentences(outcome.stderr) if "nearly black" in line]
    assert len(warnings) == 2
    assert all(
        line.startswith(f"Warning: {tmp_path / name}.npy: ")
        for name, line in zip(("dark", "black"), warnings, strict=True)
    )


def test_compare_says_once_that_only_the_inception_score_needs_no_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8))
    outcome = run("compare", tmp_path / "a.npy", tmp_path / "b.npy", "--features", "digits", "--quiet")
    assert outcome.exit_code == 0, outcome.output
    assert sentences(outcome.stderr).count(f"Warning: {NO_REFERENCE}") == 1


def test_a_subject_that_is_given_three_times_has_three_names(files: Path) -> None:
    rows = json.loads(run("compare", "old.jsonl", "old.jsonl", "old.jsonl", "--all-pairs", "--json").stdout)
    names = {row[side] for row in rows["differences"] for side in ("a", "b")}
    assert names == {"old", "old (old.jsonl)", "old (old.jsonl, 3)"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gate", "old.jsonl", "--against", "no.jsonl"), "no.jsonl cannot be read"),
        (("gate", "old.jsonl", "--against", "old.jsonl", "--no-worse", "--max-increase", "1"), "give one of them"),
        (("gate", "old.jsonl", "--against", "old.jsonl", "--confidence", "195%"), "for example, 95%"),
        (("gate", "old.jsonl", "--against", "old.jsonl", "--metric", "fdd"), "did you mean 'fd'"),
        (("compare", "old.jsonl"), "two subjects"),
        (("report", "old.jsonl"), "give the folder that holds it"),
    ],
)
def test_mistakes_are_reported_in_one_sentence(files: Path, words: tuple[str, ...], message: str) -> None:
    outcome = run(*words)
    assert outcome.exit_code in (1, 2, 4)
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr
