"""Functions, torch modules and TorchScript files as samplers."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.contracts import Sampler
from genbench.samplers.function import FunctionSampler
from genbench.samplers.module import ModuleSampler, TorchScriptSampler


class Scaled(nn.Module):
    """A generator whose one parameter scales its latents."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.factor * z


def answering(answer):
    module = nn.Identity()
    module.forward = lambda z: answer
    return module


def both(count, seed):
    return ("both", count, seed)


def by_other_names(n, s):
    return ("both", n, s)


def by_keyword(*, count, seed):
    return ("both", count, seed)


def turned_round(seed, count):
    return ("both", count, seed)


def positional_only(n, seed, /):
    return ("both", n, seed)


def with_an_option(count, temperature=1.0, *, seed=None):
    return ("both" if temperature == 1.0 else "wrong", count, seed)


class Callable:
    def __call__(self, count, seed):
        return ("both", count, seed)


@pytest.mark.parametrize(
    "function",
    [both, by_other_names, by_keyword, turned_round, positional_only, with_an_option, Callable()],
    ids=lambda function: getattr(function, "__name__", "object"),
)
def test_count_and_seed_reach_a_function_by_position_or_name(function):
    assert FunctionSampler(function).sample(5, 7) == ("both", 5, 7)


def test_a_second_parameter_with_a_default_is_not_taken_for_the_seed():
    assert FunctionSampler(lambda count, temperature=1.0: temperature).sample(5, 7) == 1.0


def test_a_keyword_only_count_is_enough():
    def function(*, count):
        return count

    assert FunctionSampler(function).sample(5, 7) == 5


@pytest.mark.parametrize("draw", [lambda count: torch.randn(count, 2).numpy(), lambda count: np.random.rand(count, 2)])
def test_a_function_without_a_seed_draws_the_same_for_the_same_seed(draw):
    sampler = FunctionSampler(draw)
    first, again, other = sampler.sample(4, 1), sampler.sample(4, 1), sampler.sample(4, 2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_seed_beyond_32_bits_is_taken():
    assert FunctionSampler(lambda count: np.random.rand(count)).sample(3, 2**40 + 1).shape == (3,)


def test_sampling_leaves_the_global_generators_as_they_were():
    def function(count):
        torch.manual_seed(99)
        return torch.rand(count), np.random.rand(count), random.random()

    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    FunctionSampler(function).sample(3, 0)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


def test_the_global_generators_come_back_when_the_function_raises():
    def function(count):
        torch.rand(count)
        raise KeyError("weights")

    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        FunctionSampler(function).sample(3, 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("function", [lambda: 0, lambda count, seed, weights: 0, lambda *, size: 0])
def test_a_function_that_wants_other_arguments_is_refused_at_once(function):
    with pytest.raises(PlugError, match=r"wanted \(count, seed\) or \(count\)"):
        FunctionSampler(function)


def test_a_function_that_is_a_word_is_refused():
    with pytest.raises(UsageError, match="module:attribute"):
        FunctionSampler("draw")


def test_functions_are_accepted_but_not_classes_modules_or_samplers():
    class Ready:
        def sample(self, count, seed):
            return np.zeros((count, 2))

        __call__ = sample

    assert FunctionSampler.accepts(both)
    assert FunctionSampler.accepts(Callable())
    assert [FunctionSampler.accepts(other) for other in (Callable, nn.Identity(), Ready(), "folder", 3)] == [False] * 5


def test_modules_are_accepted_but_not_those_that_sample_by_themselves():
    class Ready(nn.Identity):
        def sample(self, count, seed):
            return torch.zeros(count, 2)

    assert [ModuleSampler.accepts(other) for other in (nn.Identity(), Ready(), both)] == [True, False, False]


def test_the_samplers_keep_the_contract(tmp_path):
    assert isinstance(FunctionSampler(both), Sampler)
    assert isinstance(ModuleSampler(nn.Identity(), 2), Sampler)


def test_a_module_draws_the_same_for_the_same_seed():
    sampler = ModuleSampler(nn.Identity(), 2)
    assert torch.equal(sampler.sample(4, 1), sampler.sample(4, 1))
    assert not torch.equal(sampler.sample(4, 1), sampler.sample(4, 2))


def test_a_module_that_draws_noise_of_its_own_is_repeatable():
    class Noisy(nn.Module):
        def forward(self, z):
            return torch.randn_like(z)

    sampler = ModuleSampler(Noisy(), 2)
    assert torch.equal(sampler.sample(4, 1), sampler.sample(4, 1))


def test_normal_latents_have_mean_0_and_variance_1():
    drawn = ModuleSampler(nn.Identity(), 4).sample(20_000, 0)
    assert drawn.mean().abs() < 0.02
    assert (drawn.var() - 1).abs() < 0.02


def test_uniform_latents_fill_the_range_from_minus_1_to_1():
    drawn = ModuleSampler(nn.Identity(), 4, distribution="uniform").sample(20_000, 0)
    assert -1 <= drawn.min() < -0.999
    assert 0.999 < drawn.max() <= 1
    assert (drawn.var() - 1 / 3).abs() < 0.01


def test_unit_latents_have_length_1():
    drawn = ModuleSampler(nn.Identity(), 8, distribution="unit").sample(100, 0)
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(100))


@pytest.mark.parametrize(("latent", "shape"), [(7, (7,)), ("7", (7,)), ("5x1x2", (5, 1, 2)), ((5, 1, 2), (5, 1, 2))])
def test_the_shape_of_the_latents_can_be_written_in_each_way(latent, shape):
    assert ModuleSampler(nn.Identity(), latent).latent == shape


@pytest.mark.parametrize("latent", [None, 0, "wide", "3x", (), (2, -1), 1.5])
def test_a_missing_or_senseless_latent_is_refused(latent):
    with pytest.raises(UsageError, match="latent=128 or latent=100x1x1"):
        ModuleSampler(nn.Identity(), latent)


def test_an_unknown_distribution_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="did you mean 'normal'"):
        ModuleSampler(nn.Identity(), 2, distribution="normale")


