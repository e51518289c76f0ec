"""Guests in a run: their own save and load work, and what cannot work is told before the long work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from genbench.errors import PlugError
from genbench.plugs.opening import open_subject
from genbench.runs.run import run, train
from genbench.theory.mixtures import RING
from tests.helpers.tiny_benchmark import TINY


class Trained(nn.Module):
    """A sampler of points whose weights and checkpoints torch writes and reads by its own format."""

    steps: list[int] = []  # noqa: RUF012 - the tests count over all instances

    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.ones(1))

    def fit(self, source: Any, *, seed: int, steps: int, watch: Any, checkpoint: Path) -> None:
        for step in range(1, steps + 1):
            Trained.steps.append(step)
            with torch.no_grad():
                self.noise.copy_(torch.tensor([1 / step]))
            watch(step, {"noise": 1 / step})
            torch.save(self.state_dict(), checkpoint)
            assert torch.load(checkpoint)["noise"] == self.noise

    def sample(self, count: int, seed: int) -> np.ndarray:
        points: np.ndarray = RING.sample(count, seed)
        return points + float(self.noise) * np.random.default_rng(seed + 1).normal(size=points.shape)

    def save(self, path: Path) -> None:
        torch.save(self.state_dict(), path)

    def load(self, path: Path) -> None:
        self.load_state_dict(torch.load(path))


class NotSaved(Trained):
    def save(self, path: Path) -> None:
        raise OSError("the disk is full")


class SavedElsewhere(Trained):
    def save(self, path: Path) -> None:
        np.savez(path, noise=self.noise.detach().numpy())


class NotLoaded(Trained):
    def load(self, path: Path) -> None:
        raise KeyError("noise")


class WithSuffix(Trained):
    weights_suffix = ".weights"


class Images:
    def sample(self, count: int, seed: int) -> np.ndarray:
        return np.zeros((count, 8, 8, 3), np.uint8)


class SpacePoints:
    def sample(self, count: int, seed: int) -> np.ndarray:
        return np.zeros((count, 3), np.float32)


@pytest.fixture(autouse=True)
def _count_steps() -> None:
    Trained.steps.clear()


def trained(name: str, out: Path) -> Any:
    return train(f"{__name__}:{name}", TINY, budget="quick", out=out, progress=False)


def test_a_guest_saves_and_loads_with_torch(tmp_path: Path) -> None:
    training = trained("Trained", tmp_path)
    assert training.weights.suffix == ".pt"
    # the chosen weights are loaded by their path in a spec
    again: Any = open_subject(f"{__name__}:Trained,weights={training.weights}")
    assert float(again.noise) == pytest.approx(1 / training.record.chosen_step)
    # and a finished training is not repeated
    Trained.steps.clear()
    trained("Trained", tmp_path)
    assert not Trained.steps


def test_a_guest_may_choose_the_suffix_of_its_weights(tmp_path: Path) -> None:
    assert trained("WithSuffix", tmp_path).weights.name == "best.weights"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("NotSaved", r"method save of .*NotSaved', called with the path .*best\.pt, raised OSError: the disk is full"),
        ("SavedElsewhere", r"wrote no file at its path, .*best\.pt; write this path itself"),
        ("NotLoaded", r"method load of .*NotLoaded', called with the path .*best\.pt, raised KeyError: 'noise'"),
    ],
)
def test_save_and_load_that_fail_are_told_at_the_first_checkpoint(tmp_path: Path, name: str, complaint: str) -> None:
    with pytest.raises(PlugError, match=complaint):
        trained(name, tmp_path)
    assert Trained.steps[-1] == TINY.steps["quick"] // 5


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("Images", r"the samples are uint8 \[8, 3, 8, 8\]"), ("SpacePoints", "points in 2 dimensions")],
)
def test_samples_that_cannot_be_scored_are_refused_before_another_sampler_is_trained(
    tmp_path: Path, name: str, complaint: str
) -> None:
    samplers = ["real", f"{__name__}:Trained", f"{__name__}:{name}"]
    with pytest.raises(PlugError, match=rf"{name}' cannot be scored on ring8@1: .*{complaint}"):
        run(TINY, samplers, budget="quick", repeats=1, out=tmp_path, progress=False)
    assert not Trained.steps
    assert not list(tmp_path.iterdir())


class FittedByScikitLearn:
    """A sampler whose ``fit`` is that of scikit-learn and was called before."""

    def fit(self, X: Any, y: Any = None) -> FittedByScikitLearn:
        raise AssertionError("genbench must not call it")

    def sample(self, count: int, seed: int) -> np.ndarray:
        return RING.sample(count, seed)


def test_a_fit_of_another_library_is_no_training(tmp_path: Path) -> None:
    (result,) = run(TINY, [f"{__name__}:FittedByScikitLearn"], repeats=1, budget="tiny", out=tmp_path, progress=False)
    assert result.training is not None
    assert result.training.steps is None
