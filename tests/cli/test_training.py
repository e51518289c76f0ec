"""Test ``genbench run``, ``train`` and ``sample``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import refused, run


def test_run_prints_a_row_for_each_sampler(tmp_path: Path) -> None:
    words = ["run", "digits", "--samplers", "real,noise", "--repeats", 1, "--budget", "quick", "--out", tmp_path]
    outcome = run(*words)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.index("real") < outcome.stdout.index("noise")
    assert "There is no budget 'quik', did you mean 'quick'?" in refused(*words[:-4], "--budget", "quik", code=2)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "digit"], 2, "did you mean 'digits'"),
        (["run", "digits", "--budget", "fast"], 2, "known: full, quick"),
        (["run", "digits", "--samplers", "real,gann"], 2, "did you mean 'gan'"),
        (["run", "folder"], 2, "needs the option 'path'"),
        (["run", "folder,path=nowhere", "--samplers", "real"], 1, "nowhere: no such file or folder"),
        (["train", "gan", "--benchmark", "digitz"], 2, "did you mean 'digits'"),
        (["train", "digits,split=train", "--benchmark", "digits"], 2, "cannot be trained"),
        (["score", "--sampler", "gan", "--benchmark", "digits"], 1, "not trained yet"),
        (["score", "--sampler", "vae,weights=nowhere", "--benchmark", "digits"], 1, "cannot be loaded into 'vae'"),
        (["score", "--sampler", "noise,weights=nowhere", "--benchmark", "digits"], 2, "loads no weights"),
    ],
)
def test_mistakes_about_training_are_reported_in_one_sentence(
    words: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(*words, code=code)
    assert not (tmp_path / "runs").exists()


def test_train_prints_the_path_of_the_weights_and_score_opens_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("train", "ae", "--benchmark", "digits", "--budget", "quick", "--quiet")
    assert outcome.exit_code == 0, outcome.output
    weights, _, training = outcome.stdout.partition(": ")
    assert weights == "runs/digits/ae/seed-0/best.safetensors"
    assert "of 400, chosen by fd on digits,split=validation" in training
    scored = run("score", "--sampler", f"ae,weights={weights}", "--benchmark", "digits", "--json")
    assert json.loads(scored.stdout)["benchmark"] == "digits@1"


def test_sample_writes_samples_of_trained_weights(tmp_path: Path) -> None:
    from genbench_baselines.vae import VAE

    from genbench import load

    model = VAE()
    model.fit(load("sources", "digits,split=fit"), seed=0, steps=3)
    model.save(tmp_path / "vae.safetensors")
    words = ["sample", "vae", "--weights", tmp_path / "vae.safetensors", "--count", 5, "--out", tmp_path / "a.npz"]
    outcome = run(*words)
    assert outcome.exit_code == 0, outcome.output
    assert np.load(tmp_path / "a.npz")["arr_0"].shape == (5, 8, 8, 3)
    (tmp_path / "bad.safetensors").write_text("x")
    words[3], words[-1] = tmp_path / "bad.safetensors", tmp_path / "b.npz"
    assert "bad.safetensors cannot be loaded into 'vae'" in refused(*words)
    assert not (tmp_path / "b.npz").exists()


def test_a_run_says_where_its_results_lie_and_what_comes_next(tmp_path: Path) -> None:
    words = ("run", "ring8", "--samplers", "real", "--repeats", "1", "--budget", "quick", "--out", tmp_path / "out")
    outcome = run(*words)
    assert outcome.exit_code == 0, outcome.output
    told = " ".join(outcome.stderr.split())
    path = tmp_path / "out" / "ring8.jsonl"
    assert path.is_file()
    assert f"The results are in {path};" in told
    assert f"`genbench report {tmp_path / 'out'}` makes a page" in told
    # programs that read the table see nothing of it
    assert "genbench report" not in outcome.stdout
    assert "The results are in" not in run(*words, "--quiet").stderr
