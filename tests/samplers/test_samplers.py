"""Functions, torch modules and TorchScript files as samplers."""

import functools
import inspect
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from genbench.derived_sources import Drawn
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.contracts import Sampler
from genbench.plugs.opening import open_sampler, open_subject
from genbench.samplers.function import FunctionSampler
from genbench.samplers.module import ModuleSampler, TorchScriptSampler


class Scaled(nn.Module):
    """A generator whose one parameter scales its latents."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.factor * z


def module_returning(output):
    module = nn.Identity()
    module.forward = lambda z: output
    return module


def both(count, seed):
    return ("both", count, seed)


def by_other_names(n, *, seed):
    return ("both", n, seed)


def by_keyword(*, count, seed):
    return ("both", count, seed)


def in_reverse_order(seed, count):
    return ("both", count, seed)


def positional_only(n, seed, /):
    return ("both", n, seed)


def with_an_option(count, temperature=1.0, *, seed=None):
    return ("both" if temperature == 1.0 else "wrong", count, seed)


def with_further_options(*arguments, **options):
    return ("both", *arguments, options["seed"])


class Callable:
    def __call__(self, count, seed):
        return ("both", count, seed)


@pytest.mark.parametrize(
    "function",
    [
        both,
        by_other_names,
        by_keyword,
        in_reverse_order,
        positional_only,
        with_an_option,
        with_further_options,
        Callable(),
    ],
    ids=lambda function: getattr(function, "__name__", "object"),
)
def test_count_and_seed_are_passed_by_position_or_name(function):
    assert FunctionSampler(function).sample(5, 7) == ("both", 5, 7)


def test_a_second_parameter_with_a_default_does_not_get_the_seed():
    assert FunctionSampler(lambda count, temperature=1.0: temperature).sample(5, 7) == 1.0


def test_compiled_code_that_hides_its_parameters_gets_the_count_only():
    # with the seed it would be 5 x 7 numbers
    assert FunctionSampler(torch.randn).sample(5, 7).shape == (5,)


def test_a_keyword_only_count_is_enough():
    def function(*, count):
        return count

    assert FunctionSampler(function).sample(5, 7) == 5


@pytest.mark.parametrize("draw", [lambda count: torch.randn(count, 2).numpy(), lambda count: np.random.rand(count, 2)])
def test_the_samples_of_a_function_without_a_seed_depend_on_the_seed_only(draw):
    sampler = FunctionSampler(draw)
    first, again, other = sampler.sample(4, 1), sampler.sample(4, 1), sampler.sample(4, 2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_seed_beyond_32_bits_is_accepted():
    assert FunctionSampler(lambda count: np.random.rand(count)).sample(3, 2**40 + 1).shape == (3,)


def test_sampling_does_not_change_the_global_generators():
    def function(count):
        torch.manual_seed(99)
        return torch.rand(count), np.random.rand(count), random.random()

    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    FunctionSampler(function).sample(3, 0)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


def test_the_global_generators_are_restored_if_the_function_raises():
    def function(count):
        torch.rand(count)
        raise KeyError("weights")

    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        FunctionSampler(function).sample(3, 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("function", [lambda n, s: 0, lambda n, batch_size: 0, lambda n, *, rng: 0])
def test_a_second_parameter_that_is_not_called_seed_is_named_and_refused(function):
    name = list(inspect.signature(function).parameters)[1]
    with pytest.raises(PlugError, match=f"needs a value for '{name}'.*functools.partial"):
        FunctionSampler(function)
    bound = functools.partial(function, **{name: 3})
    assert FunctionSampler(bound).sample(5, 7) == 0


@pytest.mark.parametrize("function", [lambda: 0, lambda count, seed, weights: 0, lambda *, size: 0])
def test_a_function_with_other_parameters_is_rejected_at_once(function):
    with pytest.raises(PlugError, match=r"expected \(count, seed\) or \(count\)"):
        FunctionSampler(function)


def object_with(method):
    return type("Model", (), {"sample": method})()


def first_batch(sampler):
    return next(Drawn(open_subject(sampler), 256, 0, "model").batches(256)).data


def test_a_method_with_an_optional_second_parameter_keeps_its_default():
    draw = object_with(lambda self, n, temperature=2.0: np.full((n, 2), temperature))
    assert (first_batch(draw) == 2).all()


def test_a_method_that_needs_a_second_parameter_other_than_the_seed_is_refused_at_once():
    with pytest.raises(PlugError, match="'Model' needs a value for 'batch_size'"):
        open_subject(object_with(lambda self, n, batch_size: np.zeros((n, 2))))


def test_an_object_without_a_seed_is_repeatable():
    draw = object_with(lambda self, n: np.random.rand(n, 2) + torch.rand(n, 2).numpy() + random.random())
    before = np.random.get_state()[1].copy()
    assert np.array_equal(first_batch(draw), first_batch(draw))
    assert np.array_equal(before, np.random.get_state()[1])


def test_a_scripted_method_keeps_the_default_of_its_second_parameter():
    class Scripted(nn.Module):
        @torch.jit.export
        def sample(self, n: int, temperature: float = 2.0) -> torch.Tensor:
            return torch.full((n, 2), temperature)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return z

    with warnings.catch_warnings(action="ignore"):
        scripted = torch.jit.script(Scripted())
    assert (first_batch(scripted) == 2).all()


def test_a_string_is_rejected_as_a_function():
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


def test_modules_are_accepted_unless_they_are_samplers():
    class Ready(nn.Identity):
        def sample(self, count, seed):
            return torch.zeros(count, 2)

    assert [ModuleSampler.accepts(other) for other in (nn.Identity(), Ready(), both)] == [True, False, False]


def test_the_samplers_fulfil_the_contract(tmp_path):
    assert isinstance(FunctionSampler(both), Sampler)
    assert isinstance(ModuleSampler(nn.Identity(), 2), Sampler)


def test_the_samples_of_a_module_depend_on_the_seed_only():
    sampler = ModuleSampler(nn.Identity(), 2)
    assert torch.equal(sampler.sample(4, 1), sampler.sample(4, 1))
    assert not torch.equal(sampler.sample(4, 1), sampler.sample(4, 2))


def test_a_module_that_draws_noise_itself_is_repeatable():
    class Noisy(nn.Module):
        def forward(self, z):
            return torch.randn_like(z)

    sampler = ModuleSampler(Noisy(), 2)
    assert torch.equal(sampler.sample(4, 1), sampler.sample(4, 1))


def test_normal_latents_have_mean_0_and_variance_1():
    samples = ModuleSampler(nn.Identity(), 4).sample(20_000, 0)
    assert samples.mean().abs() < 0.02
    assert (samples.var() - 1).abs() < 0.02


def test_uniform_latents_fill_the_range_from_minus_1_to_1():
    samples = ModuleSampler(nn.Identity(), 4, distribution="uniform").sample(20_000, 0)
    assert -1 <= samples.min() < -0.999
    assert 0.999 < samples.max() <= 1
    assert (samples.var() - 1 / 3).abs() < 0.01


def test_unit_latents_have_length_1():
    samples = ModuleSampler(nn.Identity(), 8, distribution="unit").sample(100, 0)
    torch.testing.assert_close(samples.norm(dim=1), torch.ones(100))


@pytest.mark.parametrize(("latent", "shape"), [(7, (7,)), ("7", (7,)), ("5x1x2", (5, 1, 2)), ((5, 1, 2), (5, 1, 2))])
def test_the_shape_of_the_latents_can_be_written_in_several_ways(latent, shape):
    assert ModuleSampler(nn.Identity(), latent).latent == shape


@pytest.mark.parametrize("latent", [None, 0, "wide", "3x", (), (2, -1), 1.5])
def test_a_missing_or_invalid_latent_is_rejected(latent):
    with pytest.raises(UsageError, match="latent=128 or latent=100x1x1"):
        ModuleSampler(nn.Identity(), latent)


def test_the_message_about_an_unknown_distribution_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'normal'"):
        ModuleSampler(nn.Identity(), 2, distribution="normale")


@pytest.mark.parametrize("text", ["0-255", "1..0", "0..0", "0..inf", "nan..1", "..", "a..b"])
def test_a_text_that_is_not_a_range_is_rejected(text):
    with pytest.raises(UsageError, match=r"is not of the form LOW\.\.HIGH"):
        ModuleSampler(nn.Identity(), 2, range=text)


def test_a_range_may_have_any_limits():
    levels = torch.tensor([0.0, 51.0, 255.0]).repeat(4, 1).view(4, 3, 1, 1)
    samples = ModuleSampler(nn.Identity(), (3, 1, 1), range="0..255")
    assert samples.form.apply(levels, "x")[0].flatten().tolist() == [0, 51, 255]


@pytest.mark.parametrize(("declared", "values"), [("-1..1", [-1, -0.2, 0.6, 1]), ("0..1", [0, 0.4, 0.8, 1])])
def test_float_images_of_a_declared_range_become_uint8(declared, values):
    module = module_returning(torch.tensor(values).view(1, 1, 2, 2))
    samples = ModuleSampler(module, 2, range=declared).sample(1, 0)
    assert samples.dtype == torch.uint8
    assert samples.flatten().tolist() == [0, 102, 204, 255]


def test_values_slightly_outside_the_range_are_clipped():
    samples = ModuleSampler(module_returning(torch.tensor([[[[-1.2, 1.3]]]])), 2, range="-1..1").sample(1, 0)
    assert samples.flatten().tolist() == [0, 255]


@pytest.mark.parametrize(("declared", "value"), [("0..1", -1.0), ("-1..1", 255.0), ("0..1", 255.0)])
def test_values_far_outside_the_declared_range_are_rejected(declared, value):
    with pytest.raises(PlugError, match=f"outside the declared range={declared}"):
        ModuleSampler(module_returning(torch.full((1, 1, 2, 2), value)), 2, range=declared).sample(1, 0)


def test_float_images_without_a_declared_range_are_rejected():
    with pytest.raises(PlugError, match=r"float32 \[256, 3, 4, 4\] with values from 0 to 0, .*; declare it"):
        first_batch(ModuleSampler(module_returning(torch.zeros(256, 3, 4, 4)), 2))


def test_flat_images_of_a_declared_range_are_rejected_as_points():
    with pytest.raises(PlugError, match=r"\[2, 784\], which are points"):
        ModuleSampler(module_returning(torch.zeros(2, 784)), 2, range="0..1").sample(2, 0)


def test_uint8_images_are_returned_unchanged():
    images = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    assert torch.equal(ModuleSampler(module_returning(images), 2).sample(1, 0), images)


def test_points_of_another_float_type_become_float32():
    assert (
        ModuleSampler(module_returning(torch.zeros(2, 2, dtype=torch.float64)), 2).sample(2, 0).dtype == torch.float32
    )


def test_nan_from_a_module_is_an_error():
    with pytest.raises(PlugError, match=r"'Identity' returned float32 .* NaN"):
        ModuleSampler(module_returning(torch.full((2, 2), torch.nan)), 2).sample(2, 0)


def test_a_module_that_returns_a_tuple_is_rejected():
    with pytest.raises(PlugError, match="returned a tuple"):
        ModuleSampler(module_returning((torch.zeros(2, 2),)), 2).sample(2, 0)


def test_a_module_is_called_in_evaluation_mode_and_its_modes_are_restored():
    module = nn.Sequential(nn.Identity(), nn.Dropout(0.5))
    module[0].eval()
    samples = ModuleSampler(module, 500).sample(2, 0)
    assert (samples != 0).all()
    assert [part.training for part in module.modules()] == [True, False, True]


def script(module, path):
    torch.jit.trace(module, torch.zeros(2, 3)).save(path)
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_file_gives_the_same_samples_as_its_module(tmp_path):
    path = script(Scaled(2.5), tmp_path / "generator.pt")
    assert torch.equal(TorchScriptSampler(path, 3).sample(4, 1), ModuleSampler(Scaled(2.5), 3).sample(4, 1))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_the_message_about_a_torchscript_file_without_a_latent_contains_the_option(tmp_path):
    path = script(Scaled(), tmp_path / "generator.pt")
    with pytest.raises(UsageError, match=r"torchscript,path=.*generator\.pt,latent=128"):
        TorchScriptSampler(path)


def test_a_state_dict_is_not_opened_as_torchscript(tmp_path):
    torch.save(Scaled().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights\.pt is not a TorchScript file"):
        TorchScriptSampler(tmp_path / "weights.pt", 3)


def test_paths_are_accepted_by_their_suffix(tmp_path):
    names = ["g.pt", "g.TS", "g.jit", "g.torchscript", "images.zip", "folder"]
    assert [TorchScriptSampler.accepts(tmp_path / name) for name in names] == [True] * 4 + [False] * 2
    assert not TorchScriptSampler.accepts(nn.Identity())


def needs_an_option(count, temperature, seed):
    return np.full((count, 2), temperature) + (np.random.default_rng(seed).random((count, 2)) < 0)


def test_a_spec_binds_the_options_that_a_function_needs():
    sampler = open_subject(f"{__name__}:needs_an_option,temperature=3")
    assert (first_batch(sampler) == 3).all()


def test_the_seed_of_a_function_is_no_option():
    with pytest.raises(UsageError, match="gets another seed for each chunk: leave out seed="):
        open_sampler(f"{__name__}:needs_an_option,temperature=3,seed=4")
