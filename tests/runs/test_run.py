"""`run` and `train`: checkpoints are chosen on the validation split, and finished work is not repeated."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from genbench_baselines.vae import VAE

from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.opening import open_subject
from genbench.runs.folder import RunFolder
from genbench.runs.options import RunOptions, RunSettings
from genbench.runs.run import run, train
from genbench.runs.train import instability
from genbench.theory.mixtures import RING
from tests.helpers.tiny_benchmark import TINY


class Growing:
    """A sampler that gains one mode every five steps; its weights are the number of modes."""

    fitted: list[int] = []  # noqa: RUF012 - the test counts over all instances
    dies_at: int | None = None

    def fit(self, source: Any, *, seed: int, steps: int, watch: Any, checkpoint: Path) -> None:
        Growing.fitted.append(seed)
        for step in range(1, steps + 1):
            self.modes = step // 5 if step <= 30 else 1  # it collapses at the end
            watch(step, {"loss": 1 / step})
            if step == self.dies_at:
                raise FloatingPointError("the loss is nan at step 20")

    def sample(self, count: int, seed: int) -> np.ndarray:
        return replace(RING, centres=RING.centres[: max(self.modes, 1)]).sample(count, seed)

    def save(self, path: Path) -> None:
        path.write_text(str(self.modes))

    def load(self, path: Path) -> None:
        self.modes = int(path.read_text())


class Steady(Growing):
    """A sampler that is perfect from the first step on: its checkpoints differ only by chance."""

    def fit(self, source: Any, *, seed: int, steps: int, watch: Any, checkpoint: Path) -> None:
        for self.step in range(1, steps + 1):
            watch(self.step, {"loss": 0.0})

    def sample(self, count: int, seed: int) -> np.ndarray:
        return RING.sample(count, seed + self.step)

    def load(self, path: Path) -> None:
        self.step = int(path.read_text())

    def save(self, path: Path) -> None:
        path.write_text(str(self.step))


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Growing, "fitted", [])
    return f"{__name__}:Growing"


def results(guest: str, out: Path, **options: Any) -> list[Any]:
    return run(TINY, ["real", guest], repeats=2, budget="tiny", out=out, progress=False, **options)


def test_every_seed_of_every_sampler_is_trained_and_scored(guest: str, tmp_path: Path) -> None:
    finished = results(guest, tmp_path)
    assert [(result.name, result.training.seed) for result in finished] == [
        ("real", 0),
        ("real", 1),
        (guest, 0),
        (guest, 1),
    ]
    assert Growing.fitted == [0, 1]
    assert len((tmp_path / "ring8.jsonl").read_text().splitlines()) == 4


def test_the_checkpoint_is_chosen_on_the_validation_split_not_the_last(guest: str, tmp_path: Path) -> None:
    result = results(guest, tmp_path)[-1]
    assert result.training.chosen_step == 30
    assert result["modes@points,toy=ring"].value == 6


def test_the_last_of_checkpoints_that_cannot_be_distinguished_is_chosen(tmp_path: Path) -> None:
    (result,) = run(TINY, [f"{__name__}:Steady"], repeats=1, budget="tiny", out=tmp_path, progress=False)
    assert result.training.chosen_step > 20


def test_finished_work_is_not_repeated(guest: str, tmp_path: Path) -> None:
    first = results(guest, tmp_path)
    assert results(guest, tmp_path) == first
    assert Growing.fitted == [0, 1]


def test_another_budget_is_trained_separately(guest: str, tmp_path: Path) -> None:
    results(guest, tmp_path)
    other = replace(TINY, steps={"tiny": 40, "small": 20})
    run(other, [guest], repeats=1, budget="small", out=tmp_path, progress=False)
    assert Growing.fitted == [0, 1, 0]


def test_the_history_is_written_and_drawn(guest: str, tmp_path: Path) -> None:
    results(guest, tmp_path)
    (folder,) = tmp_path.glob("ring8/*Growing*/seed-0")
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in history] == list(range(2, 41, 2))
    assert set(history[0]) == {"step", "loss", "validation", "kept", "seconds"}
    for name in ("samples.png", "curves.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_a_training_that_fails_is_named_and_the_rest_is_kept(
    guest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Growing, "dies_at", 20)
    with pytest.raises(PlugError, match=r"The training of .*Growing.* \(seed 0\) raised FloatingPointError: the loss"):
        results(guest, tmp_path)
    assert len(list(tmp_path.glob("ring8/real/seed-*/result.jsonl"))) == 2


def test_an_unknown_budget_is_refused_with_the_nearest_name(guest: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no budget 'tine', did you mean 'tiny'\?"):
        run(TINY, [guest], budget="tine", out=tmp_path)


def test_an_unknown_option_is_refused_with_the_nearest_name(guest: str, tmp_path: Path) -> None:
    misspelt: Any = {"repeat": 2}
    with pytest.raises(UsageError, match=r"run has no option 'repeat', did you mean 'repeats'\?"):
        run(TINY, [guest], out=tmp_path, **misspelt)
    with pytest.raises(UsageError, match=r"train has no option 'repeats'"):
        train(guest, TINY, out=tmp_path, **{"repeats": 2})


def test_every_option_of_run_is_a_setting_with_a_default() -> None:
    settings = {field.name for field in fields(RunSettings)} - {"benchmark", "samplers"}
    assert set(RunOptions.__annotations__) == settings


def test_instability_is_the_relative_spread_of_the_last_quarter() -> None:
    assert instability([9.0] * 6 + [1.0, 3.0]) == pytest.approx(np.std([1, 3], ddof=1) / 2)
    assert instability([1.0]) is None


def test_a_result_is_added_to_the_file_of_the_benchmark_once(guest: str, tmp_path: Path) -> None:
    results(guest, tmp_path)
    run(TINY, ["real"], repeats=3, budget="tiny", out=tmp_path, progress=False)
    lines = [json.loads(line) for line in (tmp_path / "ring8.jsonl").read_text().splitlines()]
    trials = [(line["name"], line["training"]["seed"]) for line in lines]
    assert trials == [("real", 0), ("real", 1), (guest, 0), (guest, 1), ("real", 2)]


def test_a_finished_training_is_scored_again_without_being_trained_again(guest: str, tmp_path: Path) -> None:
    first = results(guest, tmp_path)[-1]
    for path in tmp_path.glob("ring8/*/seed-*/result.jsonl"):
        path.unlink()
    again = results(guest, tmp_path)[-1]
    assert Growing.fitted == [0, 1]
    assert again.training == first.training
    assert again.values == first.values


def test_run_uses_the_weights_of_train(guest: str, tmp_path: Path) -> None:
    training = train(guest, TINY, budget="tiny", out=tmp_path, progress=False)
    assert training.weights.read_text() == "6"
    assert training.record.chosen_step == 30
    results(guest, tmp_path)
    assert Growing.fitted == [0, 1]  # seed 0 was trained before


def test_a_sampler_that_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be trained: it has no fit"):
        train(f"{__name__}:untrainable", TINY, budget="tiny", out=tmp_path)


def untrainable(count: int, seed: int) -> np.ndarray:
    return RING.sample(count, seed)


def test_the_seconds_of_an_interrupted_training_are_counted(guest: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "ring8", guest, 0).path
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_text("")
    watched = {"step": 1, "loss": 1.0, "validation": 1.0, "kept": 0.0, "seconds": 100.0}
    (folder / "history.jsonl").write_text(json.dumps(watched) + "\n")
    assert train(guest, TINY, budget="tiny", out=tmp_path, progress=False).record.seconds >= 100


def test_the_critics_estimate_is_recorded_with_the_exact_value(tmp_path: Path) -> None:
    training = train("wgan", replace(TINY, density="ring"), budget="quick", out=tmp_path, progress=False)
    critic = training.record.critic
    assert critic is not None
    assert critic.quantity == "w1"
    assert critic.exact > critic.floor > 0
    assert training.folder.read_history().steps[-1].critic.claimed == critic.claimed


def test_the_saved_weights_open_the_trained_sampler(tmp_path: Path) -> None:
    training = train("vae", TINY, budget="tiny", out=tmp_path, progress=False)
    opened: Any = open_subject(f"vae,weights={training.weights}", ("samplers",))
    trained = VAE()
    trained.load(training.weights)
    assert np.array_equal(opened.sample(5, 0), trained.sample(5, 0))
    with pytest.raises(InputError, match="cannot be loaded into 'gan'"):
        open_subject(f"gan,weights={training.weights}", ("samplers",))


@pytest.mark.slow
def test_parallel_trials_give_the_results_of_sequential_ones(tmp_path: Path) -> None:
    options: RunOptions = {"repeats": 2, "budget": "tiny", "progress": False}
    sequential = run(TINY, ["real", "noise"], out=tmp_path / "sequential", **options)
    parallel = run(TINY, ["real", "noise"], out=tmp_path / "parallel", jobs=2, **options)
    for left, right in zip(parallel, sequential, strict=True):
        assert left.values == pytest.approx(right.values, rel=1e-6, abs=1e-9)
    assert len((tmp_path / "parallel" / "ring8.jsonl").read_text().splitlines()) == 4


def test_a_failure_in_a_process_is_reported_and_earlier_results_are_kept(tmp_path: Path) -> None:
    with pytest.raises(PlugError, match="raised FloatingPointError"):
        run(TINY, ["real", f"{__name__}:Failing"], repeats=1, budget="tiny", out=tmp_path, jobs=2, progress=False)
    assert len((tmp_path / "ring8.jsonl").read_text().splitlines()) == 1


class Failing(Growing):
    """A sampler whose training fails, also in another process."""

    dies_at = 20
