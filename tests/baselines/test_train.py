"""The training loop of the baselines, with its data, networks and checkpoints.

It is deterministic, resumes bit for bit and stops at values that are not finite.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from baselines import train
from baselines.data import TrainingData, as_samples
from baselines.nets import Decoder, Encoder
from baselines.train import Baseline, by_data


class Rows:
    """A source of given rows and labels."""

    def __init__(self, data: Any, label: Tensor | None = None) -> None:
        self.data, self.label = data, label

    def batches(self, size: int) -> Iterator[Any]:
        for start in range(0, len(self.data), size):
            part = slice(start, start + size)
            yield SimpleNamespace(data=self.data[part], label=None if self.label is None else self.label[part])


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
        made = self.generate(self.networks["generator"], self.batch_size, generator)
        loss = (made - x).square().mean()
        self.descend("generator", loss)
        self.steps_taken += 1
        if self.steps_taken == self.spoil_weights_at:
            with torch.no_grad():
                next(self.networks["generator"].parameters()).fill_(math.inf)
        return {"loss": loss * math.nan if self.steps_taken == self.spoil_loss_at else loss}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        made: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return made


POINTS = Rows(torch.randn(100, 2, generator=torch.Generator().manual_seed(0)))


def weights(model: Baseline) -> dict[str, Tensor]:
    networks = {**model.networks, "averaged": model.averaged}
    return {f"{name}.{key}": value for name, one in networks.items() for key, value in one.state_dict().items()}


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def stop_at(step: int) -> train.Watch:
    def watch(done: int, losses: dict[str, float]) -> None:
        if done == step:
            raise KeyboardInterrupt

    return watch


@pytest.fixture
def _saved_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 4)


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, other = Regression(), Regression(), Regression()
    one.fit(POINTS, seed=3, steps=6)
    two.fit(POINTS, seed=3, steps=6)
    other.fit(POINTS, seed=4, steps=6)
    assert equal(weights(one), weights(two))
    assert not equal(weights(one), weights(other))


@pytest.mark.usefixtures("_saved_often")
def test_a_resumed_run_ends_with_the_weights_of_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, cut, resumed = Regression(), Regression(), Regression()
    whole.fit(POINTS, seed=0, steps=11)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(POINTS, seed=0, steps=11, checkpoint=tmp_path / "c.safetensors", watch=stop_at(7))
    seen: list[int] = []
    resumed.fit(
        POINTS, seed=0, steps=11, checkpoint=tmp_path / "c.safetensors", watch=lambda step, _: seen.append(step)
    )
    assert seen == [5, 6, 7, 8, 9, 10, 11]
    assert equal(weights(resumed), weights(whole))


@pytest.mark.usefixtures("_saved_often")
def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    done, again = Regression(), Regression()
    done.fit(POINTS, seed=0, steps=6, checkpoint=tmp_path / "c.safetensors")
    again.fit(POINTS, seed=0, steps=6, checkpoint=tmp_path / "c.safetensors", watch=stop_at(1))
    assert equal(weights(again), weights(done))


@pytest.mark.parametrize("other", [{"seed": 1}, {"steps": 9}, {"learning_rate": 0.1}])
@pytest.mark.usefixtures("_saved_often")
def test_the_checkpoint_of_another_training_is_ignored(tmp_path: Path, other: dict[str, Any]) -> None:
    Regression().fit(POINTS, seed=0, steps=8, checkpoint=tmp_path / "c.safetensors")
    run = {"seed": 0, "steps": 8, "learning_rate": 0.01} | other
    fresh, beside = Regression(learning_rate=run["learning_rate"]), Regression(learning_rate=run["learning_rate"])
    fresh.fit(POINTS, seed=int(run["seed"]), steps=int(run["steps"]))
    beside.fit(POINTS, seed=int(run["seed"]), steps=int(run["steps"]), checkpoint=tmp_path / "c.safetensors")
    assert equal(weights(beside), weights(fresh))


def test_a_checkpoint_of_other_data_is_ignored(tmp_path: Path) -> None:
    images = [torch.full([4, 3, 1, 2], level, dtype=torch.uint8) for level in (9, 10)]

    @dataclass
    class Level(Regression):
        def build(self, shape: tuple[int, ...], classes: int) -> None:
            super().build((2,), classes)

        def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
            return super().generate(network, count, generator).reshape(count, 1, 1, 2)

    Level().fit(Rows(images[0]), seed=0, steps=2, checkpoint=tmp_path / "c.safetensors")
    fresh, beside = Level(), Level()
    fresh.fit(Rows(images[1]), seed=0, steps=2)
    beside.fit(Rows(images[1]), seed=0, steps=2, checkpoint=tmp_path / "c.safetensors")
    assert equal(weights(beside), weights(fresh))


@pytest.mark.usefixtures("_saved_often")
def test_a_nan_loss_stops_the_training_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    path, good = tmp_path / "c.safetensors", Regression()
    with pytest.raises(FloatingPointError, match=r"step 6: .*nan.*c\.safetensors holds the last good weights"):
        Regression(spoil_loss_at=6).fit(POINTS, seed=0, steps=9, checkpoint=path)
    good.fit(POINTS, seed=0, steps=4)
    kept = Regression()
    kept.load(path)
    assert equal(weights(kept), weights(good))


@pytest.mark.usefixtures("_saved_often")
def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    with pytest.raises(FloatingPointError, match="step 8"):
        Regression(spoil_weights_at=8).fit(POINTS, seed=0, steps=9, checkpoint=path)
    kept = Regression()
    kept.load(path)
    assert all(bool(value.isfinite().all()) for value in weights(kept).values())


def test_the_error_without_a_checkpoint_mentions_none() -> None:
    with pytest.raises(FloatingPointError) as caught:
        Regression(spoil_loss_at=1).fit(POINTS, seed=0, steps=2)
    assert "holds" not in str(caught.value)


def test_the_average_of_weights_is_the_hand_computed_one() -> None:
    model, seen = Regression(average=0.2), []
    model.fit(POINTS, seed=0, steps=3, watch=lambda *_: seen.append(model.networks["generator"][0].weight.clone()))
    model._begin((2,), 0, model.metadata["scale"], 3, 0)
    average = model.networks["generator"][0].weight.detach().clone()
    for decay, weight in zip((1 / 10, 2 / 11, 0.2), seen, strict=True):
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
    one, two = Regression(), Regression()
    one.fit(POINTS, seed=0, steps=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        two.fit(POINTS, seed=0, steps=3)
        again = two.sample(4, 1)
    assert equal(weights(one), weights(two))
    assert np.array_equal(one.sample(4, 1), again)


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
    model, opened = Regression(latent=3), Regression()
    model.fit(POINTS, seed=0, steps=4)
    model.save(tmp_path / "m.safetensors")
    opened.load(tmp_path / "m.safetensors")
    assert opened.latent == 3
    assert np.array_equal(opened.sample(7, 1), model.sample(7, 1))


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


def test_a_default_fits_the_data_and_a_given_value_wins() -> None:
    model, given = Regression(), Regression(latent=4)
    for one in (model, given):
        one.fit(POINTS, seed=0, steps=1)
    assert (model.latent, given.latent) == (2, 4)
    model._begin((1, 8, 8), 0, 1.0, 1, 0)
    assert model.latent == 4


def test_the_repr_shows_the_defaults_that_depend_on_the_data() -> None:
    assert "latent=2 for points, 4 for images" in repr(Regression())


def test_a_step_of_one_network_gives_the_other_no_gradient() -> None:
    model = Regression()
    model._begin((2,), 0, 1.0, 1, 0)
    judge = nn.Linear(2, 1)
    model.descend("generator", judge(model.networks["generator"](torch.ones(4, 2))).mean())
    assert all(weight.grad is None for weight in judge.parameters())
    assert all(weight.grad is not None for weight in model.networks["generator"].parameters())


def test_gray_images_train_as_one_channel_from_minus_one_to_one() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1).expand(-1, 3, 8, 8)
    data = TrainingData.of(Rows(images))
    assert data.shape == (1, 8, 8)
    torch.testing.assert_close(data.values[:, 0, 0, 0], torch.tensor([-1.0, -0.6, 1.0]))


def test_every_gray_level_is_restored_exactly() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8).expand(-1, 3, -1, -1)
    samples = as_samples(TrainingData.of(Rows(levels)).values, 1.0)
    assert samples.dtype == np.uint8
    assert np.array_equal(samples, levels.permute(0, 2, 3, 1).numpy())


def test_coloured_images_keep_their_channels() -> None:
    images = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert TrainingData.of(Rows(images)).shape == (3, 8, 8)


def test_points_are_scaled_to_root_mean_square_one_and_restored() -> None:
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * 7
    data = TrainingData.of(Rows(points))
    assert float(data.values.square().mean()) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(as_samples(data.values, data.scale), points.numpy(), rtol=1e-5)


def test_images_of_several_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        TrainingData.of(Rows([torch.zeros(3, 8, 8), torch.zeros(3, 9, 9)]))


def test_rows_are_drawn_with_their_labels() -> None:
    data = TrainingData.of(Rows(torch.arange(20.0)[:, None], torch.arange(20)))
    values, label = data.draw_labelled(64, torch.Generator().manual_seed(0))
    torch.testing.assert_close(values[:, 0] * data.scale, label.float())
    assert data.classes == 20


def test_missing_labels_raise() -> None:
    with pytest.raises(ValueError, match="these data have no labels"):
        TrainingData.of(POINTS).draw_labelled(1, torch.Generator())


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 9, 9), (3, 16, 24)])
def test_the_networks_fit_the_data(shape: tuple[int, ...], classes: int) -> None:
    label = torch.arange(4) if classes else None
    made = Decoder(5, shape, classes)(torch.randn(4, 5), label)
    assert tuple(made.shape) == (4, *shape)
    assert tuple(Encoder(shape, 7, classes)(made, label).shape) == (4, 7)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_the_output_depends_on_the_class(shape: tuple[int, ...]) -> None:
    decoder, encoder = Decoder(5, shape, 3), Encoder(shape, 1, 3)
    z, x = torch.ones(1, 5).expand(3, -1), torch.ones(1, *shape).expand(3, *[-1] * len(shape))
    assert len(set(decoder(z, torch.arange(3)).flatten(1)[:, 0].tolist())) == 3
    assert len(set(encoder(x, torch.arange(3))[:, 0].tolist())) == 3


def test_a_conditional_network_without_a_class_raises() -> None:
    with pytest.raises(ValueError, match="needs the class"):
        Encoder((2,), 1, 3)(torch.zeros(1, 2))
