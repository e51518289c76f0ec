"""GANs: the losses against hand-computed cases, the contract of samplers, and that training improves the samples."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from genbench_baselines import train
from genbench_baselines.cgan import CGAN
from genbench_baselines.data import TrainingData
from genbench_baselines.gan import GAN
from genbench_baselines.r3gan import R3GAN, cosine, critic_with_penalty
from genbench_baselines.train import Baseline
from genbench_baselines.wgan import WGAN, clip
from genbench_baselines.wgan_gp import WGANGP, gradient_penalty
from torch import Tensor, nn

from genbench.extractors.classifier import digits_classifier
from genbench.sources.digits import digits
from tests.baselines.training_sets import Rows

MODELS: list[type[Baseline]] = [GAN, WGAN, WGANGP, R3GAN, CGAN]


def images(side: int = 8, channels: int = 1) -> Rows:
    levels = torch.randint(256, (40, channels, side, side), generator=torch.Generator().manual_seed(0))
    return Rows(levels.to(torch.uint8).expand(-1, 3, -1, -1), torch.arange(40) % 4)


def points() -> Rows:
    """Two distant classes: around (-2, 1) and (2, 1)."""
    label = torch.arange(400) % 2
    centre = torch.stack([4.0 * label - 2, torch.ones(400)], dim=1)
    return Rows(centre + 0.1 * torch.randn(400, 2, generator=torch.Generator().manual_seed(0)), label)


def weights(model: Baseline) -> list[Tensor]:
    networks = [*model.networks.values(), model.averaged]
    return [value for network in networks for value in network.state_dict().values()]


class LinearCritic(nn.Module):
    """A critic with a constant output, plus the inner product of a row with a vector."""

    def __init__(self, value: float = 0.0, slope: tuple[float, ...] = (0.0, 0.0), columns: int = 1) -> None:
        super().__init__()
        self.columns = columns
        self.value = nn.Parameter(torch.tensor(value))
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        return (x @ self.slope + self.value)[:, None].expand(-1, self.columns)


def first_step(model: Baseline, critic: nn.Module) -> dict[str, float]:
    """Return the losses of one step with the given critic, whose weights do not change."""
    data = TrainingData.of(points())
    model._begin(data.shape, data.classes, data.scale, 10, 0)
    model.networks["critic"] = critic
    model.optimisers["critic"] = torch.optim.SGD(critic.parameters(), lr=0.0)
    losses = model.step(data, torch.Generator().manual_seed(0), 0.0)
    return {name: float(loss.detach()) for name, loss in losses.items()}


@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize("source", [images(), images(9, 3), points()], ids=["gray", "colour", "points"])
def test_a_model_trains_on_any_shape_and_keeps_the_contract_of_samplers(
    model_class: type[Baseline], source: Rows
) -> None:
    model = model_class()
    model.fit(source, seed=0, steps=1)
    samples = model.sample(5, 0)
    if source.data.ndim == 2:
        assert (samples.dtype, samples.shape) == (np.float32, (5, 2))
    else:
        assert (samples.dtype, samples.shape) == (np.uint8, (5, *source.data.shape[2:], 3))


@pytest.mark.parametrize("model_class", MODELS)
def test_a_resumed_training_ends_with_the_same_weights(
    model_class: type[Baseline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 2)
    whole, resumed = model_class(), model_class()
    whole.fit(points(), seed=1, steps=5)
    with pytest.raises(KeyboardInterrupt):
        model_class().fit(points(), seed=1, steps=5, checkpoint=tmp_path / "c", watch=interrupt)
    resumed.fit(points(), seed=1, steps=5, checkpoint=tmp_path / "c")
    assert all(torch.equal(a, b) for a, b in zip(weights(resumed), weights(whole), strict=True))


@pytest.mark.parametrize("model_class", MODELS)
def test_training_moves_the_samples_to_the_data(model_class: type[Baseline]) -> None:
    label = torch.zeros(500, dtype=torch.int64)
    source = Rows(3 + 0.5 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0)), label)
    model = model_class(batch_size=32)  # type: ignore[call-arg]
    if isinstance(model, (WGAN, WGANGP)):
        model.critic_steps = 1
    model.fit(source, seed=0, steps=1)
    before = np.linalg.norm(model.sample(500, 0).mean(axis=0) - 3)
    model.fit(source, seed=0, steps=80)
    after = np.linalg.norm(model.sample(500, 0).mean(axis=0) - 3)
    assert before > 2
    assert after < before / 2


@pytest.mark.slow
@pytest.mark.parametrize("model_class", [GAN, CGAN])
def test_no_training_on_digits_collapses_in_ten_seeds(model_class: type[Baseline]) -> None:
    for seed in range(10):
        model = model_class()
        model.fit(digits("fit"), seed=seed, steps=400)
        samples = torch.from_numpy(model.sample(500, 0)).permute(0, 3, 1, 2)
        counts = digits_classifier()(samples)["mode"].bincount(minlength=10)
        assert counts.min() >= 5, f"seed {seed}: {counts.tolist()}"


@pytest.mark.parametrize("model_class", [GAN, CGAN])
def test_the_value_of_a_discriminator_that_cannot_discriminate_is_minus_ln_4(model_class: type[Baseline]) -> None:
    critic = LinearCritic(columns=3 if model_class is CGAN else 1)  # one for x, one for each of two classes
    assert first_step(model_class(), critic)["value"] == pytest.approx(-math.log(4), abs=1e-6)


def test_the_value_is_the_log_likelihood_of_the_discriminator() -> None:
    probability = 1 / (1 + math.exp(-0.7))
    losses = first_step(GAN(), LinearCritic(0.7))
    assert losses["value"] == pytest.approx(math.log(probability) + math.log(1 - probability), abs=1e-6)
    assert losses["generator"] == pytest.approx(-math.log(probability), abs=1e-6)


def test_the_minimax_generator_minimises_the_value() -> None:
    probability = 1 / (1 + math.exp(-0.7))
    losses = first_step(GAN(loss="minimax"), LinearCritic(0.7))
    assert losses["generator"] == pytest.approx(math.log(1 - probability), abs=1e-6)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="'hinge' is neither"):
        GAN(loss="hinge")  # type: ignore[arg-type]


@pytest.mark.parametrize("model_class", [WGAN, WGANGP])
def test_w1_is_the_difference_of_means_in_the_units_of_the_data(model_class: type[Baseline]) -> None:
    model = model_class(critic_steps=1, batch_size=4000, learning_rate=0.0)  # type: ignore[call-arg]
    if isinstance(model, WGAN):
        model.clip = 1
    w1 = first_step(model, LinearCritic(slope=(0.0, 1.0)))["w1"]  # f(x) = second coordinate, whose mean is 1
    samples = model.generate(model.networks["generator"], 4000, torch.Generator().manual_seed(1))
    assert w1 == pytest.approx(1 - float(samples[:, 1].mean().detach()) * model.metadata["scale"], abs=0.05)


def test_clipping_bounds_large_weights_and_keeps_small_ones() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[0.5, -0.003]])
    clip(layer, 0.01)
    torch.testing.assert_close(layer.weight.data, torch.tensor([[0.01, -0.003]]))


def test_the_critic_of_a_wgan_stays_clipped() -> None:
    model = WGAN(clip=0.02)
    model.fit(points(), seed=0, steps=2)
    assert max(float(weight.detach().abs().max()) for weight in model.networks["critic"].parameters()) <= 0.02


@pytest.mark.parametrize(("slope", "penalty"), [((0.6, 0.8), 0.0), ((3.0, 4.0), 16.0), ((0.0, 0.0), 1.0)])
def test_the_gradient_penalty_of_a_plane_is_the_squared_gradient_norm_minus_one(
    slope: tuple[float, ...], penalty: float
) -> None:
    draws = torch.Generator().manual_seed(0)
    real, fake = torch.randn(6, 2, generator=draws), torch.randn(6, 2, generator=draws)
    computed = gradient_penalty(LinearCritic(slope=slope), real, fake, draws)
    assert float(computed.detach()) == pytest.approx(penalty, abs=1e-5)


def test_the_gradient_penalty_uses_points_between_real_and_generated() -> None:
    inputs: list[Tensor] = []

    class Recorder(LinearCritic):
        def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
            inputs.append(x.detach())
            return super().forward(x)

    real, fake = torch.zeros(100, 2), torch.ones(100, 2)
    gradient_penalty(Recorder(), real, fake, torch.Generator().manual_seed(0))
    assert torch.equal(inputs[0][:, 0], inputs[0][:, 1])
    assert 0 <= float(inputs[0].min()) < 0.1
    assert 0.9 < float(inputs[0].max()) <= 1


def test_r3gan_compares_pairs_and_penalises_both_gradients() -> None:
    losses = first_step(R3GAN(gamma=0.5, learning_rate=0), LinearCritic(0.3, (0.0, 0.0)))
    assert losses["critic"] == pytest.approx(math.log(2), abs=1e-6)
    assert losses["generator"] == pytest.approx(math.log(2), abs=1e-6)
    steep = first_step(R3GAN(gamma=0.5, learning_rate=0), LinearCritic(0.3, (0.3, 0.4)))
    assert (steep["r1"], steep["r2"]) == (pytest.approx(0.25), pytest.approx(0.25))
    flat = first_step(R3GAN(gamma=0, learning_rate=0), LinearCritic(0.3, (0.3, 0.4)))
    assert steep["critic"] - flat["critic"] == pytest.approx(0.25 * 0.5, abs=1e-6)


def test_the_penalty_of_a_square_is_hand_computed() -> None:
    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(dim=1, keepdim=True)

    outputs, penalty = critic_with_penalty(Square(), torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    assert outputs[:, 0].tolist() == [5, 9]
    assert float(penalty.detach()) == pytest.approx((4 * 5 + 4 * 9) / 2)


def test_the_cosine_falls_from_one_to_the_last_value() -> None:
    assert [cosine(progress, last=0.1) for progress in (0, 0.5, 1)] == pytest.approx([1, 0.55, 0.1])


def test_the_learning_rate_of_r3gan_falls() -> None:
    model = R3GAN(learning_rate=0.01)
    model.fit(points(), seed=0, steps=4)
    rates = {optimiser.param_groups[0]["lr"] for optimiser in model.optimisers.values()}
    assert rates == {0.01 * cosine(3 / 4, last=0.02)}


def test_cgan_needs_labels() -> None:
    with pytest.raises(ValueError, match="these data have no labels"):
        CGAN().fit(Rows(points().data), seed=0, steps=1)


def test_sampling_from_an_untrained_cgan_is_refused() -> None:
    with pytest.raises(ValueError, match="not trained yet"):
        CGAN().sample_classes([0], 0)


def test_cgan_generates_the_given_class() -> None:
    model = CGAN(batch_size=64)
    model.fit(points(), seed=0, steps=100)
    labels = np.arange(200) % 2
    samples = model.sample_classes(labels, 0)
    assert ((samples[:, 0] > 0) == (labels == 1)).mean() > 0.9


def test_cgan_samples_all_classes_equally_often() -> None:
    model, labels = CGAN(), []
    model.fit(images(), seed=0, steps=1)
    model.averaged.register_forward_pre_hook(lambda _, inputs: labels.append(inputs[1]))
    model.sample(10, 0)
    assert sorted(torch.bincount(labels[0], minlength=4).tolist()) == [2, 2, 3, 3]


def test_a_class_that_is_not_in_the_training_data_is_refused() -> None:
    model = CGAN()
    model.fit(points(), seed=0, steps=1)
    with pytest.raises(ValueError, match="classes go from 0 to 1; got 0 to 2"):
        model.sample_classes([0, 2], 0)
