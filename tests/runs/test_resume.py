"""Damaged files of a run folder: the result is that of an undisturbed run, or one sentence says what is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from genbench_baselines import train as training_loop

from genbench.benchmarks import RING8
from genbench.results import Result
from genbench.runs.folder import RunFolder
from genbench.runs.run import run

TINY = replace(
    RING8,
    steps={"quick": 40},
    train="ring,count=300,seed=7",
    validation="ring,count=300,seed=8",
    reference="ring,count=300,seed=2020",
    metrics="swd,projections=20",
    watch="swd,projections=20",
    density=None,
    count=300,
)


def run_ae(out: Path) -> Result:
    (result,) = run(TINY, ["ae"], repeats=1, budget="quick", out=out, progress=False)
    return result


def same(left: Result, right: Result) -> bool:
    """Compare everything but times."""
    results = [
        replace(result, created="", seconds=0.0, training=replace(result.training, seconds=0.0))
        for result in (left, right)
        if result.training is not None
    ]
    return len(results) == 2 and results[0] == results[1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_ae(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The folder of a training that was stopped at step 33, with a checkpoint of step 30."""
    monkeypatch.setattr(training_loop, "CHECKPOINT_EVERY", 10)
    step = training_loop.Baseline._take_average

    def stopping(model: Any, number: int) -> None:
        step(model, number)
        if number == 33:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_loop.Baseline, "_take_average", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_ae(tmp_path)
    return RunFolder(tmp_path, "ring8", "ae", 0)


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "flipped": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "doubled": lambda content: content * 2,
    "nested": lambda _: b"[" * 100_000,
}
SOME_DAMAGES = ["cut", *(pytest.param(name, marks=pytest.mark.slow) for name in list(DAMAGES)[1:])]
"""One of them for each file in the fast tests, all of them in the slow ones."""


@pytest.mark.parametrize("damage", SOME_DAMAGES)
@pytest.mark.parametrize("name", ["best.safetensors", "checkpoint.safetensors", "history.jsonl", "sha256sums"])
def test_damaged_files_of_an_interrupted_training_do_not_change_the_result(
    interrupted: RunFolder, undisturbed: Result, tmp_path: Path, name: str, damage: str
) -> None:
    path = interrupted.path / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert same(run_ae(tmp_path), undisturbed)


@pytest.mark.parametrize("name", ["best.safetensors", "checkpoint.safetensors", "history.jsonl", "identity.json"])
def test_missing_files_of_an_interrupted_training_do_not_change_the_result(
    interrupted: RunFolder, undisturbed: Result, tmp_path: Path, name: str
) -> None:
    (interrupted.path / name).unlink()
    assert same(run_ae(tmp_path), undisturbed)


def test_an_interrupted_training_continues_at_its_checkpoint(
    interrupted: RunFolder, undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    average = training_loop.Baseline._take_average

    def counting(model: Any, number: int) -> None:
        steps.append(number)
        average(model, number)

    monkeypatch.setattr(training_loop.Baseline, "_take_average", counting)
    assert same(run_ae(tmp_path), undisturbed)
    assert steps == list(range(30, 40))


@pytest.mark.parametrize("damage", SOME_DAMAGES)
@pytest.mark.parametrize("name", ["result.jsonl", "training.json", "gallery.json", "best.safetensors"])
def test_damaged_files_of_a_finished_trial_do_not_change_the_result(
    tmp_path: Path, undisturbed: Result, name: str, damage: str
) -> None:
    run_ae(tmp_path)
    folder = RunFolder(tmp_path, "ring8", "ae", 0)
    path = folder.path / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    # without a result, the trial is evaluated again from the other files
    if name != "gallery.json":
        (folder.path / "result.jsonl").write_bytes(b"" if name != "result.jsonl" else path.read_bytes())
    assert same(run_ae(tmp_path), undisturbed)
    assert len((tmp_path / "ring8.jsonl").read_text().splitlines()) <= 2


def test_a_result_that_was_written_only_into_its_folder_is_recorded(tmp_path: Path) -> None:
    first = run_ae(tmp_path)
    (tmp_path / "ring8.jsonl").unlink()
    assert run_ae(tmp_path) == first
    (line,) = (tmp_path / "ring8.jsonl").read_text().splitlines()
    assert json.loads(line)["created"] == first.created


class Diverging:
    """A sampler whose points become infinite during the training."""

    classes = None

    def fit(self, source: Any, *, seed: int, steps: int, watch: Any, checkpoint: Path) -> None:
        for self.step in range(1, steps + 1):
            watch(self.step, {"loss": float("nan") if self.step > 20 else 1.0})

    def sample(self, count: int, seed: int) -> np.ndarray:
        scale = 1.0 if self.step <= self.good_steps else self.scale
        return (np.random.default_rng(seed).normal(size=(count, 2)) * scale).astype(np.float32)

    good_steps = 20
    scale = math.inf

    def save(self, path: Path) -> None:
        path.write_text(str(self.step))

    def load(self, path: Path) -> None:
        self.step = int(path.read_text())


class Huge(Diverging):
    """A sampler whose points are finite, but too large for any distance."""

    good_steps = 0
    scale = 1e30


@pytest.mark.parametrize(("sampler", "chosen"), [("Diverging", 16), ("Huge", 40)])
def test_a_diverged_model_goes_through_a_run(tmp_path: Path, sampler: str, chosen: int) -> None:
    recipe = replace(TINY, metrics="swd,projections=20,fd,prdc,modes", watch="fd")
    names = [f"{__name__}:{sampler}"]
    (first,) = run(recipe, names, repeats=1, budget="quick", out=tmp_path, progress=False)
    (again,) = run(recipe, names, repeats=1, budget="quick", out=tmp_path, progress=False)
    assert again.to_json() == first.to_json()
    assert first.training is not None
    assert first.training.chosen_step == chosen
    RunFolder(tmp_path, "ring8", names[0], 0).read_gallery()