def test_an_unknown_range_is_refused():
    with pytest.raises(UsageError, match=r"range=0\.\.255"):
        ModuleSampler(nn.Identity(), 2, range="0..255")


@pytest.mark.parametrize(("declared", "values"), [("-1..1", [-1, -0.2, 0.6, 1]), ("0..1", [0, 0.4, 0.8, 1])])
def test_float_images_of_a_declared_range_become_uint8(declared, values):
    module = answering(torch.tensor(values).view(1, 1, 2, 2))
    drawn = ModuleSampler(module, 2, range=declared).sample(1, 0)
    assert drawn.dtype == torch.uint8
    assert drawn.flatten().tolist() == [0, 102, 204, 255]


def test_a_small_overshoot_is_clipped():
    drawn = ModuleSampler(answering(torch.tensor([[[[-1.2, 1.3]]]])), 2, range="-1..1").sample(1, 0)
    assert drawn.flatten().tolist() == [0, 255]


@pytest.mark.parametrize(("declared", "value"), [("0..1", -1.0), ("-1..1", 255.0), ("0..1", 255.0)])
def test_values_of_another_range_than_the_declared_one_are_refused(declared, value):
    with pytest.raises(PlugError, match=f"outside the declared range={declared}"):
        ModuleSampler(answering(torch.full((1, 1, 2, 2), value)), 2, range=declared).sample(1, 0)


def test_float_images_without_a_declared_range_are_refused():
    with pytest.raises(PlugError, match=r"float32 \[2, 3, 4, 4\] with values from 0 to 0; declare"):
        ModuleSampler(answering(torch.zeros(2, 3, 4, 4)), 2).sample(2, 0)


def test_flat_images_of_a_declared_range_are_refused_as_points():
    with pytest.raises(PlugError, match=r"\[2, 784\], which are points"):
        ModuleSampler(answering(torch.zeros(2, 784)), 2, range="0..1").sample(2, 0)


def test_uint8_images_pass_as_they_are():
    images = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    assert torch.equal(ModuleSampler(answering(images), 2).sample(1, 0), images)


def test_points_of_another_float_type_become_float32():
    assert ModuleSampler(answering(torch.zeros(2, 2, dtype=torch.float64)), 2).sample(2, 0).dtype == torch.float32


def test_nan_from_a_module_is_named():
    with pytest.raises(PlugError, match=r"'Identity' returned float32 .* NaN"):
        ModuleSampler(answering(torch.full((2, 2), torch.nan)), 2).sample(2, 0)


def test_a_module_that_returns_a_tuple_is_refused():
    with pytest.raises(PlugError, match="returned a tuple"):
        ModuleSampler(answering((torch.zeros(2, 2),)), 2).sample(2, 0)


def test_a_module_samples_in_evaluation_mode_and_gets_its_own_modes_back():
    module = nn.Sequential(nn.Identity(), nn.Dropout(0.5))
    module[0].eval()
    drawn = ModuleSampler(module, 500).sample(2, 0)
    assert (drawn != 0).all()
    assert [part.training for part in module.modules()] == [True, False, True]


def script(module, path):
    torch.jit.trace(module, torch.zeros(2, 3)).save(path)
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_file_samples_as_the_module_that_it_was_made_of(tmp_path):
    path = script(Scaled(2.5), tmp_path / "generator.pt")
    assert torch.equal(TorchScriptSampler(path, 3).sample(4, 1), ModuleSampler(Scaled(2.5), 3).sample(4, 1))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_file_without_a_latent_says_what_to_write(tmp_path):
    path = script(Scaled(), tmp_path / "generator.pt")
    with pytest.raises(UsageError, match=r"torchscript,path=.*generator\.pt,latent=128"):
        TorchScriptSampler(path)


def test_a_state_dict_is_not_taken_for_torchscript(tmp_path):
    torch.save(Scaled().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights\.pt is not a TorchScript file"):
        TorchScriptSampler(tmp_path / "weights.pt", 3)


def test_paths_are_accepted_by_their_ending(tmp_path):
    names = ["g.pt", "g.TS", "g.jit", "g.torchscript", "images.zip", "folder"]
    assert [TorchScriptSampler.accepts(tmp_path / name) for name in names] == [True] * 4 + [False] * 2
    assert not TorchScriptSampler.accepts(nn.Identity())
