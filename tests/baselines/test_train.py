"""The training loop of the baselines, with its checkpoints.

It is deterministic, resumes bit for bit and stops at values that are not finite.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from genbench_baselines import train
from genbench_baselines.data import TrainingData
from genbench_baselines.train import Baseline, by_data
from safetensors import safe_open
from torch import Tensor, nn

from tests.baselines.training_sets import Rows


@dataclass
class Regression(Baseline):
    """A model with everything that a resumed training must restore: momentum, dropout, an average and random draws."""

    latent: int = by_data(points=2, images=4)
    batch_size: int = 8
    learning_rate: float = 1e-2
    average: float = 0.9
    spoil_loss_at: int = -1
    spoil_weights_at: int = -1

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        self.networks = {"generator": nn.Sequential(nn.Linear(self.latent, 8), nn.Dropout(0.5), nn.Linear(8, shape[0]))}
        parameters = self.networks["generator"].parameters()
        self.optimisers = {"generator": torch.optim.Adam(parameters, self.learning_rate)}
        self.steps_taken = 0

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        x, _ = data.draw(self.batch_size, generator)
        samples = self.generate(self.networks["generator"], self.batch_size, generator)
        loss = (samples - x).square().mean()
        self.descend("generator", loss)
        self.steps_taken += 1
        if self.steps_taken == self.spoil_weights_at:
            with torch.no_grad():
                next(self.networks["generator"].parameters()).fill_(math.inf)
        return {"loss": loss * math.nan if self.steps_taken == self.spoil_loss_at else loss}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples


POINTS = Rows(torch.randn(100, 2, generator=torch.Generator().manual_seed(0)))


def weights(model: Baseline) -> dict[str, Tensor]:
    networks = {**model.networks, "averaged": model.averaged}
    return {f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()}


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def stop_at(step: int) -> train.Watch:
    def watch(done: int, losses: dict[str, float]) -> None:
        if done == step:
            raise KeyboardInterrupt

    return watch


@pytest.fixture
def _frequent_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 4)


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = Regression(), Regression(), Regression()
    first.fit(POINTS, seed=3, steps=6)
    second.fit(POINTS, seed=3, steps=6)
    other.fit(POINTS, seed=4, steps=6)
    assert equal(weights(first), weights(second))
    assert not equal(weights(first), weights(other))


@pytest.mark.usefixtures("_frequent_checkpoints")
def test_a_resumed_run_ends_with_the_weights_of_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, interrupted, resumed = Regression(), Regression(), Regression()
    whole.fit(POINTS, seed=0, steps=11)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(POINTS, seed=0, steps=11, checkpoint=tmp_path / "c.safetensors", watch=stop_at(7))
    steps: list[int] = []
    resumed.fit(
        POINTS, seed=0, steps=11, checkpoint=tmp_path / "c.safetensors", watch=lambda step, _: steps.append(step)
    )
    assert steps == [5, 6, 7, 8, 9, 10, 11]
    assert equal(weights(resumed), weights(whole))


@pytest.mark.usefixtures("_frequent_checkpoints")
def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    done, again = Regression(), Regression()
    done.fit(POINTS, seed=0, steps=6, checkpoint=tmp_path / "c.safetensors")
    again.fit(POINTS, seed=0, steps=6, checkpoint=tmp_path / "c.safetensors", watch=stop_at(1))
    assert equal(weights(again), weights(done))


@pytest.mark.parametrize("other", [{"seed": 1}, {"steps": 9}, {"learning_rate": 0.1}])
@pytest.mark.usefixtures("_frequent_checkpoints")
def test_the_checkpoint_of_another_training_is_ignored(tmp_path: Path, other: dict[str, Any]) -> None:
    Regression().fit(POINTS, seed=0, steps=8, checkpoint=tmp_path / "c.safetensors")
    run = {"seed": 0, "steps": 8, "learning_rate": 0.01} | other
    fresh, restarted = Regression(learning_rate=run["learning_rate"]), Regression(learning_rate=run["learning_rate"])
    fresh.fit(POINTS, seed=int(run["seed"]), steps=int(run["steps"]))
    restarted.fit(POINTS, seed=int(run["seed"]), steps=int(run["steps"]), checkpoint=tmp_path / "c.safetensors")
    assert equal(weights(restarted), weights(fresh))


def test_a_checkpoint_of_other_data_is_ignored(tmp_path: Path) -> None:
    images = [torch.full([4, 3, 1, 2], level, dtype=torch.uint8) for level in (9, 10)]

    @dataclass
    class Level(Regression):
        def build(self, shape: tuple[int, ...], classes: int) -> None:
            super().build((2,), classes)

        def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
            return super().generate(network, count, generator).reshape(count, 1, 1, 2)

    Level().fit(Rows(images[0]), seed=0, steps=2, checkpoint=tmp_path / "c.safetensors")
    fresh, restarted = Level(), Level()
    fresh.fit(Rows(images[1]), seed=0, steps=2)
    restarted.fit(Rows(images[1]), seed=0, steps=2, checkpoint=tmp_path / "c.safetensors")
    assert equal(weights(restarted), weights(fresh))


@pytest.mark.usefixtures("_frequent_checkpoints")
def test_a_nan_loss_stops_the_training_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    path, good = tmp_path / "c.safetensors", Regression()
    with pytest.raises(FloatingPointError, match=r"step 6: .*nan.*c\.safetensors holds the last good weights"):
        Regression(spoil_loss_at=6).fit(POINTS, seed=0, steps=9, checkpoint=path)
    good.fit(POINTS, seed=0, steps=4)
    loaded = Regression()
    loaded.load(path)
    assert equal(weights(loaded), weights(good))


@pytest.mark.usefixtures("_frequent_checkpoints")
def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    with pytest.raises(FloatingPointError, match="step 8"):
        Regression(spoil_weights_at=8).fit(POINTS, seed=0, steps=9, checkpoint=path)
    loaded = Regression()
    loaded.load(path)
    assert all(bool(value.isfinite().all()) for value in weights(loaded).values())


def test_the_error_without_a_checkpoint_mentions_none() -> None:
    with pytest.raises(FloatingPointError) as caught:
        Regression(spoil_loss_at=1).fit(POINTS, seed=0, steps=2)
    assert "holds" not in str(caught.value)


def test_the_average_of_weights_is_the_hand_computed_one() -> None:
    model, trained = Regression(average=0.2), []
    model.fit(POINTS, seed=0, steps=3, watch=lambda *_: trained.append(model.networks["generator"][0].weight.clone()))
    model._begin((2,), 0, model.metadata["scale"], 3, 0)
    average = model.networks["generator"][0].weight.detach().clone()
    for decay, weight in zip((1 / 10, 2 / 11, 0.2), trained, strict=True):
        average = decay * average + (1 - decay) * weight.detach()
    model.fit(POINTS, seed=0, steps=3)
    torch.testing.assert_close(model.averaged[0].weight.detach(), average)


def test_without_an_average_the_last_weights_generate_the_samples() -> None:
    model = Regression(average=0)
    model.fit(POINTS, seed=0, steps=3)
    assert model.averaged is model.networks["generator"]


def test_the_global_random_generators_are_not_changed() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    model = Regression()
    model.fit(POINTS, seed=0, steps=3)
    model.sample(5, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_the_global_random_generators_have_no_influence() -> None:
    first, second = Regression(), Regression()
    first.fit(POINTS, seed=0, steps=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        second.fit(POINTS, seed=0, steps=3)
        samples = second.sample(4, 1)
    assert equal(weights(first), weights(second))
    assert np.array_equal(first.sample(4, 1), samples)


def test_sampling_during_the_training_changes_nothing() -> None:
    watched, alone = Regression(), Regression()
    watched.fit(POINTS, seed=0, steps=5, watch=lambda step, _: watched.sample(3, step))
    alone.fit(POINTS, seed=0, steps=5)
    assert equal(weights(watched), weights(alone))


def test_samples_depend_only_on_the_seed() -> None:
    model = Regression()
    model.fit(POINTS, seed=0, steps=2)
    assert np.array_equal(model.sample(6, 5), model.sample(6, 5))
    assert not np.array_equal(model.sample(6, 5), model.sample(6, 6))


def test_sampling_an_untrained_model_raises() -> None:
    with pytest.raises(ValueError, match="not trained yet"):
        Regression().sample(1, 0)


def test_saved_weights_give_the_same_samples(tmp_path: Path) -> None:
    model, loaded = Regression(latent=3), Regression()
    model.fit(POINTS, seed=0, steps=4)
    model.save(tmp_path / "m.safetensors")
    loaded.load(tmp_path / "m.safetensors")
    assert loaded.latent == 3
    assert np.array_equal(loaded.sample(7, 1), model.sample(7, 1))


def test_a_checkpoint_is_plain_safetensors(tmp_path: Path) -> None:
    Regression().fit(POINTS, seed=0, steps=2, checkpoint=tmp_path / "c.safetensors")
    with safe_open(tmp_path / "c.safetensors", framework="np") as file:
        assert "networks.generator.0.weight" in file.keys()  # noqa: SIM118
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_training_does_not_resume_from_saved_weights(tmp_path: Path) -> None:
    model, again = Regression(), Regression()
    model.fit(POINTS, seed=0, steps=3)
    model.save(tmp_path / "m.safetensors")
    again.fit(POINTS, seed=0, steps=3, checkpoint=tmp_path / "m.safetensors")
    assert equal(weights(again), weights(model))


def test_the_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    class Other(Regression):
        pass

    Regression().fit(POINTS, seed=0, steps=1, checkpoint=tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match=r"c\.safetensors holds a Regression model, not Other"):
        Other().load(tmp_path / "c.safetensors")


def test_a_file_that_is_not_a_checkpoint_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not a checkpoint at all")
    with pytest.raises(ValueError, match=r"x\.safetensors is not a checkpoint of a baseline"):
        Regression().load(tmp_path / "x.safetensors")


def test_a_default_fits_the_data_and_an_option_replaces_it() -> None:
    model, chosen = Regression(), Regression(latent=4)
    for each in (model, chosen):
        each.fit(POINTS, seed=0, steps=1)
    assert (model.latent, chosen.latent) == (2, 4)
    model._begin((1, 8, 8), 0, 1.0, 1, 0)
    assert model.latent == 4


def test_the_repr_shows_the_defaults_that_depend_on_the_data() -> None:
    assert "latent=2 for points, 4 for images" in repr(Regression())


def test_a_step_of_one_network_gives_the_other_no_gradient() -> None:
    model = Regression()
    model._begin((2,), 0, 1.0, 1, 0)
    critic = nn.Linear(2, 1)
    model.descend("generator", critic(model.networks["generator"](torch.ones(4, 2))).mean())
    assert all(weight.grad is None for weight in critic.parameters())
    assert all(weight.grad is not None for weight in model.networks["generator"].parameters())
