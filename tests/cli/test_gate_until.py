"""``genbench gate`` that scores a sampler itself: with a fixed number of samples, and until they decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genbench.results import read_results
from tests.cli.commands import run

GUEST = """
import numpy as np

def points(count, seed, shift=0.4):
    return np.random.default_rng(seed).standard_normal((count, 8)) + shift
"""


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a sampler, a reference and the results of a baseline to the working folder."""
    monkeypatch.chdir(tmp_path)
    name = f"until_{tmp_path.name.replace('-', '_')}"
    Path(f"{name}.py").write_text(GUEST)
    np.save("real.npy", np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32))
    words = ("--reference", "real.npy", "--count", "2000", "--metrics", "fd", "--to", "base.jsonl", "--name", "model")
    assert run("score", "--sampler", f"{name}:points", "--seed", "5", *words).exit_code == 0
    return f"{name}:points"


@pytest.mark.parametrize(("shift", "code", "word"), [("0.9", 1, "failed"), ("0.1", 0, "passed")])
def test_a_sampler_is_drawn_until_it_is_decided(guest: str, shift: str, code: int, word: str) -> None:
    words = ("--against", "base.jsonl", "--until", "decided", "--reference", "real.npy", "--to", "new.jsonl")
    outcome = run("gate", "--sampler", f"{guest},shift={shift}", *words)
    assert outcome.exit_code == code, outcome.output
    assert word in outcome.stdout
    assert "decided at the first look, 512 samples" in " ".join(outcome.stdout.split())
    (result,) = read_results(Path("new.jsonl"))
    assert result.generated.count == 512
    assert result.decision is not None
    assert result.decision["outcome"] == word


def test_an_unchanged_sampler_never_fails(guest: str) -> None:
    words = ("--against", "base.jsonl", "--until", "decided", "--reference", "real.npy", "--max-increase", "30%")
    codes = {run("gate", "--sampler", guest, "--seed", str(seed), *words).exit_code for seed in range(6)}
    assert codes <= {0, 3}


def test_a_baseline_may_be_a_sampler(guest: str) -> None:
    words = ("--until", "decided", "--reference", "real.npy", "--max-count", "1500", "--paired")
    outcome = run("gate", "--sampler", f"{guest},shift=0.8", "--against", guest, *words)
    assert outcome.exit_code == 1, outcome.output


def test_without_until_all_samples_are_scored(guest: str) -> None:
    words = ("--against", "base.jsonl", "--reference", "real.npy", "--count", "2000", "--metrics", "fd", "--seed", "5")
    assert run("gate", "--sampler", f"{guest},shift=0.9", *words).exit_code == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("base.jsonl", "--until", "decided"), 2, "need --sampler or --samples"),
        (("base.jsonl", "--sampler", "x:y"), 2, "Say what to check"),
        ((), 2, "Say what to check"),
        (("--samples", "real.npy", "--max-count", "900"), 2, "--max-count needs --until decided"),
        (("--samples", "real.npy", "--until", "decided", "--max-count", "few"), 2, "is no number of samples"),
        (("--samples", "real.npy", "--until", "decided", "--max-count", "100"), 4, "no score that can decide"),
        (("--samples", "nowhere/", "--until", "decided"), 4, "no such file or folder"),
        (("--samples", "real.npy", "--until", "decided", "--metric", "fd,kd"), 2, "give one --metric"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(guest: str, words: tuple[str, ...], code: int, message: str) -> None:
    outcome = run("gate", *words, "--against", "base.jsonl", "--reference", "real.npy")
    assert (outcome.exit_code, message in outcome.stderr) == (code, True), outcome.output


def test_a_missing_reference_is_named_and_each_look_is_told(guest: str) -> None:
    words = ("gate", "--sampler", f"{guest},shift=0.9", "--against", "base.jsonl", "--until", "decided")
    outcome = run(*words)
    assert outcome.exit_code == 2, outcome.output
    assert "The baseline was scored against real.npy; add --reference real.npy." in outcome.stderr
    assert "look 1, 512 samples" in run(*words, "--reference", "real.npy").stderr
    assert "look 1" not in run(*words, "--reference", "real.npy", "--quiet").stderr
