"""genbench compare, genbench gate and score --protocols as they are typed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from genbench.cli import main
from genbench.results import read_results
from tests.helpers.compared import valued
from tests.helpers.random_weights import random_inception_weights, smooth_images

CLEAN = {"x": "x,resize=clean,weights=abc"}


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)
    valued("old", 10.0).append(Path("old.jsonl"))
    valued("bad", 12.0).append(Path("bad.jsonl"))
    valued("near", 10.1).append(Path("near.jsonl"))
    valued("clean", 10.0, extractors=CLEAN).append(Path("clean.jsonl"))
    return tmp_path


def test_compare_prints_verdicts(files: Path) -> None:
    found = run("compare", "bad.jsonl", "old.jsonl")
    assert found.exit_code == 0
    assert "worse" in found.stdout.splitlines()[2]
    assert "tied" in run("compare", "near.jsonl", "old.jsonl").stdout


def test_compare_gives_json_and_csv(files: Path) -> None:
    data = json.loads(run("compare", "bad.jsonl", "old.jsonl", "--json").stdout)
    (row,) = csv.DictReader(io.StringIO(run("compare", "bad.jsonl", "old.jsonl", "--format", "csv").stdout))
    assert data["differences"][0]["verdict"] == row["verdict"] == "worse"
    assert float(row["difference"]) == data["differences"][0]["difference"] == 2.0


def test_unlike_resizes_are_refused_and_the_field_is_named(files: Path) -> None:
    found = run("compare", "old.jsonl", "clean.jsonl")
    assert found.exit_code == 1
    assert "x resize: tf (old), clean (clean)" in found.stderr
    assert "--allow-mixed" in found.stderr
    assert run("gate", "clean.jsonl", "--against", "old.jsonl").exit_code == 1


def test_mixed_results_are_shown_without_a_verdict(files: Path) -> None:
    found = run("compare", "old.jsonl", "clean.jsonl", "--allow-mixed")
    assert found.exit_code == 0
    assert "not comparable: unlike x resize" in found.stdout


def test_compare_scores_what_is_given_as_samples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("real", 0), ("near", 0), ("far", 120)):
        np.save(tmp_path / f"{name}.npy", rng.integers(low, 256, (60, 8, 8, 3), dtype=np.uint8))
    words = ("compare", tmp_path / "near.npy", tmp_path / "far.npy", "--reference", tmp_path / "real.npy")
    found = run(*words, "--features", "pixels,size=4", "--metrics", "fd", "--quiet")
    assert found.exit_code == 0, found.output
    assert "better" in found.stdout


@pytest.mark.parametrize(("result", "code"), [("bad.jsonl", 1), ("near.jsonl", 0), ("old.jsonl", 0)])
def test_the_gate_leaves_with_1_where_it_fails(files: Path, result: str, code: int) -> None:
    assert run("gate", result, "--against", "old.jsonl").exit_code == code


def test_the_gate_writes_what_is_asked_and_adds_to_the_summary(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n")
    words = ("--junit", "ci/gate.xml", "--badge", "badge.svg", "--max-increase", "2%", "--confidence", "99%")
    assert run("gate", "bad.jsonl", "--against", "old.jsonl", *words).exit_code == 1
    assert Path("ci/gate.xml").read_text().startswith("<?xml")
    assert Path("badge.svg").read_text().startswith("<svg")
    assert Path("summary.md").read_text().startswith("before\n### genbench gate: failed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gate", "old.jsonl", "--against", "no.jsonl"), "no.jsonl cannot be read"),
        (("gate", "old.jsonl", "--against", "old.jsonl", "--no-worse", "--max-increase", "1"), "give one of them"),
        (("gate", "old.jsonl", "--against", "old.jsonl", "--confidence", "195%"), "write 95%"),
        (("gate", "old.jsonl", "--against", "old.jsonl", "--metric", "fdd"), "did you mean 'fd'"),
        (("compare", "old.jsonl"), "two subjects"),
    ],
)
def test_a_mistake_is_one_sentence(files: Path, words: tuple[str, ...], said: str) -> None:
    found = run(*words)
    assert found.exit_code in (1, 2)
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_one_pass_tells_fid_under_every_resize(tmp_path: Path) -> None:
    weights = random_inception_weights(tmp_path / "weights.pth")
    for name, seed in (("a", 1), ("b", 2)):
        np.savez(tmp_path / f"{name}.npz", arr_0=smooth_images(4, seed=seed).transpose(0, 2, 3, 1))
    words = (
        "score",
        "--samples",
        tmp_path / "a.npz",
        "--reference",
        tmp_path / "b.npz",
        "--weights",
        weights,
        "--quiet",
    )
    found = run(*words, "--protocols", "tf,clean", "--to", tmp_path / "all.jsonl")
    assert found.exit_code == 0, found.output
    alone = run(*words, "--features", "inception,resize=clean", "--metrics", "fd", "--to", tmp_path / "clean.jsonl")
    assert alone.exit_code == 0, alone.output
    (many,), (one,) = read_results(tmp_path / "all.jsonl"), read_results(tmp_path / "clean.jsonl")
    assert list(many.extractors) == ["inception", "inception,resize=clean"]
    assert many["fd@inception,resize=clean"].value == pytest.approx(one["fd@inception,resize=clean"].value)
    assert many["fd@inception"].value != pytest.approx(one["fd@inception,resize=clean"].value)


def test_protocols_and_a_benchmark_contradict_each_other() -> None:
    found = run("score", "--samples", "digits", "--benchmark", "digits", "--protocols", "tf")
    assert found.exit_code == 2
    assert "leave out --benchmark" in found.stderr
