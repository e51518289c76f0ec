"""What ``score`` prints for people: the answer first, in 80 columns; and what ``genbench`` alone says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from genbench.cli.demo import SAMPLER
from genbench.results import read_results
from tests.cli.commands import refused, run, sentences

PIXELS = ("--features", "pixels,size=8")
HALVES = ("digits,split=train", "digits,split=test", *PIXELS)


@pytest.fixture
def noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sampler that ``genbench demo`` writes, in a module of another name."""
    (tmp_path / "noise_of_demo.py").write_text(SAMPLER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return "noise_of_demo:Blobs"


def test_genbench_alone_shows_commands_to_type() -> None:
    lines = run().stdout.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("genbench ") and len(line) <= 80 for line in lines)


def test_two_paths_are_the_samples_and_the_reference(tmp_path: Path) -> None:
    for words in (HALVES, ("--samples", HALVES[0], "--reference", HALVES[1], *PIXELS)):
        assert run("score", *words, "--metrics", "fd", "--to", tmp_path / "r.jsonl").exit_code == 0
    first, second = read_results(tmp_path / "r.jsonl")
    assert first.scores == second.scores
    assert first.spec == second.spec == HALVES[0]
    assert first.protocol == second.protocol


def test_one_path_beside_a_sampler_is_the_reference(noise: str) -> None:
    words = ("score", "digits,split=test", "--sampler", noise, *PIXELS, "--metrics", "fd", "--json")
    outcome = run(*words)
    assert json.loads(outcome.stdout)["reference"]["name"] == "digits,split=test", outcome.stderr


def test_a_path_that_is_given_twice_is_refused() -> None:
    assert "mean the same" in refused("score", "digits", "--samples", "digits", code=2)
    assert "mean the same" in refused("score", "digits", "digits", "--reference", "digits", code=2)


def test_the_answer_comes_first_and_everything_fits_80_columns() -> None:
    outcome = run("score", *HALVES)
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("fd@pixels,size=8: ")
    assert lines[0].endswith(" (lower is better)")
    assert lines[1].startswith("Real against real: ")
    assert any(line.startswith("Verdict: not told apart from real samples") for line in lines)
    assert all(len(line) <= 80 for line in outcome.output.splitlines()), outcome.output
    # the other scores wait for --all, and the last line says so
    assert "kd@" not in outcome.stdout
    assert sentences(outcome.stderr)[-1].startswith("Next: add --all for ")
    assert outcome.stderr.rstrip().endswith("to keep the result.")
    everything = run("score", *HALVES, "--all")
    assert everything.stdout.splitlines()[0] == lines[0]
    assert "kd@pixels,size=8" in everything.stdout
    assert all(len(line) <= 80 for line in everything.output.splitlines()), everything.output


def test_what_was_asked_for_is_printed() -> None:
    shown = run("score", *HALVES, "--metrics", "fd,pr").stdout
    assert "recall@pixels,size=8" in shown


def test_a_bad_sampler_is_called_worse_than_real_samples(noise: str) -> None:
    outcome = run("score", "digits,split=test", "--sampler", noise, *PIXELS, "--metrics", "fd")
    assert "Verdict: worse than real samples" in outcome.stdout


def test_a_statistics_file_gives_a_number_without_real_samples(tmp_path: Path) -> None:
    assert run("stats", HALVES[1], *PIXELS, "--out", tmp_path / "real.npz").exit_code == 0
    outcome = run("score", HALVES[0], tmp_path / "real.npz", *PIXELS)
    assert outcome.stdout.startswith("fd@pixels,size=8: ")
    assert "Real against real" not in outcome.stdout


def test_a_score_that_compares_no_samples_names_the_value_of_a_perfect_sampler() -> None:
    outcome = run("score", "--samples", "ring,count=2500,seed=1", "--benchmark", "ring8")
    assert outcome.stdout.startswith("modes@points,toy=ring: 8 ")
    assert "\nA perfect sampler would have 8.\n" in outcome.stdout


def test_a_result_that_is_kept_is_not_to_be_kept_once_more(tmp_path: Path) -> None:
    outcome = run("score", *HALVES, "--to", tmp_path / "results.jsonl")
    assert "Next: add --all for" in outcome.stderr
    assert "to keep" not in outcome.stderr
