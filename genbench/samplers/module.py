"""Make a sampler from a user's generator network: a torch module or a TorchScript file that maps latents to samples."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import nn

from genbench.errors import DivergedError, PlugError, UsageError, did_you_mean
from genbench.plugs.contracts import Sampler
from genbench.plugs.declared_form import DeclaredForm
from genbench.plugs.sampler_calls import seeded_generators
from genbench.plugs.torch_archives import SUFFIXES
from genbench.plugs.torch_modules import device_of, dtype_and_shape, evaluation_mode, read_torchscript

# Length or shape of one latent.
Latent = int | str | tuple[int, ...]


class ModuleSampler:
    """A torch module G as a sampler: the samples are G(z) for latents z, float32 [count, *latent].

    The seed determines z. ``latent`` is the length of z, or its shape as ``100x1x1``. ``distribution`` is ``normal``
    for N(0, I), ``uniform`` on -1..1, or ``unit`` for normal latents scaled to length 1 over all but the first axis.
    G may return uint8 images, float points [count, D], or float images. The values of float images must lie in the
    declared ``range``, such as ``-1..1``; they are rounded to uint8, and values slightly outside are clipped.
    G is called in evaluation mode, on the device of its parameters; its mode is restored afterwards.
    Raises UsageError for a missing or unknown option, PlugError if the output differs from the declaration.
    """

    def __init__(
        self,
        module: nn.Module,
        latent: Latent | None = None,
        *,
        distribution: str = "normal",
        range: str | None = None,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise UsageError(f"'module' expects a torch.nn.Module, not {module!r}; give one as module:attribute.")
        self.module = module
        self.name = type(module).__name__
        self.latent = _latent_shape(latent, self.name)
        self.distribution = _check_option("distribution", distribution, _DISTRIBUTIONS)
        # None is valid: uint8 images and points have no range
        self.form = DeclaredForm(range)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is a torch module that is not already a Sampler."""
        return isinstance(subject, nn.Module) and not isinstance(subject, Sampler)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Return uint8 images [count, C, H, W] or float32 points [count, D] on the CPU, determined by the seed.

        Without a declared range, float images are returned as they are.
        """
        # Latents are drawn on the CPU, so that they do not depend on the device.
        latents = _DISTRIBUTIONS[self.distribution]((count, *self.latent), torch.Generator().manual_seed(seed))
        # The global generators are seeded as well, for noise that the module draws itself.
        with seeded_generators(seed), evaluation_mode(self.module), torch.inference_mode():
            output: object = self.module(latents.to(device_of(self.module)))
        if not isinstance(output, torch.Tensor):
            raise PlugError(
                f"The sampler {self.name!r} returned a {type(output).__name__}; expected a tensor of samples."
            )
        # points and images become float32; integers are returned as they are
        output = output.cpu().to(torch.float32) if output.is_floating_point() else output.cpu()
        if not output.isfinite().all():
            raise DivergedError(
                f"The sampler {self.name!r} returned {dtype_and_shape(output)} with NaN or infinity among the values; "
                "the model may have diverged."
            )
        return torch.as_tensor(self.form.apply(output, f"The sampler {self.name!r}"))


class TorchScriptSampler(ModuleSampler):
    """A TorchScript file as a sampler, with the options of ModuleSampler.

    A TorchScript file is a program: open only files from people whom you trust. A file with other contents (a state
    dict, a pickled module) is rejected without being unpickled.
    """

    def __init__(
        self,
        path: str | Path,
        latent: Latent | None = None,
        *,
        distribution: str = "normal",
        range: str | None = None,
        device: str = "cpu",
    ) -> None:
        module = read_torchscript(Path(path), device)
        if latent is None:
            raise missing_latent("torchscript", path)
        super().__init__(module, latent, distribution=distribution, range=range)
        self.name = Path(path).name

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is the path of a file that may contain TorchScript."""
        return isinstance(subject, (str, Path)) and Path(subject).suffix.lower() in SUFFIXES


def missing_latent(plug: str, path: str | Path) -> UsageError:
    """Return the error for a file of a generator whose latents have an unknown shape."""
    return UsageError(
        f"{path} needs the length or shape of its latents: write {plug},path={path},latent=128 "
        "(or latent=100x1x1; float images also need range=-1..1)."
    )


def _latent_shape(latent: Latent | None, name: str) -> tuple[int, ...]:
    """Return the shape of one latent. Raises UsageError unless all its sizes are at least 1."""
    # 128, "128", "100x1x1" and (100, 1, 1) are all valid
    sizes = latent if isinstance(latent, tuple) else str(latent).split("x")
    try:
        shape = tuple(int(size) for size in sizes)
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageError(
            f"The sampler {name!r} needs the length or shape of its latents, as latent=128 or latent=100x1x1, "
            f"not {latent!r}."
        )
    return shape


def _check_option(option: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise UsageError(f"A sampler has no {option}={value}{did_you_mean(str(value), known)}")
    return value


def _normal_latents(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator)


def _uniform_latents(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * 2 - 1


def _unit_latents(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    # a normal vector has a uniformly distributed direction
    return nn.functional.normalize(_normal_latents(shape, generator).flatten(1)).view(shape)


# The values of the option ``distribution``.
_DISTRIBUTIONS = {"normal": _normal_latents, "uniform": _uniform_latents, "unit": _unit_latents}
